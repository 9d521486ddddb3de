-- One row per month with a computed day and region known by then: every KPI of the whole
-- month so far, and what it was before.

with

kpis as (

    select * from {{ ref('int_kpis_by_month') }}

)

select
    kpis.month,
    kpis.region,
    kpis.revenue_days,
    kpis.order_days,
    least(kpis.revenue_days, kpis.order_days) = day(last_day(kpis.month)) as is_complete,
    kpis.total_revenue,
    kpis.total_orders,
    kpis.void_orders,
    kpis.total_customers,
    kpis.average_order_value,
    kpis.customer_retention_rate,
    kpis.active_customers,
    kpis.repeat_customers,
    {{ compared_with('month_before') }},
    {{ compared_with('year_before') }}
from kpis
left join kpis as month_before
    on
        kpis.region = month_before.region
        and kpis.month - interval 1 month = month_before.month
left join kpis as year_before
    on
        kpis.region = year_before.region
        and kpis.month - interval 1 year = year_before.month
where kpis.known_since <= last_day(kpis.month)
