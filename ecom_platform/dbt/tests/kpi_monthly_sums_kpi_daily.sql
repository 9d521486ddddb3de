-- One row per month and region whose revenue or orders are not the sum of its days'.

with

days as (

    select
        cast(date_trunc('month', date) as date) as month,
        region,
        sum(total_revenue) as total_revenue,
        sum(total_orders) as total_orders
    from {{ ref('kpi_daily') }}
    group by all

)

select
    month,
    region
from {{ ref('kpi_monthly') }} as months
full outer join days using (month, region)
where
    months.total_revenue is distinct from days.total_revenue
    or months.total_orders is distinct from days.total_orders
