"""How a column of MySQL or MariaDB becomes a value, as SQL: ids, money, times, days.

Values arrive as text, which `typed.py` turns into the lake's. What the lake's type cannot hold
exactly is NULL, and `unreadable_text` is the source's own text.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from ecom_platform.calendar import ONE_DAY
from ecom_platform.datasets import Type
from ecom_platform.sources.mysql.catalog import FLOATS, INTEGERS, TEXTS, UNSIGNED, quote
from ecom_platform.sources.mysql.days import spans_of_days
from ecom_platform.sources.mysql.fingerprints import row_hash
from ecom_platform.sources.shop_times import Intervals

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ecom_platform.calendar import Calendar
    from ecom_platform.sources.shop_tables import SourceColumn

_MONEY_DIGITS = 16  # before the point, of a DECIMAL(18,2)
_MONEY_DECIMALS = 2
_MONEY_LIMIT = 10**_MONEY_DIGITS
_EPOCH_DAY = 719528  # TO_DAYS of it
_NUMBERS = (*INTEGERS, UNSIGNED, "decimal")
_FIRST_DAY = datetime(1, 1, 1)  # noqa: DTZ001 - of any clock
_LAST_DAY = datetime(9999, 12, 31)  # noqa: DTZ001 - of any clock
_UNIVERSAL = "utf8mb4"


class MySQLDialect:
    """Writes values of MySQL and MariaDB; the methods are described in `sources/dialect.py`.

    Args:
        calendar: What a business day is.
        zone: IANA name of the zone of times that carry none.
    """

    def __init__(self, calendar: Calendar, zone: str) -> None:
        self.intervals = Intervals(calendar, zone, instants="timestamp")
        self._calendar = calendar
        self._zone = zone

    def quote(self, identifier: str) -> str:
        return quote(identifier)

    def text(self, value: str) -> str:
        return value  # all values are sent as text

    def id_of(self, column: SourceColumn) -> str:
        return column.sql

    def linked(self, reference: SourceColumn, identity: SourceColumn) -> tuple[str, str]:
        # The id is left as it is, so that its index serves; numbers and texts would be compared
        # as floats.
        theirs, its_id = reference.sql, identity.sql
        families = _NUMBERS, TEXTS, (identity.kind,)
        alike = any({reference.kind, identity.kind} <= {*family} for family in families)
        if alike and reference.collation == identity.collation:
            return theirs, its_id
        if reference.kind in TEXTS and identity.kind in INTEGERS:
            whole = f"{theirs} regexp '^(0|-?[1-9][0-9]{{0,17}})\\z'"
            return f"case when {whole} then cast({theirs} as signed) end", its_id
        if identity.kind not in TEXTS:
            return _exact_text(reference), _exact_text(identity)
        if not identity.collation.startswith(_UNIVERSAL):
            return _exact_text(reference), _exact_text(identity)
        return f"convert({theirs} using {_UNIVERSAL}) collate {identity.collation}", its_id

    def sort_key(self, column: SourceColumn) -> str:
        value = f"cast({column.sql} as binary)" if column.kind in TEXTS else column.sql
        return f"{column.sql} is null, {value}"

    def row_hash(self, columns: Collection[SourceColumn], conditions: Sequence[str]) -> str:
        return row_hash(columns, conditions)

    def number(self, column: SourceColumn) -> str:
        if column.kind in FLOATS:
            # The shortest text that makes the float is what was meant.
            exact = f"cast(cast({column.sql} + 0e0 as char) as decimal(65,30))"
            return f"(case when abs({column.sql}) < 1e34 then {exact} end)"
        return column.sql if column.kind == "decimal" else f"cast({column.sql} as decimal(20,0))"

    def hundredths(self, column: SourceColumn) -> tuple[str, str]:
        exact, text = self.number(column), f"cast({column.sql} as char)"
        if column.numeric:
            precision, scale = column.numeric
            if scale <= _MONEY_DECIMALS and precision - scale <= _MONEY_DIGITS:
                return f"cast({exact} * 100 as signed)", "null"
        fits = f"abs({exact}) < {_MONEY_LIMIT} and {exact} = truncate({exact}, 2)"
        if column.kind in FLOATS:
            # What is less than a DECIMAL can hold is not nothing.
            fits += f" and ({column.sql} = 0 or abs({column.sql}) > 1e-9)"
            text = f"cast({column.sql} + 0e0 as char)"
        cents = f"cast(truncate({exact}, 2) * 100 as signed)"
        return f"case when {fits} then {cents} end", f"case when {fits} then null else {text} end"

    def time(self, column: SourceColumn) -> str:
        """Return a DATE as days since 1970, all others as microseconds by their own clock."""
        value = _microseconds(column)
        if column.kind == "date" and column.type is Type.DATE:
            value = f"to_days({column.sql}) - {_EPOCH_DAY}"
        return f"case when {self.readable(column)} then {value} end"

    def unreadable_text(self, column: SourceColumn) -> str:
        return f"case when {self.readable(column)} then null else cast({column.sql} as char) end"

    def readable(self, column: SourceColumn) -> str:
        low, high, early, late = self.intervals.readable(column)
        if column.kind == "date" and column.type is Type.DATE:
            limits = f"{column.sql} >= date'{low}'"
        else:
            # The database has no times before the year 1, and its zone may be ahead of UTC.
            since = datetime.fromisoformat(low) - _FIRST_DAY
            begin = _FIRST_DAY + max(since + timedelta(seconds=early), timedelta())
            limits = f"{column.sql} >= {_literal(begin)}"
            end = timedelta(days=0 if high == str(_LAST_DAY.date()) else 1, seconds=late)
            if end < ONE_DAY:  # later times there are none, and they cannot be written
                limits += f" and {column.sql} < {_literal(_LAST_DAY + end)}"
        if column.kind == "timestamp":
            return f"({limits})"
        # There are days without a number, such as 0000-00-00 and 2024-03-00, and 2024-02-30.
        number = f"dayofmonth({column.sql})"
        return f"({limits} and {number} between 1 and dayofmonth(last_day({column.sql})))"

    def unreadable(self, column: SourceColumn) -> str:
        return f"{self.readable(column)} is not true"

    def bounds(self, column: SourceColumn, first: date, last: date) -> tuple[str, str]:
        low, high = (_literal(end) for end in self.intervals.of_days(column, first, last))
        return low, high

    def at(self, column: SourceColumn, instant: datetime) -> str:
        return _literal(self.intervals.at(column, instant))

    def day(self, column: SourceColumn, first: date, last: date) -> str:
        start = f"date'{self._calendar.start}'"
        if column.type is Type.DATE and column.kind == "date":
            value = f"case when {self.readable(column)} then {column.sql} end"
            return f"coalesce(greatest({value}, {start}), {start})"
        zone = "UTC" if column.kind == "timestamp" else self._zone
        whens = [f"when {self.unreadable(column)} then {start}"]
        # The days beside them too: where clocks are changed, times of these lie between theirs.
        spans = list(spans_of_days(self._calendar, zone, first - ONE_DAY, last + ONE_DAY))
        whens.append(f"when {column.sql} < {_literal(spans[0].begin)} then date'{first - ONE_DAY}'")
        for span in spans:
            since = f" + interval timestampdiff(day, {_literal(span.midnight)}, {column.sql}) day"
            day = f"date'{span.day}'{since if span.several else ''}"
            whens.append(f"when {column.sql} < {_literal(span.end)} then {day}")
        found = f"case {' '.join(whens)} else date'{last + ONE_DAY}' end"
        return f"greatest({found}, {start})" if column.type is Type.DATE else found


def _literal(end: date | datetime) -> str:
    if isinstance(end, datetime):
        return f"timestamp'{end.replace(tzinfo=None)}'"
    return f"date'{end}'"


def _microseconds(column: SourceColumn) -> str:
    return f"timestampdiff(microsecond, timestamp'1970-01-01 00:00:00', {column.sql})"


def _exact_text(column: SourceColumn) -> str:
    return f"convert({column.sql} using {_UNIVERSAL}) collate {_UNIVERSAL}_bin"
