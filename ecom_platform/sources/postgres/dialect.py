"""How a column of PostgreSQL becomes a value of the lake, as SQL: ids, money, times.

What the lake's type cannot hold exactly is NULL, and `unreadable_text` is the source's own text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecom_platform.calendar import ONE_DAY, days_between
from ecom_platform.datasets import Type
from ecom_platform.sources.postgres.catalog import FLOATS, INTEGERS, quote
from ecom_platform.sources.postgres.fingerprints import row_hash
from ecom_platform.sources.shop_tables import literal
from ecom_platform.sources.shop_times import Intervals

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import date, datetime

    from ecom_platform.calendar import Calendar
    from ecom_platform.sources.shop_tables import SourceColumn

_MONEY_DIGITS = 16  # before the point, of a DECIMAL(18,2)
_MONEY_DECIMALS = 2
_MONEY_LIMIT = 10**_MONEY_DIGITS


class PostgresDialect:
    """Writes values of PostgreSQL; the methods are described in `sources/dialect.py`.

    Args:
        calendar: What a business day is.
        zone: IANA name of the zone of times that carry none.
    """

    def __init__(self, calendar: Calendar, zone: str) -> None:
        self.intervals = Intervals(calendar, zone, instants="timestamptz")
        self._calendar = calendar
        self._zone = zone

    def quote(self, identifier: str) -> str:
        return quote(identifier)

    def text(self, value: str) -> str:
        return f"({value})::text"

    def id_of(self, column: SourceColumn) -> str:
        return f"{column.sql}::{'int8' if column.kind in INTEGERS else 'text'}"

    def linked(self, reference: SourceColumn, identity: SourceColumn) -> tuple[str, str]:
        kinds = {reference.kind, identity.kind}
        families = {*INTEGERS, "numeric"}, {"text", "varchar"}
        if len(kinds) == 1 or any(kinds <= family for family in families):
            return reference.sql, identity.sql
        return f"{reference.sql}::text", f"{identity.sql}::text"

    def sort_key(self, column: SourceColumn) -> str:
        return column.sql

    def row_hash(self, columns: Collection[SourceColumn], conditions: Sequence[str]) -> str:
        return row_hash(columns, conditions)

    def number(self, column: SourceColumn) -> str:
        if column.kind in FLOATS:
            # The shortest text that makes the float is what was meant.
            exact = f"{column.sql}::text::numeric"
            return f"(case when {column.sql} - {column.sql} = 0 then {exact} end)"
        exact = f"{column.sql}::numeric"
        return f"(case when {exact} - {exact} = 0 then {exact} end)"

    def hundredths(self, column: SourceColumn) -> tuple[str, str]:
        text = f"{column.sql}::text"
        if column.kind in INTEGERS:
            exact = f"{column.sql}::int8"
            fits = f"{exact} > {-_MONEY_LIMIT} and {exact} < {_MONEY_LIMIT}"
            cents = f"{exact} * 100"
        else:
            exact = self.number(column) if column.kind in FLOATS else f"{column.sql}::numeric"
            fits = f"{exact} = trunc({exact}, 2) and abs({exact}) < {_MONEY_LIMIT}"
            if column.numeric:
                precision, scale = column.numeric
                if scale <= _MONEY_DECIMALS and precision - scale <= _MONEY_DIGITS:
                    # Even a numeric(12,2) can be NaN.
                    fits = f"{exact} <> 'NaN'"
            if column.kind == "money":
                text = f"{exact}::text"  # its own text is of the server's locale
            elif column.kind in FLOATS:
                # Without an exponent, where that is not absurd.
                text = f"case when abs({exact}) < {_MONEY_LIMIT} then {exact}::text else {text} end"
            cents = f"({exact} * 100)::int8"
        return f"case when {fits} then {cents} end", f"case when {fits} then null else {text} end"

    def time(self, column: SourceColumn) -> str:
        """Return a time as TIMESTAMPTZ, or as the business DATE where the lake has a date."""
        value = f"(case when {self.readable(column)} then {column.sql} end)"
        if column.kind == "date" and column.type is Type.DATE:
            return value
        if column.kind != "timestamptz":
            value = f"({value}::timestamp at time zone {literal(self._zone)})"
        if column.type is Type.DATE:
            return f"({value} at time zone {literal(self._calendar.timezone)})::date"
        return value

    def unreadable_text(self, column: SourceColumn) -> str:
        return f"case when {self.readable(column)} then null else {column.sql}::text end"

    def readable(self, column: SourceColumn) -> str:
        low, high = self._limits(column)
        return f"{column.sql} >= {low} and {column.sql} < {high}"

    def unreadable(self, column: SourceColumn) -> str:
        low, high = self._limits(column)
        return f"({column.sql} is null or {column.sql} < {low} or {column.sql} >= {high})"

    def bounds(self, column: SourceColumn, first: date, last: date) -> tuple[str, str]:
        low, high = self.intervals.of_days(column, first, last)
        return _literal(column, low), _literal(column, high)

    def at(self, column: SourceColumn, instant: datetime) -> str:
        return _literal(column, self.intervals.at(column, instant))

    def day(self, column: SourceColumn, first: date, last: date) -> str:
        start = f"date '{self._calendar.start}'"
        if column.type is Type.DATE:
            return f"greatest({self.time(column)}, {start})"
        begins = ", ".join(
            f"'{self._calendar.start_of(day)}'" for day in days_between(first, last + ONE_DAY)
        )
        bucket = f"width_bucket({self.time(column)}, array[{begins}]::timestamptz[])"
        return f"coalesce(date '{first}' - 1 + {bucket}, {start})"

    def _limits(self, column: SourceColumn) -> tuple[str, str]:
        """Return the half-open interval of readable times."""
        low, high, early, late = self.intervals.readable(column)
        if column.kind == "date" and column.type is Type.DATE:
            return f"date '{low}'", f"date '{high}'"
        if column.kind == "timestamptz":
            return f"timestamptz '{low} 00:00:00+00'", f"timestamptz '{high} 00:00:00+00'"
        return (
            f"(timestamp '{low}' + interval '{early} seconds')",
            f"(timestamp '{high}' + interval '{late} seconds')",
        )


def _literal(column: SourceColumn, moment: date | datetime) -> str:
    """Write a moment for comparison with a raw column."""
    as_time = column.kind == "date" and column.type is not Type.DATE
    return f"{'timestamp' if as_time else column.kind} '{moment}'"
