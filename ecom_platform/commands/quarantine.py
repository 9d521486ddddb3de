"""`ecom quarantine`: which rows were set aside, why, and another attempt at their days."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ecom_platform.calendar import contiguous_ranges
from ecom_platform.commands.formats import messages, write_csv, write_json, write_table
from ecom_platform.commands.outcome import DONE
from ecom_platform.commands.show import columns_of, open_days
from ecom_platform.datasets import QUARANTINE
from ecom_platform.engines.duckdb import quote, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from ecom_platform.datasets import Dataset
    from ecom_platform.settings import Settings

    #: (table, reason) -> rows, days, first day, last day.
    Reasons = dict[tuple[str, str], tuple[Any, ...]]

COLUMNS = ("table", "reason", "rows", "days", "first_day", "last_day")


def list_reasons(
    settings: Settings, table: str | None, first: date | None, last: date | None, form: str
) -> int:
    """Print how many rows are in the quarantine, by table and reason; return the exit code.

    Args:
        settings: Where the lake is.
        table: Only this one.
        first: First day; by default of the lake.
        last: Last day; by default the last closed one.
        form: `table`, `csv` or `json`.

    Raises:
        SettingsError: A day is not over yet or before the first, or the range is empty.
        MissingPartitionError: None of the days was computed.
    """
    found = _reasons(settings, _datasets(table), *_range(settings, first, last))
    _write("Quarantine", COLUMNS, [[*key, *facts] for key, facts in found.items()], form)
    return DONE


def show_rows(
    settings: Settings,
    table: str,
    first: date | None,
    last: date | None,
    reason: str | None,
    form: str,
) -> int:
    """Print the rows themselves, without what identifies a person; return the exit code.

    The table for people has of each row its day, its id, the reason and the value that the
    reason is about; CSV and JSON have all columns.

    Args:
        settings: Where the lake is.
        table: `orders`, `customers` or `payments`.
        first: First day; by default of the lake.
        last: Last day; by default the last closed one.
        reason: Only rows with it.
        form: `table`, `csv` or `json`.

    Raises:
        SettingsError: A day is not over yet or before the first, or the range is empty.
        MissingPartitionError: None of the days was computed.
    """
    (dataset,) = _datasets(table)
    columns = columns_of(dataset)
    with open_days(settings, dataset, *_range(settings, first, last)) as (connection, _):
        where = f"WHERE reject_reason = {text(reason)}" if reason else ""
        rows = connection.execute(
            f"SELECT {', '.join(map(quote, columns))} FROM days {where} "
            "ORDER BY date, reject_reason, id"
        ).fetchall()
    if form == "table":
        named = (dict(zip(columns, row, strict=True)) for row in rows)
        brief = [[row["date"], row["id"], row["reject_reason"], _value(row)] for row in named]
        _write(dataset.path, ("date", "id", "reason", "value"), brief, form)
    else:
        _write(dataset.path, columns, rows, form)
    return DONE


def replay(
    settings: Settings, table: str | None, first: date | None, last: date | None, *, debug: bool
) -> int:
    """Make the days again that have rows in the quarantine; return the worst exit code.

    Args:
        settings: Of the environment.
        table: Only days with rows of this one.
        first: First day; by default of the lake.
        last: Last day; by default the last closed one.
        debug: Print tracebacks of what fails.

    Raises:
        SettingsError: A day is not over yet or before the first, or the range is empty.
        MissingPartitionError: None of the days was computed.
    """
    from ecom_platform.commands.run import run_range

    datasets, span = _datasets(table), _range(settings, first, last)
    days = sorted({day for dataset in datasets for day in _days(settings, dataset, *span)})
    before = _reasons(settings, datasets, *span)
    if not days:
        messages().print("No day has rows in the quarantine.")
        return DONE
    codes = [run_range(settings, start, end, debug=debug) for start, end in contiguous_ranges(days)]
    after = _reasons(settings, datasets, *span)
    rows = [
        [*key, before[key][0] if key in before else 0, after[key][0] if key in after else 0]
        for key in sorted({*before, *after})
    ]
    _write("Quarantine", ("table", "reason", "rows_before", "rows_now"), rows, "table")
    return next((code for code in (1, 2) if code in codes), DONE)


def _datasets(table: str | None) -> list[Dataset]:
    return [dataset for dataset in QUARANTINE if table in (None, dataset.name)]


def _range(settings: Settings, first: date | None, last: date | None) -> tuple[date, date]:
    return first or settings.start_date, last or settings.calendar.last_closed()


def _reasons(settings: Settings, datasets: Sequence[Dataset], first: date, last: date) -> Reasons:
    found: Reasons = {}
    for dataset in datasets:
        with open_days(settings, dataset, first, last) as (connection, _):
            rows = connection.execute(
                "SELECT reject_reason, count(*), count(DISTINCT date), min(date), max(date) "
                "FROM days GROUP BY reject_reason ORDER BY 2 DESC, 1"
            ).fetchall()
        found |= {(dataset.name, row[0]): row[1:] for row in rows}
    return found


def _days(settings: Settings, dataset: Dataset, first: date, last: date) -> list[date]:
    with open_days(settings, dataset, first, last) as (connection, _):
        return [day for (day,) in connection.execute("SELECT DISTINCT date FROM days").fetchall()]


def _value(row: dict[str, Any]) -> Any:
    """Return the value that a reason is about: reasons begin with the name of a column."""
    column = row["reject_reason"].partition(" ")[0]
    unreadable = row.get(f"{column}_text")
    return unreadable if unreadable is not None else row.get(column)


def _write(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], form: str) -> None:
    if form == "table":
        write_table(title, columns, rows)
    elif form == "csv":
        write_csv(columns, rows, sys.stdout)
    else:
        write_json(columns, rows)
