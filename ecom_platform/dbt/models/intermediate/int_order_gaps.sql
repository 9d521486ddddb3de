-- One row per region (and all regions), day and day of the order before: the customers who
-- ordered on that day, and before it on the other day, or never. In any span of days, a
-- customer's first order there is the one whose order before lies outside of it: the distinct
-- customers of a span are a sum.

with

orders as (

    select distinct
        customer_id,
        region,
        date
    from {{ source('cleaned', 'orders') }}
    where
        customer_id is not null
        and date <= (select max(date) from {{ ref('int_order_days') }})

),

of_regions as (

    select
        region,
        date,
        lag(date) over (partition by customer_id, region order by date) as previous_date
    from orders

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
        lag(date) over (partition by customer_id order by date) as previous_date
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
    previous_date,
    count(*) as customers
from gaps
group by region, date, previous_date
