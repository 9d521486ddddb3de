-- One row per day and region (and all regions) with a payment or an order.

with

joined as (

    select
        coalesce(revenue.date, orders.date) as date,
        coalesce(revenue.region, orders.region) as region,
        coalesce(revenue.total_revenue, 0) as total_revenue,
        coalesce(orders.total_orders, 0) as total_orders
    from metrics.total_revenue as revenue
    full outer join metrics.total_orders as orders
        on revenue.date = orders.date and revenue.region = orders.region

)

select
    date,
    region,
    total_revenue,
    total_orders,
    cast(total_revenue as double) / nullif(cast(total_orders as double), 0)
        as average_order_value
from joined
