"""How a column of PostgreSQL becomes a value of the lake, as SQL: ids, money, times.

What the lake's type cannot hold exactly is NULL, and `unreadable_text` is the source's own text.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from ecom_platform.calendar import ONE_DAY
from ecom_platform.datasets import Type
from ecom_platform.sources.postgres.catalog import FLOATS, INTEGERS, SourceColumn, literal

if TYPE_CHECKING:
    from datetime import date

    from ecom_platform.calendar import Calendar

_MONEY_DIGITS = 16  # before the point, of a DECIMAL(18,2)
_MONEY_DECIMALS = 2
_MONEY_LIMIT = 10**_MONEY_DIGITS
#: Zone databases of different years may disagree by this much about an instant.
_ZONE_MARGIN = timedelta(hours=2)
_LONGEST_CLOCK_CHANGE = 2 * ONE_DAY


def id_of(column: SourceColumn) -> str:
    """Return an id as BIGINT where it is an integer, else as its text."""
    return f"{column.sql}::{'int8' if column.kind in INTEGERS else 'text'}"


def comparable(one: SourceColumn, other: SourceColumn) -> tuple[str, str]:
    """Return two ids as expressions that can be compared."""
    kinds = {one.kind, other.kind}
    families = {*INTEGERS, "numeric"}, {"text", "varchar"}
    if len(kinds) == 1 or any(kinds <= family for family in families):
        return one.sql, other.sql
    return f"{one.sql}::text", f"{other.sql}::text"


def number(column: SourceColumn) -> str:
    """Return money as NUMERIC, as stored; NULL where it is not a finite number."""
    if column.kind in FLOATS:
        # The shortest text that makes the float is what was meant.
        exact = f"{column.sql}::text::numeric"
        return f"(case when {column.sql} - {column.sql} = 0 then {exact} end)"
    exact = f"{column.sql}::numeric"
    return f"(case when {exact} - {exact} = 0 then {exact} end)"


def hundredths(column: SourceColumn) -> tuple[str, str]:
    """Return money as hundredths (BIGINT), and as text where a DECIMAL(18,2) is not exact."""
    text = f"{column.sql}::text"
    if column.kind in INTEGERS:
        exact = f"{column.sql}::int8"
        fits = f"{exact} > {-_MONEY_LIMIT} and {exact} < {_MONEY_LIMIT}"
        cents = f"{exact} * 100"
    else:
        exact = number(column) if column.kind in FLOATS else f"{column.sql}::numeric"
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


class Times:
    """Turns times into instants and business days, and days into bounds of raw columns.

    Args:
        calendar: What a business day is.
        zone: IANA name of the zone of times that carry none.
    """

    def __init__(self, calendar: Calendar, zone: str) -> None:
        self._calendar = calendar
        self._zone = zone

    def value(self, column: SourceColumn) -> str:
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
        """Return the text of a time that is not readable; NULL for all others."""
        return f"case when {self.readable(column)} then null else {column.sql}::text end"

    def readable(self, column: SourceColumn) -> str:
        """Return the condition of a time within the years 1 to 9999."""
        low, high = self._limits(column)
        return f"{column.sql} >= {low} and {column.sql} < {high}"

    def unreadable(self, column: SourceColumn) -> str:
        """Return the condition of a time that is NULL, infinite or beyond those years."""
        low, high = self._limits(column)
        return f"({column.sql} is null or {column.sql} < {low} or {column.sql} >= {high})"

    def bounds(self, column: SourceColumn, first: date, last: date) -> tuple[str, str]:
        """Return a half-open interval of the raw column that holds every time of some days.

        That of a TIMESTAMPTZ holds no others; others are a little wide, for clock changes.
        """
        if column.kind == "date" and column.type is Type.DATE:
            return f"date '{first}'", f"date '{last + ONE_DAY}'"
        low, high = self._calendar.bounds(first, last)
        if column.kind == "timestamptz":
            # The database says which day a sign-up was, by zone rules of its own.
            margin = _ZONE_MARGIN if column.type is Type.DATE else timedelta()
            return f"timestamptz '{low - margin}'", f"timestamptz '{high + margin}'"
        earliest = low + min(self._offsets_around(low)) - _ZONE_MARGIN
        latest = high + max(self._offsets_around(high)) + _ZONE_MARGIN
        return (
            f"timestamp '{earliest.replace(tzinfo=None)}'",
            f"timestamp '{latest.replace(tzinfo=None)}'",
        )

    def _offsets_around(self, instant: datetime) -> list[timedelta]:
        """Return the source zone's distances from UTC before, at and after an instant."""
        near = (-_LONGEST_CLOCK_CHANGE, timedelta(), _LONGEST_CLOCK_CHANGE)
        return [_offset(instant + distance, self._zone) for distance in near]

    def _limits(self, column: SourceColumn) -> tuple[str, str]:
        """Return the half-open interval of readable times: the years 1 to 9999 in UTC."""
        low, high = "0001-01-01", "10000-01-01"
        if column.type is Type.DATE:
            if column.kind == "date":
                return f"date '{low}'", f"date '{high}'"
            # The business zone must not carry a day out of the years.
            low, high = "0001-01-02", "9999-12-31"
        if column.kind == "timestamptz":
            return f"timestamptz '{low} 00:00:00+00'", f"timestamptz '{high} 00:00:00+00'"
        ends = datetime(1, 1, 3, tzinfo=UTC), datetime(9999, 12, 29, tzinfo=UTC)
        early, late = (int(_offset(end, self._zone).total_seconds()) for end in ends)
        return (
            f"(timestamp '{low}' + interval '{early} seconds')",
            f"(timestamp '{high}' + interval '{late} seconds')",
        )


def _offset(instant: datetime, zone: str) -> timedelta:
    return instant.astimezone(ZoneInfo(zone)).utcoffset() or timedelta()
