"""The SQL that makes raw rows of the texts of files: types, business days, parents.

Text only; nothing here runs it. Files are Parquet of `text_schema`. A value that is not
exactly of its declared type becomes NULL, beside its own text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pyarrow as pa

from ecom_platform.datasets import RAW, Type
from ecom_platform.settings import SOURCE_COLUMNS
from ecom_platform.sources.base import AMOUNT_COLUMN, NUMBER
from ecom_platform.sources.timezones import offset_at, offset_of_wall_time

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from ecom_platform.settings import Settings

DATASETS = {dataset.name: dataset for dataset in RAW}
#: The table that a table's rows refer to, and the column that does.
PARENT = {"orders": ("customers", "customer_id"), "payments": ("orders", "order_id")}

#: What a row is given of its parent.
_LOOKED_UP = {
    "orders": {
        "customer_found": "CASE WHEN texts.customer_id IS NOT NULL THEN parents.id IS NOT NULL END",
        "customer_region": "parents.region",
    },
    "payments": {
        "order_found": "parents.id IS NOT NULL",
        "order_created_at": "parents.created_at",
        "customer_id": "parents.customer_id",
        "customer_region": "parents.region",
    },
}

#: The column that dates a table's rows.
DATED_BY = {"orders": "created_at", "customers": "signup_date", "payments": "paid_at"}

_MONEY = "[+-]?0*[0-9]{1,16}([.][0-9]{1,2}0*)?"
_ISO = (
    "([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])-[0-9]{2}-[0-9]{2}"
    "([ T]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,6})?)?"
    "(Z|[+-]([01][0-9]|2[0-3])(:?[0-5][0-9])?)?)?"
)
#: The years 1 to 9999: beyond them, few programs have a time.
_YEARS = "BETWEEN -62135596800000000 AND 253402300799999999"
#: From the first directive of a strptime pattern that is not of a date, with what leads to it.
_CLOCK = re.compile(r"[\s,T]*%[HIMSfpzZ].*", re.DOTALL)

#: As many of the first and of the last texts tell in which form they are.
_TEXTS = 100

#: Those among numbers whose sum DECIMAL(38,18) holds.
_SUMMABLE = "[+-]?[0-9]{1,12}([.][0-9]{1,18})?"


def text_schema(table: str) -> pa.Schema:
    """Return the columns of a parsed file: texts, its folder's day, whether times are ISO 8601."""
    texts = [(column, pa.string()) for column in SOURCE_COLUMNS[table]]
    return pa.schema([*texts, ("folder_day", pa.date32()), ("is_iso", pa.bool_())])


def literal(value: object) -> str:
    """Return a text literal."""
    return "'" + str(value).replace("'", "''") + "'"


def scan(files: Iterable[Path]) -> str:
    """Return the table function that reads some Parquet files, all of one schema."""
    return f"read_parquet([{', '.join(map(literal, files))}])"


def _is(text: str, pattern: str) -> str:
    return f"regexp_full_match({text}, {literal(pattern)})"


def _count_and_texts(text: str, source: str, condition: str) -> str:
    return (
        f"SELECT count(*), list_concat(min(text, {_TEXTS}), max(text, {_TEXTS})) "
        f"FROM (SELECT nullif({text}, '') AS text FROM {source} WHERE {condition})"
    )


class FileSql:
    """Queries under some settings. They need a connection whose time zone is UTC.

    Args:
        settings: For zones, the first day and how times are written.
    """

    def __init__(self, settings: Settings) -> None:
        self._source_zone = settings.source_timezone
        self._zone = settings.timezone
        self._start = f"DATE {literal(settings.start_date)}"
        self._pattern = settings.source_timestamp_format

    def pattern_test(self) -> str:
        """Return a query that fails where the pattern of timestamps is none."""
        return f"SELECT try_strptime('', {literal(self._pattern or '%Y')})"

    def rows(
        self, table: str, files: Iterable[Path], parents: Path | None, integers: Collection[str]
    ) -> str:
        """Return a query for all rows of some files: the raw columns and `date`.

        Args:
            table: Whose files they are.
            files: In the columns of `text_schema`.
            parents: What the `lookup` of the parent table gave.
            integers: The id columns that are BIGINT; all others are text.
        """
        values = self._own_values(table) | _LOOKED_UP.get(table, {})
        values |= {name: f"TRY_CAST({values[name]} AS BIGINT)" for name in integers}
        columns = [f"{values[column.name]} AS {column.name}" for column in DATASETS[table].columns]
        return (
            f"SELECT {', '.join(columns)}, "
            f"{self._day(table, has_parents=parents is not None)} AS date "
            f"FROM {self._source(table, files, parents)}"
        )

    def undated(self, table: str, rows: Path) -> str:
        """Return a query for the rows without a day of their own, of those that `rows` gave.

        Columns: how many, and some of their texts.
        """
        text = f"{DATED_BY[table]}_text"
        undated = {
            "orders": "created_at IS NULL",
            "customers": f"{text} IS NOT NULL",
            "payments": "paid_at IS NULL AND order_created_at IS NULL "
            f"AND (order_found OR {text} IS NOT NULL)",
        }[table]
        return _count_and_texts(text, scan([rows]), undated)

    def unreadable(self, table: str, files: Iterable[Path]) -> str:
        """Return a query as `undated`, for the texts of some files, whatever is looked up."""
        text = DATED_BY[table]
        undated = "own_day IS NULL"
        if table != "orders":
            undated += f" AND coalesce({text}, '') <> ''"
        return _count_and_texts(text, f"({self._dated(table, files)})", undated)

    def lookup(self, table: str, files: Iterable[Path], parents: Path | None) -> str:
        """Return a query for what children look up in a table: one row for each id.

        Columns: `id`, `region`, and for orders `created_at`, `created_day`, `customer_id`. Of
        several rows of one id the smallest counts, whatever the order of rows and files.
        """
        values = {
            "customers": {"region": "texts.region"},
            "orders": {
                "created_at": "make_timestamptz(texts.instant)",
                "created_day": "texts.own_day",
                "customer_id": "texts.customer_id",
                "region": "parents.region",
            },
        }[table]
        columns = ", ".join(f"{value} AS {name}" for name, value in values.items())
        order = ", ".join(f"{value} NULLS LAST" for value in values.values())
        return (
            f"SELECT * EXCLUDE (place) FROM (SELECT texts.id AS id, {columns}, "
            f"row_number() OVER (PARTITION BY texts.id ORDER BY {order}) AS place "
            f"FROM {self._source(table, files, parents)} WHERE texts.id IS NOT NULL) "
            "WHERE place = 1"
        )

    def totals(self, table: str, files: Iterable[Path], parents: Path | None) -> str:
        """Return a query for what the days of some files are made of.

        `parents` are needed where the day of a row may be that of its parent.

        Columns: `date`, `rows`, `sum` of the amounts in plain notation, `others`: a map of the
        other texts that are numbers to how often each is there, and `hash`: a sum over the rows
        as they are in raw, but for what is looked up.
        """
        amount = f"texts.{AMOUNT_COLUMN[table]}" if table in AMOUNT_COLUMN else "''"
        summable = _is(amount, _SUMMABLE)
        # As JSON, no two rows have the same text; decimals keep all their digits in it.
        row = f"to_json(row({', '.join(self._own_values(table).values())}))"
        return (
            f"SELECT {self._day(table, has_parents=parents is not None)} AS date, count(*), "
            f"sum(TRY_CAST({amount} AS DECIMAL(38,18))) FILTER (WHERE {summable}), "
            f"histogram({amount}) FILTER (WHERE {_is(amount, NUMBER)} AND NOT {summable}), "
            f"sum(CAST(md5_number_lower(CAST({row} AS VARCHAR)) AS HUGEINT)) "
            f"FROM {self._source(table, files, parents)} GROUP BY ALL"
        )

    def _own_values(self, table: str) -> dict[str, str]:
        """Return an expression for each raw column that is the row's own."""
        values: dict[str, str] = {}
        for name in SOURCE_COLUMNS[table]:
            text = f"texts.{name}"
            match DATASETS[table].column(name).type:
                case Type.MONEY:
                    is_money = _is(text, _MONEY)
                    values[name] = f"CASE WHEN {is_money} THEN TRY_CAST({text} AS {Type.MONEY}) END"
                    unreadable = f"NOT {is_money}"
                case Type.INSTANT:
                    values[name] = "make_timestamptz(texts.instant)"
                    unreadable = "texts.instant IS NULL"
                case Type.DATE:
                    values[name] = "texts.own_day"
                    unreadable = "texts.own_day IS NULL"
                case _:
                    values[name] = text
                    continue
            values[f"{name}_text"] = f"CASE WHEN {unreadable} THEN nullif({text}, '') END"
        return values

    def _day(self, table: str, *, has_parents: bool) -> str:
        """Return the business day that a row is filed under."""
        own_day = "texts.own_day"
        if table == "customers":
            own_day = f"greatest({own_day}, {self._start})"
        if table == "payments" and has_parents:
            own_day += ", parents.created_day"
        return f"coalesce(texts.folder_day, {own_day}, {self._start})"

    def _source(self, table: str, files: Iterable[Path], parents: Path | None) -> str:
        source = f"({self._dated(table, files)}) AS texts"
        if parents is None:
            return source
        _, reference = PARENT[table]
        return f"{source} LEFT JOIN {scan([parents])} AS parents ON parents.id = texts.{reference}"

    def _dated(self, table: str, files: Iterable[Path]) -> str:
        """Return a query that adds `instant` (microseconds) and `own_day` to the texts.

        Step by step, since the choice of an offset names its argument hundreds of times.
        """
        dated_by = DATED_BY[table]
        own_day = f"CAST(make_timestamp(instant + ({offset_at(self._zone, 'instant')})) AS DATE)"
        if DATASETS[table].column(dated_by).type is Type.DATE:
            # A date without a time is a business day already, in whatever zone.
            own_day = (
                f"CASE WHEN is_date THEN CAST(make_timestamp(wall) AS DATE) ELSE {own_day} END"
            )
        offset = offset_of_wall_time(self._source_zone, "wall")
        return (
            f"SELECT *, {own_day} AS own_day FROM (SELECT *, CASE WHEN utc {_YEARS} THEN utc END "
            f"AS instant FROM (SELECT *, CASE WHEN is_zoned THEN wall ELSE wall - ({offset}) END "
            f"AS utc FROM (SELECT *, {self._wall_time(dated_by)} FROM {scan(files)})))"
        )

    def _wall_time(self, text: str) -> str:
        """Return `wall` (microseconds), `is_zoned` (those are UTC) and `is_date` of a text."""
        wall = f"CASE WHEN {_is(text, _ISO)} THEN epoch_us(TRY_CAST({text} AS TIMESTAMPTZ)) END"
        is_zoned = f"regexp_matches(substr({text}, 12), '[Z+-]')"
        is_date = f"length({text}) = 10"
        if self._pattern:
            its_wall, its_zoned, its_date = self._by_pattern(text, self._pattern)
            wall = f"CASE WHEN is_iso THEN {wall} ELSE {its_wall} END"
            is_zoned = f"CASE WHEN is_iso THEN {is_zoned} ELSE {its_zoned} END"
            is_date = f"CASE WHEN is_iso THEN {is_date} ELSE {its_date} END"
        return f"{wall} AS wall, {is_zoned} AS is_zoned, {is_date} AS is_date"

    def _by_pattern(self, text: str, pattern: str) -> tuple[str, str, str]:
        """Do as `_wall_time`, by a pattern or by its date alone, which is midnight."""
        has_zone = "%z" in pattern or "%Z" in pattern
        # DuckDB's %z does not know Z.
        zoned = f"regexp_replace({text}, 'Z$', '+00')" if has_zone else text
        date = _CLOCK.sub("", pattern)

        def parsed(value: str, form: str) -> str:
            # DuckDB takes the 26 of 05/01/26 for a %Y.
            kind = "TIMESTAMPTZ" if "%z" in form or "%Z" in form else "TIMESTAMP"
            # With %n it is one of nanoseconds, which has no year.
            time = f"CAST(try_strptime({value}, {literal(form)}) AS {kind})"
            return f"CASE WHEN year({time}) >= 1000 THEN epoch_us({time}) END"

        whole, day = parsed(zoned, pattern), parsed(text, date) if date else "NULL"
        return (
            f"coalesce({whole}, {day})",
            f"{whole} IS NOT NULL" if has_zone else "false",
            f"{whole} IS NULL" if date != pattern else "true",
        )
