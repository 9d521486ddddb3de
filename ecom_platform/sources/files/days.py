"""What the days of a table are made of, as its files say: totals and fingerprints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecom_platform.sources.base import NO_ROWS, Totals, add_exactly
from ecom_platform.sources.files.database import execute

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    import duckdb

    #: Day -> its totals and its fingerprint, of days that have rows.
    Days = dict[date, tuple[Totals, str]]


def read_days(db: duckdb.DuckDBPyConnection, query: str, *, has_money: bool) -> Days:
    """Return what `FileSql.totals` asks for.

    A fingerprint is the number of rows and a sum over them: the same in whatever files and
    order they are, and another one when a row is there twice.
    """
    return {
        day: (
            Totals(rows, add_exactly(plain, others) if has_money else None),
            f"{rows}:{content:x}",
        )
        for day, rows, plain, others, content in execute(db, query)
    }


def fingerprints_of(days: Days, wanted: Iterable[date]) -> dict[date, str]:
    """Return the fingerprint of each day that is wanted, be it without rows."""
    return {day: days[day][1] if day in days else NO_ROWS for day in wanted}
