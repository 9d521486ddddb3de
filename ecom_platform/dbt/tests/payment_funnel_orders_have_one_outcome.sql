-- One row per day and region whose outcomes do not sum to its orders.

select *
from {{ ref('payment_funnel') }}
where
    orders <> (
        paid_orders
        + pending_orders
        + failed_orders
        + refunded_orders
        + other_orders
        + unpaid_orders
    )
