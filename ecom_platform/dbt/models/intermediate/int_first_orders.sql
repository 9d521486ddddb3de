-- One row per customer who ordered: the first order that is not void, and the one after it.

with

orders as (

    select
        customer_id,
        region,
        date,
        lead(date) over customer_orders as next_date,
        row_number() over customer_orders as place
    from {{ source('cleaned', 'orders') }}
    where
        customer_id is not null
        and not is_void
        and date <= (select max(date) from {{ ref('int_order_days') }})
    window customer_orders as (partition by customer_id order by created_at, id)

)

select
    customer_id,
    region,
    date as first_date,
    next_date as second_date
from orders
where place = 1
