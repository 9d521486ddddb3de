-- One row per region (and all regions), day and earlier day: the customers who ordered on that
-- day there and, before it, on the earlier day there; who never did there but had ordered
-- elsewhere, on the day of their very first order. Void orders do not count. The returning
-- customers of a span of days are those whose earlier day lies before it: a sum.

with

orders as (

    select distinct
        customer_id,
        region,
        date
    from {{ source('cleaned', 'orders') }}
    where
        customer_id is not null
        and not is_void
        and date <= (select max(date) from {{ ref('int_order_days') }})

),

first_orders as (

    select * from {{ ref('int_first_orders') }}

),

of_regions as (

    select
        orders.region,
        orders.date,
        coalesce(
            lag(orders.date) over (
                partition by orders.customer_id, orders.region order by orders.date
            ),
            first_orders.first_date
        ) as earlier_date
    from orders
    inner join first_orders on orders.customer_id = first_orders.customer_id

),

days_of_customers as (

    select distinct
        customer_id,
        date
    from orders

),

of_all as (

    select
        'all' as region,
        date,
        lag(date) over (partition by customer_id order by date) as earlier_date
    from days_of_customers

),

gaps as (

    select * from of_regions
    union all
    select * from of_all

)

select
    region,
    date,
    earlier_date,
    count(*) as customers
from gaps
where earlier_date < date
group by region, date, earlier_date
