"""What was published of a metric at some moment: today's rows, with later changes undone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ecom_platform.engines.duckdb import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from ecom_platform.datasets import Dataset
    from ecom_platform.engines.duckdb import Connection
    from ecom_platform.lake.ledger import Entry, Ledger, Restatement

    #: Rows of a day as texts: values of the key -> column -> value.
    DayRows = dict[tuple[str, ...], dict[str, Any]]


def add_days_as_of(
    connection: Connection,
    ledger: Ledger,
    dataset: Dataset,
    days: Sequence[str],
    moment: datetime,
    *,
    view: str,
    table: str,
) -> set[str]:
    """Make a table of what was published of some days at a moment.

    Args:
        connection: Where to.
        ledger: What has changed since.
        dataset: The metric.
        days: ISO days that the lake has.
        moment: Aware.
        view: The rows that the lake has now: the declared columns and `date`.
        table: Name of the table to make, with the same columns.

    Returns:
        The days that were not published yet.
    """
    names = [*(column.name for column in dataset.columns), "date"]
    texts = ", ".join(f"CAST({quote(name)} AS VARCHAR) AS {quote(name)}" for name in names)
    now: dict[str, DayRows] = {day: {} for day in days}
    for row in connection.sql(f"SELECT {texts} FROM {view}").to_arrow_table().to_pylist():
        now[row["date"]][_key(dataset, row)] = row
    history = ledger.history(dataset, days)
    published = ledger.published_at(dataset, days)
    rows: list[dict[str, Any]] = []
    absent: set[str] = set()
    for day in days:
        later = [entry for entry in history[day] if entry.published_at > moment]
        if (later[-1].replaced_at if later else published[day]) > moment:
            absent.add(day)
        else:
            rows += _undo(dataset, day, now[day], later).values()
    schema = pa.schema([(name, pa.string()) for name in names])
    connection.register("as_texts", pa.Table.from_pylist(rows, schema=schema))
    # An insert casts the texts to the types of the view.
    connection.execute(f"CREATE TABLE {table} AS SELECT * FROM {view} WHERE false")
    connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM as_texts")
    return absent
    return absent


def _key(dataset: Dataset, values: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(values[name]) for name in dataset.key)


def _undo(dataset: Dataset, day: str, rows: DayRows, entries: Iterable[Entry]) -> DayRows:
    """Undo changes, the newest first."""
    for change in (change for entry in entries for change in entry.restatements):
        _undo_one(rows, _key(dataset, change.key), day, change)
    return rows


def _undo_one(rows: DayRows, key: tuple[str, ...], day: str, change: Restatement) -> None:
    if change.change == "added":
        rows.pop(key, None)
        return
    if change.change == "removed" and key not in rows:
        rows[key] = {**{name: str(value) for name, value in change.key.items()}, "date": day}
    rows[key][change.column] = change.old
