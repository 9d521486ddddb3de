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
        {% for outcome in ["paid", "pending", "failed", "refunded", "other", "unpaid"] -%}
        count(*) filter (where outcome = '{{ outcome }}') as {{ outcome }}_orders,
        {% endfor -%}
        cast(sum(received_amount) as decimal(18, 2)) as received_amount,
        {% for days in [0, 1, 3, 7] -%}
        cast(sum(received_within_{{ days }}) as decimal(18, 2))
            as received_within_{{ days }},
        {% endfor %}
    from {{ ref('int_order_payments') }}
    group by grouping sets ((date, region), (date))

)

select
    kpis.date,
    kpis.region,
    {% for column in [
        "orders", "ordered_amount", "paid_orders", "pending_orders", "failed_orders",
        "refunded_orders", "other_orders", "unpaid_orders", "received_amount",
    ] -%}
    coalesce(orders.{{ column }}, 0) as {{ column }},
    {% endfor -%}
    {% for days in [0, 1, 3, 7] -%}
    -- Days are compared at equal age: one that is not so old has no such number yet.
    if(
        kpis.date + {{ days }} <= kpis.report_day,
        coalesce(orders.received_within_{{ days }}, 0),
        null
    ) as received_amount_within_{{ days }}_days{{ "," if not loop.last }}
    {% endfor %}
from kpis
left join orders using (date, region)
where kpis.known_since <= kpis.date
