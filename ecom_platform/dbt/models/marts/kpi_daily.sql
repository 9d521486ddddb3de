-- One row per day that any main metric has and region known by then: every KPI, and what it was
-- before.

with

kpis as (

    select * from {{ ref('int_kpis') }}

)

select
    kpis.date,
    kpis.region,
    kpis.total_revenue,
    kpis.total_orders,
    kpis.void_orders,
    kpis.total_customers,
    kpis.average_order_value,
    kpis.customer_retention_rate,
    kpis.active_customers,
    kpis.repeat_customers,
    {{ compared_with('day_before') }},
    {{ compared_with('week_before') }},
    {{ compared_with('28_days_before') }},
    {{ compared_with('year_before') }}
from kpis
left join kpis as day_before
    on kpis.region = day_before.region and kpis.date - 1 = day_before.date
left join kpis as week_before
    on kpis.region = week_before.region and kpis.date - 7 = week_before.date
left join kpis as "28_days_before"
    on
        kpis.region = "28_days_before".region
        and kpis.date - 28 = "28_days_before".date
left join kpis as year_before
    on
        kpis.region = year_before.region
        -- 29 February is compared with the 28th.
        and cast(kpis.date - interval 1 year as date) = year_before.date
where kpis.known_since <= kpis.date
