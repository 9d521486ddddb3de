"""The checks of orders' totals: are they there, and do payments, of days of their own, match?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster import AssetCheckSeverity

from ecom_platform.datasets import CLEANED_ORDERS, CLEANED_PAYMENTS, RAW_ORDERS
from ecom_platform.quality.checks import Check, Nearby, nearby

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecom_platform.quality.thresholds import Thresholds

#: Days before and after an order that its payments are looked for.
BEFORE, AFTER = 7, 28
#: Of each order of days long enough ago: what was captured, of that refunded, and its total.
_PAID = """
    SELECT
        own.date,
        own.id,
        own.total_amount,
        coalesce(sum(paid.amount) FILTER (WHERE paid.status IN ('completed', 'refunded')), 0)
            AS captured,
        coalesce(sum(abs(paid.amount)) FILTER (WHERE paid.status = 'refunded'), 0) AS refunded
    FROM cleaned.orders AS own
    INNER JOIN settings.days AS days ON own.date = days.date
    LEFT JOIN {payments} AS paid ON CAST(paid.order_id AS VARCHAR) = CAST(own.id AS VARCHAR)
    WHERE
        NOT own.is_void
        AND days.ends_at + INTERVAL {grace} DAY <= (SELECT now FROM settings.clock)
    GROUP BY own.date, own.id, own.total_amount
"""


def order_checks(thresholds: Thresholds) -> Iterator[Check]:
    """Declare the checks of orders' totals, and of their payments against these."""
    yield Check(
        "amounts_are_known",
        CLEANED_ORDERS.path,
        "Does every order have a total that is an amount? It counts as an order all the same.",
        """
        SELECT
            own.date,
            count(*) AS broken,
            count(*) - count(source.total_amount_text) AS missing,
            count(source.total_amount_text) AS unreadable,
            CAST(min(own.id) AS VARCHAR) AS example
        FROM cleaned.orders AS own
        INNER JOIN (SELECT DISTINCT date, id, total_amount_text FROM raw.orders) AS source
            USING (date, id)
        WHERE own.total_amount IS NULL
        GROUP BY own.date
        """,
        reads=(CLEANED_ORDERS.path, RAW_ORDERS.path),
        severity=AssetCheckSeverity.WARN,
    )
    limits = thresholds.arithmetic.of(CLEANED_ORDERS.path)
    least = thresholds.completeness.of(CLEANED_ORDERS.path).min_rows
    payments = (Nearby(CLEANED_PAYMENTS.path, BEFORE, AFTER),)
    paid = _PAID.format(payments=nearby(CLEANED_PAYMENTS.path), grace=limits.grace_days)
    yield Check(
        "orders_are_paid",
        CLEANED_ORDERS.path,
        f"Do the captured payments of an order add up to its total, {limits.grace_days} days "
        f"after its day, for all but {limits.max_share:.0%} of the orders that are not void?",
        f"""
        WITH paid AS ({paid})
        SELECT
            date,
            count(*) FILTER (WHERE abs(captured - total_amount) >= 0.005) AS broken,
            count(total_amount) AS all_rows,
            count(*) FILTER (WHERE captured = 0 AND total_amount > 0) AS unpaid,
            count(*) FILTER (WHERE captured - total_amount >= 0.005) AS paid_too_much,
            CAST(sum(captured - total_amount) AS VARCHAR) AS difference
        FROM paid
        GROUP BY date
        HAVING broken > {limits.max_share} * all_rows AND all_rows >= {least}
        """,
        nearby=payments,
        severity=AssetCheckSeverity.WARN,
        threshold=f"arithmetic.max_share = {limits.max_share:g}",
    )
    yield Check(
        "refunds_are_covered",
        CLEANED_ORDERS.path,
        "Is no more of an order refunded than its total?",
        f"""
        WITH paid AS ({paid})
        SELECT
            date,
            count(*) AS broken,
            CAST(sum(refunded - total_amount) AS VARCHAR) AS too_much,
            CAST(min(id) AS VARCHAR) AS example
        FROM paid
        WHERE refunded >= total_amount + 0.005
        GROUP BY date
        """,
        nearby=payments,
        severity=AssetCheckSeverity.WARN,
    )
