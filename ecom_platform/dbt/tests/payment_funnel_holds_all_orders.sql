-- One row per day and region whose orders are not those of the metric.

select
    funnel.date,
    funnel.region
from {{ ref('payment_funnel') }} as funnel
inner join {{ ref('kpi_daily') }} as kpis using (date, region)
where funnel.orders <> kpis.total_orders
