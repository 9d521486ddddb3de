"""The checks of the cleaned datasets: keys, known words, parents, days that are there, times.

Each is one declaration, most of them made from what the dataset declares.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster import AssetCheckSeverity

from ecom_platform.datasets import CLEANED, CLEANED_ORDERS, CLEANED_PAYMENTS
from ecom_platform.engines.duckdb import quote
from ecom_platform.quality.checks import Check, Nearby, nearby, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecom_platform.datasets import Dataset
    from ecom_platform.quality.thresholds import Thresholds

WARN = AssetCheckSeverity.WARN
#: Days that tell how many rows a weekday has.
EIGHT_WEEKS = 56


def cleaned_checks(thresholds: Thresholds) -> Iterator[Check]:
    """Declare the checks of the cleaned datasets."""
    for dataset in CLEANED:
        yield _keys(dataset)
        yield _one_day(dataset, thresholds)
        yield _rows(dataset, thresholds)
        yield from _accepted_values(dataset)
        if any(column.name == "is_orphan" for column in dataset.columns):
            yield _parents(dataset, thresholds)
    yield _guests(thresholds)
    yield _unknown_statuses(thresholds)
    yield _paid_after_ordered(thresholds)


def _keys(dataset: Dataset) -> Check:
    key = ", ".join(quote(column) for column in dataset.key)
    missing = " OR ".join(f"{quote(column)} IS NULL" for column in dataset.key)
    return Check(
        "keys_are_unique",
        dataset.path,
        f"Is {', '.join(dataset.key)} present on every row, and no two rows share it?",
        f"SELECT date, count(*) - count(DISTINCT ({key})) + count(*) FILTER (WHERE {missing}) "
        f"AS broken FROM {table(dataset)} GROUP BY date HAVING broken > 0",
    )


def _one_day(dataset: Dataset, thresholds: Thresholds) -> Check:
    days = thresholds.uniqueness.of(dataset.path).days
    return Check(
        "ids_are_on_one_day",
        dataset.path,
        f"Is every id on this day only, and on no other of the {days} days before and after?",
        f"""
        SELECT
            own.date,
            count(DISTINCT own.id) AS broken,
            CAST(min(other.date) AS VARCHAR) AS other_day,
            CAST(min(own.id) AS VARCHAR) AS example
        FROM {table(dataset)} AS own
        INNER JOIN {nearby(dataset.path)} AS other
            ON CAST(own.id AS VARCHAR) = CAST(other.id AS VARCHAR) AND own.date <> other.date
            AND abs(date_diff('day', own.date, other.date)) <= {days}
        GROUP BY own.date
        """,
        nearby=(Nearby(dataset.path, days, days),),
        threshold=f"uniqueness.days = {days}",
    )


def _rows(dataset: Dataset, thresholds: Thresholds) -> Check:
    least = thresholds.completeness.of(dataset.path).min_rows
    return Check(
        "day_has_rows",
        dataset.path,
        f"Does the day have rows, where its weekday has {least} or more as a rule?",
        f"""
        WITH counts AS (
            SELECT date, count(*) AS n FROM {nearby(dataset.path)} GROUP BY date
        ),
        usual AS (
            SELECT days.date, median(counts.n) AS expected, count(*) AS weeks
            FROM settings.days AS days
            INNER JOIN counts
                ON date_diff('day', counts.date, days.date) IN (7, 14, 21, 28, 35, 42, 49, 56)
            GROUP BY days.date
        )
        SELECT usual.date, 1 AS broken, usual.expected, usual.weeks
        FROM usual
        WHERE
            usual.expected >= {least} AND usual.weeks >= 4
            AND NOT EXISTS (SELECT 1 FROM {table(dataset)} AS own WHERE own.date = usual.date)
        """,
        nearby=(Nearby(dataset.path, EIGHT_WEEKS),),
        threshold=f"completeness.min_rows = {least}",
    )


def _accepted_values(dataset: Dataset) -> Iterator[Check]:
    for column in dataset.columns:
        if column.accepted:
            words = ", ".join(f"'{word}'" for word in column.accepted)
            yield Check(
                f"{column.name}_is_known",
                dataset.path,
                f"Is every {column.name} one of {', '.join(column.accepted)}?",
                f"SELECT date, count(*) AS broken, min({quote(column.name)}) AS example "
                f"FROM {table(dataset)} WHERE {quote(column.name)} IS NULL "
                f"OR {quote(column.name)} NOT IN ({words}) GROUP BY date",
            )


def _parents(dataset: Dataset, thresholds: Thresholds) -> Check:
    hours = thresholds.orphans.of(dataset.path).grace_hours
    return Check(
        "parents_exist",
        dataset.path,
        "Does every row that names a parent name one that the source has, "
        f"{hours} hours after its day?",
        f"""
        SELECT
            own.date,
            count(*) FILTER (WHERE own.is_orphan) AS broken,
            count(*) AS all_rows,
            CAST(min(own.id) FILTER (WHERE own.is_orphan) AS VARCHAR) AS example
        FROM {table(dataset)} AS own
        INNER JOIN settings.days AS days ON own.date = days.date
        WHERE days.ends_at + INTERVAL {hours} HOUR <= (SELECT now FROM settings.clock)
        GROUP BY own.date HAVING broken > 0
        """,
        severity=WARN,
        threshold=f"orphans.grace_hours = {hours}",
    )


def _guests(thresholds: Thresholds) -> Check:
    share = thresholds.guests.of(CLEANED_ORDERS.path).max_share
    return _share(
        "guests_are_few",
        CLEANED_ORDERS,
        f"Do at most {share:.0%} of the orders name no customer?",
        "customer_id IS NULL",
        share,
        thresholds,
        f"guests.max_share = {share:g}",
    )


def _unknown_statuses(thresholds: Thresholds) -> Check:
    share = thresholds.unknown_status.of(CLEANED_PAYMENTS.path).max_share
    return _share(
        "statuses_are_understood",
        CLEANED_PAYMENTS,
        f"Do at most {share:.0%} of the payments have a status that the platform has no word for?",
        "status = 'other'",
        share,
        thresholds,
        f"unknown_status.max_share = {share:g}",
        example="max(source_status) FILTER (WHERE status = 'other')",
    )


def _share(
    name: str,
    dataset: Dataset,
    question: str,
    condition: str,
    share: float,
    thresholds: Thresholds,
    threshold: str,
    example: str = "",
) -> Check:
    least = thresholds.completeness.of(dataset.path).min_rows
    more = f", {example} AS example" if example else ""
    return Check(
        name,
        dataset.path,
        question,
        f"SELECT date, count(*) FILTER (WHERE {condition}) AS broken, count(*) AS all_rows, "
        f"round(broken / all_rows, 4) AS share{more} FROM {table(dataset)} GROUP BY date "
        f"HAVING broken > {share} * all_rows AND all_rows >= {least}",
        severity=WARN,
        threshold=threshold,
    )


def _paid_after_ordered(thresholds: Thresholds) -> Check:
    minutes = thresholds.timestamps.of(CLEANED_PAYMENTS.path).skew_minutes
    return Check(
        "paid_after_ordered",
        CLEANED_PAYMENTS.path,
        f"Is no payment more than {minutes} minutes older than its order?",
        f"SELECT date, count(*) AS broken, CAST(min(id) AS VARCHAR) AS example FROM raw.payments "
        f"WHERE paid_at < order_created_at - INTERVAL {minutes} MINUTE GROUP BY date",
        reads=(CLEANED_PAYMENTS.path, "raw/payments"),
        severity=WARN,
        threshold=f"timestamps.skew_minutes = {minutes}",
    )
