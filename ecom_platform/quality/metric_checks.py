"""The checks of the metrics: the identities that their definitions promise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecom_platform.engines.duckdb import quote
from ecom_platform.quality.checks import Check, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ecom_platform.datasets import Dataset


def metric_checks(metrics: Iterable[Dataset], additive: Iterable[str]) -> Iterator[Check]:
    """Declare the checks of the metrics: the identities that their definitions promise.

    Args:
        metrics: The metrics' datasets.
        additive: Names of those whose regions sum to `all`.
    """
    found = {dataset.name: dataset for dataset in metrics}
    for name in additive:
        yield _regions_check(found[name])
    if "payment_status" in found:
        yield _PAYMENTS_ADD_UP
    if "average_order_value" in found:
        yield _AVERAGE_TIMES_ORDERS
    if "total_customers" in found:
        yield _CUSTOMERS_HAVE_ORDERS
    if "customer_retention_rate" in found:
        yield _RATE_IS_A_SHARE


def _regions_check(dataset: Dataset) -> Check:
    """Ask whether the regions of an additive metric sum to `all`, in every number."""
    numbers = [
        column.name
        for column in dataset.columns
        if column.name not in dataset.key and column.required
    ]
    by = ", ".join(["date", *(quote(key) for key in dataset.key if key != "region")])
    sums = ", ".join(
        f"sum(CASE WHEN region = 'all' THEN {quote(n)} ELSE -{quote(n)} END) AS {quote(n)}"
        for n in numbers
    )
    totals = ", ".join(f"sum({quote(n)}) AS {quote(n)}" for n in numbers)
    wrong = " OR ".join(f"{quote(n)} <> 0" for n in numbers)
    return Check(
        "regions_sum_to_all",
        dataset.path,
        "Do the regions sum to the row of all regions?",
        f"SELECT date, count(*) AS broken, {totals} "
        f"FROM (SELECT {by}, {sums} FROM {table(dataset)} GROUP BY {by}) "
        f"WHERE {wrong} GROUP BY date",
    )


_PAYMENTS_ADD_UP = Check(
    "sums_to_all_payments",
    "metrics/payment_status",
    "Do the statuses sum to all payments of the day, in number and amount?",
    """
    SELECT
        date,
        1 AS broken,
        coalesce(statuses.payments, 0) AS payments_by_status,
        coalesce(cleaned.payments, 0) AS payments,
        coalesce(statuses.amount, 0) AS amount_by_status,
        coalesce(cleaned.amount, 0) AS amount
    FROM (
        SELECT date, sum(payments) AS payments, sum(amount) AS amount
        FROM metrics.payment_status WHERE region = 'all' GROUP BY date
    ) AS statuses
    FULL OUTER JOIN (
        SELECT date, count(*) AS payments, sum(amount) AS amount
        FROM cleaned.payments GROUP BY date
    ) AS cleaned USING (date)
    WHERE
        coalesce(statuses.payments, 0) <> coalesce(cleaned.payments, 0)
        OR coalesce(statuses.amount, 0) <> coalesce(cleaned.amount, 0)
    """,
    reads=("metrics/payment_status", "cleaned/payments"),
)

_AVERAGE_TIMES_ORDERS = Check(
    "times_orders_is_revenue",
    "metrics/average_order_value",
    "Does average order value times orders give the revenue, to the cent?",
    """
    SELECT date, count(*) AS broken, min(region) AS example
    FROM metrics.total_revenue AS revenue
    FULL JOIN metrics.total_orders AS orders USING (date, region)
    FULL JOIN metrics.average_order_value AS average USING (date, region)
    WHERE
        average.total_orders IS DISTINCT FROM coalesce(orders.total_orders, 0)
        OR average.total_revenue IS DISTINCT FROM coalesce(revenue.total_revenue, 0)
        OR abs(average.average_order_value * average.total_orders - average.total_revenue) >= 0.005
        OR (average.average_order_value IS NULL) <> (average.total_orders = 0)
    GROUP BY date
    """,
    reads=("metrics/average_order_value", "metrics/total_revenue", "metrics/total_orders"),
)

_CUSTOMERS_HAVE_ORDERS = Check(
    "not_more_than_orders",
    "metrics/total_customers",
    "Are there no more customers than orders, and no fewer in all than in any region?",
    """
    SELECT customers.date, count(*) AS broken, min(customers.region) AS example
    FROM metrics.total_customers AS customers
    LEFT JOIN metrics.total_orders AS orders USING (date, region)
    LEFT JOIN metrics.total_customers AS whole
        ON whole.date = customers.date AND whole.region = 'all'
    WHERE
        customers.total_customers > coalesce(orders.total_orders, 0)
        OR customers.total_customers > coalesce(whole.total_customers, 0)
    GROUP BY customers.date
    """,
    reads=("metrics/total_customers", "metrics/total_orders"),
)

_RATE_IS_A_SHARE = Check(
    "rate_is_a_share",
    "metrics/customer_retention_rate",
    "Is the rate the share of repeat customers among the active ones, from 0 to 1?",
    """
    SELECT date, count(*) AS broken, min(region) AS example
    FROM metrics.customer_retention_rate
    WHERE
        repeat_customers NOT BETWEEN 0 AND active_customers
        OR customer_retention_rate IS DISTINCT FROM repeat_customers / nullif(active_customers, 0)
    GROUP BY date
    """,
)
