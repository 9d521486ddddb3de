-- One row per order: what became of it, and what was received for it within some days.

with

orders as (

    select
        *,
        cast(id as varchar) as order_id
    from {{ source('cleaned', 'orders') }}

),

payments as (

    select
        *,
        cast(order_id as varchar) as order_key
    from {{ source('cleaned', 'payments') }}

),

joined as (

    select
        orders.order_id,
        payments.status,
        payments.date - orders.date as days_after,
        if(payments.status = 'completed', payments.amount, 0) as received
    from payments
    inner join orders on payments.order_key = orders.order_id

),

paid as (

    select
        order_id,
        sum(received) as received_amount,
        sum(if(days_after <= 0, received, 0)) as received_within_0,
        sum(if(days_after <= 1, received, 0)) as received_within_1,
        sum(if(days_after <= 3, received, 0)) as received_within_3,
        sum(if(days_after <= 7, received, 0)) as received_within_7,
        bool_or(status = 'completed') as is_paid,
        bool_or(status = 'pending') as is_pending,
        bool_or(status = 'refunded') as is_refunded,
        bool_and(status = 'failed') as is_failed
    from joined
    group by order_id

)

select
    orders.date,
    orders.region,
    orders.total_amount,
    paid.* exclude (order_id, is_paid, is_pending, is_refunded, is_failed),
    case
        when paid.order_id is null then 'unpaid'
        when paid.is_paid then 'paid'
        when paid.is_pending then 'pending'
        when paid.is_refunded then 'refunded'
        when paid.is_failed then 'failed'
        else 'other'
    end as outcome
from orders
left join paid using (order_id)
