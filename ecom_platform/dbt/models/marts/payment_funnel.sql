-- One row per day whose orders are there and region: what was ordered, and how much of it was
-- received. What hangs on payments is NULL where those of the day are not there.

with

days as (

    select
        orders.*,
        -- Whether payments of that day are there, and of it and so many days after it.
    {% for age in (0, 1, 3, 7) -%}
        count(payments.date) filter (where payments.date <= orders.date + {{ age }})
        = {{ age + 1 }} as is_{{ age }}_days_old{{ "," if not loop.last }}
    {% endfor %}
    from {{ ref('int_order_days') }} as orders
    left join {{ source('metrics', 'total_revenue') }} as payments
        on payments.region = 'all' and payments.date between orders.date and orders.date + 7
    group by orders.date, orders.region

),

orders as (

    select
        date,
        case when grouping(region) = 1 then 'all' else region end as region,
        count(*) as orders,
        cast(sum(total_amount) as decimal(38, 2)) as ordered_amount,
        count(*) - count(total_amount) as orders_without_amount,
        count(*) filter (where outcome = 'paid') as paid_orders,
        count(*) filter (where outcome = 'pending') as pending_orders,
        count(*) filter (where outcome = 'failed') as failed_orders,
        count(*) filter (where outcome = 'refunded') as refunded_orders,
        count(*) filter (where outcome = 'other') as other_orders,
        count(*) filter (where outcome = 'unpaid') as unpaid_orders,
        cast(sum(received_amount) as decimal(38, 2)) as received_amount,
        cast(sum(received_within_0) as decimal(38, 2)) as received_within_0,
        cast(sum(received_within_1) as decimal(38, 2)) as received_within_1,
        cast(sum(received_within_3) as decimal(38, 2)) as received_within_3,
        cast(sum(received_within_7) as decimal(38, 2)) as received_within_7
    from {{ ref('int_order_payments') }}
    group by grouping sets ((date, region), (date))

)

select
    days.date,
    days.region,
    coalesce(orders.orders, 0) as orders,
    -- NULL where there are orders, and no total of them is known.
    if(orders.orders > 0, orders.ordered_amount, 0) as ordered_amount,
    coalesce(orders.orders_without_amount, 0) as orders_without_amount,
    {% for outcome in ("paid", "pending", "failed", "refunded", "other", "unpaid") -%}
        if(days.is_0_days_old, coalesce(orders.{{ outcome }}_orders, 0), null)
            as {{ outcome }}_orders,
    {% endfor -%}
    if(days.is_0_days_old, coalesce(orders.received_amount, 0), null) as received_amount,
    -- Days are compared at equal age: one that is not so old has no such number yet.
{% for age in (0, 1, 3, 7) -%}
    if(days.is_{{ age }}_days_old, coalesce(orders.received_within_{{ age }}, 0), null)
        as received_amount_within_{{ age }}_days{{ "," if not loop.last }}
{% endfor %}
from days
left join orders using (date, region)
