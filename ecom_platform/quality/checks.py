"""Asset checks: questions to the published lake, answered day by day.

Each check is one declaration. Their SQL returns the days on which something is
broken; a day that it does not return has passed. Audits before publishing are in
`audits.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dagster import AssetCheckSeverity

from ecom_platform.datasets import CLEANED, Dataset
from ecom_platform.engines.duckdb import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ecom_platform.engines.duckdb import Connection


@dataclass(frozen=True)
class Check:
    """One question, asked of each day.

    Args:
        name: Name within the asset.
        dataset: `layer/name` it is shown at.
        question: What is asked, as a question.
        sql: Returns `date`, `broken` (a count above 0) and further columns that tell more,
            for the days on which the answer is no.
        reads: `layer/name` of the datasets the SQL reads; by default only its own.
        severity: WARN where the data may be as the shop's reality is.
    """

    name: str
    dataset: str
    question: str
    sql: str
    reads: tuple[str, ...] = ()
    severity: AssetCheckSeverity = AssetCheckSeverity.ERROR

    @property
    def inputs(self) -> tuple[str, ...]:
        """All datasets the SQL reads."""
        return self.reads or (self.dataset,)


@dataclass(frozen=True)
class Answer:
    """What a check says of one day: whether it passed, and what it saw."""

    day: str
    passed: bool
    facts: Mapping[str, int | float | str] = field(default_factory=dict[str, int | float | str])


def answer(connection: Connection, check: Check, days: Iterable[str]) -> Iterator[Answer]:
    """Ask a check of each of the days; its inputs are views of the connection."""
    rows = connection.execute(check.sql)
    names = [str(column[0]) for column in rows.description or ()]
    broken = {str(row[0]): dict(zip(names[1:], row[1:], strict=True)) for row in rows.fetchall()}
    for day in days:
        found = broken.get(day, {"broken": 0})
        facts = {
            name: value if isinstance(value, int | float) else str(value)
            for name, value in found.items()
        }
        yield Answer(day, passed=not found["broken"], facts=facts)


def cleaned_checks() -> Iterator[Check]:
    """Declare the checks of the cleaned datasets, from their declarations."""
    for dataset in CLEANED:
        yield _key_check(dataset)
        yield from _accepted_value_checks(dataset)
        if any(column.name == "is_orphan" for column in dataset.columns):
            yield Check(
                "parents_exist",
                dataset.path,
                "Does every row that names a parent name one that the source has?",
                f"SELECT date, count(*) FILTER (WHERE is_orphan) AS broken, "
                f"count(*) AS all_rows FROM {_table(dataset)} GROUP BY date HAVING broken > 0",
                severity=AssetCheckSeverity.WARN,
            )


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


def _table(dataset: Dataset) -> str:
    return f"{quote(dataset.layer)}.{quote(dataset.name)}"


def _key_check(dataset: Dataset) -> Check:
    key = ", ".join(quote(column) for column in dataset.key)
    missing = " OR ".join(f"{quote(column)} IS NULL" for column in dataset.key)
    return Check(
        "keys_are_unique",
        dataset.path,
        f"Is {', '.join(dataset.key)} present on every row, and no two rows share it?",
        f"SELECT date, count(*) - count(DISTINCT ({key})) + count(*) FILTER (WHERE {missing}) "
        f"AS broken FROM {_table(dataset)} GROUP BY date HAVING broken > 0",
    )


def _accepted_value_checks(dataset: Dataset) -> Iterator[Check]:
    for column in dataset.columns:
        if column.accepted:
            words = ", ".join(f"'{word}'" for word in column.accepted)
            yield Check(
                f"{column.name}_is_known",
                dataset.path,
                f"Is every {column.name} one of {', '.join(column.accepted)}?",
                f"SELECT date, count(*) AS broken, min({quote(column.name)}) AS example "
                f"FROM {_table(dataset)} WHERE {quote(column.name)} IS NULL "
                f"OR {quote(column.name)} NOT IN ({words}) GROUP BY date",
            )


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
        f"FROM (SELECT {by}, {sums} FROM {_table(dataset)} GROUP BY {by}) "
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
