-- One row per computed day and region that ever was, zeros where it had nothing.

with

days as (

    select * from {{ ref('int_days') }}

),

revenue as (

    select * from {{ source('metrics', 'total_revenue') }}

),

orders as (

    select * from {{ source('metrics', 'total_orders') }}

),

customers as (

    select * from {{ source('metrics', 'total_customers') }}

),

order_values as (

    select * from {{ source('metrics', 'average_order_value') }}

),

retention as (

    select * from {{ source('metrics', 'customer_retention_rate') }}

),

seen as (

    select region, date from revenue
    union all
    select region, date from orders
    union all
    select region, date from retention

),

regions as (

    select
        region,
        min(date) as known_since
    from seen
    where date in (select date from days)
    group by region

)

select
    days.date,
    regions.region,
    regions.known_since,
    coalesce(revenue.total_revenue, 0) as total_revenue,
    coalesce(orders.total_orders, 0) as total_orders,
    coalesce(orders.void_orders, 0) as void_orders,
    coalesce(customers.total_customers, 0) as total_customers,
    order_values.average_order_value,
    retention.customer_retention_rate,
    coalesce(retention.active_customers, 0) as active_customers,
    coalesce(retention.repeat_customers, 0) as repeat_customers
from days
cross join regions
left join revenue using (date, region)
left join orders using (date, region)
left join customers using (date, region)
left join order_values using (date, region)
left join retention using (date, region)
