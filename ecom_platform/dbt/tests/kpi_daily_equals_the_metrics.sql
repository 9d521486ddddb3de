-- One row per day and region whose KPIs are not those of the metrics.

select
    kpis.date,
    kpis.region
from {{ ref('kpi_daily') }} as kpis
left join {{ source('metrics', 'total_revenue') }} as revenue using (date, region)
left join {{ source('metrics', 'total_orders') }} as orders using (date, region)
left join {{ source('metrics', 'total_customers') }} as customers using (date, region)
where
    kpis.total_revenue is distinct from coalesce(revenue.total_revenue, 0)
    or kpis.total_orders is distinct from coalesce(orders.total_orders, 0)
    or kpis.total_customers is distinct from coalesce(customers.total_customers, 0)
