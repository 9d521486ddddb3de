-- One row per day of orders and region: what was ordered, and how much of it was received.

with

kpis as (

    select
        *,
        max(date) over () as report_day
    from {{ ref('int_kpis') }}

),

orders as (

    select
        date,
        case when grouping(region) = 1 then 'all' else region end as region,
        count(*) as orders,
        cast(sum(total_amount) as decimal(18, 2)) as ordered_amount,
        count(*) - count(total_amount) as orders_without_amount,
        count(*) filter (where outcome = 'paid') as paid_orders,
        count(*) filter (where outcome = 'pending') as pending_orders,
        count(*) filter (where outcome = 'failed') as failed_orders,
        count(*) filter (where outcome = 'refunded') as refunded_orders,
        count(*) filter (where outcome = 'other') as other_orders,
        count(*) filter (where outcome = 'unpaid') as unpaid_orders,
        cast(sum(received_amount) as decimal(18, 2)) as received_amount,
        cast(sum(received_within_0) as decimal(18, 2)) as received_within_0,
        cast(sum(received_within_1) as decimal(18, 2)) as received_within_1,
        cast(sum(received_within_3) as decimal(18, 2)) as received_within_3,
        cast(sum(received_within_7) as decimal(18, 2)) as received_within_7
    from {{ ref('int_order_payments') }}
    group by grouping sets ((date, region), (date))

)

select
    kpis.date,
    kpis.region,
    coalesce(orders.orders, 0) as orders,
    -- NULL where there are orders, and no total of them is known.
    if(orders.orders > 0, orders.ordered_amount, 0) as ordered_amount,
    coalesce(orders.orders_without_amount, 0) as orders_without_amount,
    coalesce(orders.paid_orders, 0) as paid_orders,
    coalesce(orders.pending_orders, 0) as pending_orders,
    coalesce(orders.failed_orders, 0) as failed_orders,
    coalesce(orders.refunded_orders, 0) as refunded_orders,
    coalesce(orders.other_orders, 0) as other_orders,
    coalesce(orders.unpaid_orders, 0) as unpaid_orders,
    coalesce(orders.received_amount, 0) as received_amount,
    -- Days are compared at equal age: one that is not so old has no such number yet.
    if(kpis.date + 0 <= kpis.report_day, coalesce(orders.received_within_0, 0), null)
        as received_amount_within_0_days,
    if(kpis.date + 1 <= kpis.report_day, coalesce(orders.received_within_1, 0), null)
        as received_amount_within_1_days,
    if(kpis.date + 3 <= kpis.report_day, coalesce(orders.received_within_3, 0), null)
        as received_amount_within_3_days,
    if(kpis.date + 7 <= kpis.report_day, coalesce(orders.received_within_7, 0), null)
        as received_amount_within_7_days
from kpis
left join orders using (date, region)
where kpis.known_since <= kpis.date
