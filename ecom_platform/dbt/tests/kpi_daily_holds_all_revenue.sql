-- One row when the revenue of all computed days is not that of the metric.

with

mart as (

    select sum(total_revenue) as revenue from {{ ref('kpi_daily') }}

),

metric as (

    select sum(total_revenue) as revenue
    from {{ source('metrics', 'total_revenue') }}
    where date in (select date from {{ ref('kpi_daily') }})

)

select
    mart.revenue as in_mart,
    metric.revenue as in_metric
from mart
cross join metric
where mart.revenue is distinct from metric.revenue
