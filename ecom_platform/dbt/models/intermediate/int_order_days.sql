-- One row per day whose orders are there and region known by then. Every day has `all`.

with

orders as (

    select
        date,
        region
    from {{ source('metrics', 'total_orders') }}

),

regions as (

    select
        region,
        min(date) as known_since
    from orders
    group by region

)

select
    orders.date,
    regions.region
from orders
inner join regions on orders.date >= regions.known_since
where orders.region = 'all'
