"""Days of a table out of its files: rows with types, parents and business days, and totals.

Texts come from `texts.py`; the SQL that gives them meaning is in `sql.py`.
"""

# Arrow's own annotations are partly unknown.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import math
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from pyarrow import parquet

from ecom_platform.calendar import days_between
from ecom_platform.errors import SourceError, SourceUnavailableError
from ecom_platform.privacy import redact
from ecom_platform.settings import SOURCE_COLUMNS
from ecom_platform.sources.base import AMOUNT_COLUMN, Extraction, TableState, Undated
from ecom_platform.sources.files.database import connect, copy, execute
from ecom_platform.sources.files.days import fingerprints_of, read_days
from ecom_platform.sources.files.faults import BrokenFileError
from ecom_platform.sources.files.layout import Layout, find_layout, suffix_of, unknown_names
from ecom_platform.sources.files.markers import Completeness, look_for_marker
from ecom_platform.sources.files.sql import PARENT, FileSql, scan, text_schema
from ecom_platform.sources.files.texts import TextFile, TextFiles, declared_columns
from ecom_platform.sources.files.undated import describe as describe_undated

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import date, datetime
    from pathlib import Path

    import duckdb

    from ecom_platform.settings import Settings
    from ecom_platform.sources.files.days import Days
    from ecom_platform.sources.files.store import FileStore

_SHOWN = 5


class FilesSnapshot:
    """The files as they were when the snapshot was opened.

    Args:
        settings: How the files are named and written.
        store: Where they are. It is listed here, once.
        scratch: A folder of the snapshot's own.
        end: When to give up reading, by the monotonic clock.
    """

    def __init__(
        self, settings: Settings, store: FileStore, scratch: Path, end: float = math.inf
    ) -> None:
        self._settings = settings
        self._store = store
        self._scratch = scratch
        self._sql = FileSql(settings)
        #: Where the files are.
        self.address = store.uri
        #: How each table is filed, or why it cannot be read.
        self.layouts: dict[str, Layout | SourceError] = {}
        self._files = TextFiles(settings, store, scratch, end)
        self._lookups: dict[str, Path] = {}
        self._whole_tables: dict[str, tuple[Path, Days]] = {}
        top = store.files()
        for table in SOURCE_COLUMNS:
            try:
                self.layouts[table] = find_layout(store, table, settings.source_table(table), top)
            except SourceUnavailableError:
                raise
            except SourceError as error:
                self.layouts[table] = error  # of interest to who asks for this table

    def extract(self, table: str, first: date, last: date, scratch: Path) -> Extraction:
        """Read some business days of a table; see `base.Snapshot`.

        In day folders, a folder that is missing or holds a broken file makes a bad day. The
        totals are of the texts as parsed: independent of how texts become amounts, of the
        look-up of parents (but for the day of unpaid payments) and of the files returned.
        """
        first = max(first, self._settings.start_date)
        layout = self._layout(table)
        target = scratch / f"{table}-{first}-{last}.parquet"
        bad_days: dict[str, str] = {}
        wanted = list(days_between(first, last))
        with closing(connect(self._settings, self._scratch, scratch)) as db:
            if layout.is_daily:
                parsed, bad_days = self._parse_days(layout, wanted)
                rows, days = self._rows(db, table, parsed), self._days(db, layout, parsed)
            else:
                whole, days = self._whole_table(db, table)
                rows = (
                    f"SELECT * FROM {scan([whole])} "
                    f"WHERE date BETWEEN DATE '{first}' AND DATE '{last}'"
                )
            copied = copy(db, rows, target)
        return Extraction(
            [target] if copied else [],
            {day: totals for day, (totals, _) in days.items() if first <= day <= last},
            bad_days,
            fingerprints_of(days, (day for day in wanted if str(day) not in bad_days)),
        )

    def fingerprints(
        self, table: str, days: Collection[date]
    ) -> tuple[dict[date, str], dict[str, str]]:
        """Return the fingerprints of some days of a table, as `extract` gives them.

        Of a table in day folders only these are read, without parents.

        Returns:
            The fingerprints of good days, and ISO day -> why a day is bad.

        Raises:
            SourceError: The table cannot be read as declared, whatever the day.
            SourceTooSlowError: Not in the time that there is.
            SourceUnavailableError: The source does not answer now.
        """
        layout = self._layout(table)
        with closing(connect(self._settings, self._scratch)) as db:
            if layout.is_daily:
                parsed, bad_days = self._parse_days(layout, days)
                found = self._days(db, layout, parsed)
                good = (day for day in days if str(day) not in bad_days)
                return fingerprints_of(found, good), bad_days
            found = self._days(db, layout, self._parse_all(layout))
            return fingerprints_of(found, days), {}

    def state(self, table: str, now: datetime) -> TableState:
        """Say what a table is like now; see `base.Snapshot`. The columns are its newest file's."""
        layout, today = self._layout(table), self._settings.calendar.day_of(now)
        start, undated = self._settings.start_date, Undated()
        with closing(connect(self._settings, self._scratch)) as db:
            if layout.is_daily:
                parsed, _ = self._parse_days(layout, [day for day in layout.days if day > today])
                days = self._days(db, layout, parsed)
                early = {day: 1 for day in layout.days if day < start}
            else:
                whole, days = self._whole_table(db, table)
                early = {day: totals.rows for day, (totals, _) in days.items() if day < start}
                undated = self._undated(db, layout, whole)
        future = {day: totals.rows for day, (totals, _) in days.items() if day > today}
        files = [file for file, day in layout.dated_files if day is None or day <= today]
        without_end = self._files.without_end(file for file, _ in layout.dated_files)
        declared: Mapping[str, str] = {}
        with suppress(BrokenFileError):  # which its day tells of
            if files:
                declared = declared_columns(self._settings, self._store, table, files[-1])
        return TableState(
            declared,
            sum(future.values()),
            str(max(future, default="")),
            not (days or layout.is_daily),
            sum(early.values()),
            str(min(early, default="")),
            undated,
            without_end,
        )

    def missing(self, layout: Layout, day: date) -> str:
        """Say what a day's folder lacks to be complete; nothing where it is, or need not be.

        Raises:
            SourceUnavailableError: A manifest was replaced since it was listed.
        """
        return self._completeness(layout, day).missing

    def unknown_names(self) -> list[str]:
        """Return what is in the root and belongs to no table."""
        return unknown_names(self._store, map(self._settings.source_table, SOURCE_COLUMNS))

    def _layout(self, table: str) -> Layout:
        layout = self.layouts[table]
        if isinstance(layout, SourceError):
            raise layout
        return layout

    # ------------------------------------------------------------------ files

    def _completeness(self, layout: Layout, day: date) -> Completeness:
        if not self._settings.source_markers:
            return Completeness()
        return look_for_marker(self._store, layout.markers(day), layout.days[day])

    def _parse_days(
        self, layout: Layout, days: Collection[date]
    ) -> tuple[list[TextFile], dict[str, str]]:
        """Parse the files of some days; return those of good days, and why others are bad."""
        name = self._settings.source_table(layout.table)
        bad_days = {
            day.isoformat(): layout.bad_days.get(
                day,
                f"{name}/date={day}/ is missing or has no file; put one without rows there if "
                f"the day had no {layout.table}",
            )
            for day in days
            if day not in layout.days
        }
        found = {day: self._completeness(layout, day) for day in days if day in layout.days}
        for day, completeness in found.items():
            if completeness.missing:
                bad_days[str(day)] = f"{name}/date={day}/ {completeness.missing}"
        wanted = [(f, day) for f, day in layout.dated_files if day and day in found]
        parsed = self._files.parse(layout.table, wanted)
        for (stored, day), (_, file) in zip(wanted, parsed, strict=True):
            promise = found[day].promised.get(stored.path)
            difference = promise.broken_by(file.rows, file.sha256) if promise else ""
            if file.broken or difference:
                bad_days.setdefault(str(day), file.broken or f"{redact(stored.path)} {difference}")
        return [file for day, file in parsed if str(day) not in bad_days], bad_days

    def _parse_all(self, layout: Layout) -> list[TextFile]:
        """Parse all files of a table; return those that are not broken.

        Raises:
            SourceError: One is broken, and the table is not filed by day.
        """
        parsed = [file for _, file in self._files.parse(layout.table, layout.dated_files)]
        broken = [file.broken for file in parsed if file.broken]
        if broken and not layout.is_daily:
            more = f"\n  and {len(broken) - _SHOWN} more" if len(broken) > _SHOWN else ""
            listed = "\n  ".join(f"{self._store.uri}/{reason}." for reason in broken[:_SHOWN])
            raise SourceError(
                listed + more,
                hint="Replace it by a whole file; until then nothing of the table is read.",
            )
        return [file for file in parsed if not file.broken]

    # ------------------------------------------------------------------ tables

    def _whole_table(self, db: duckdb.DuckDBPyConnection, table: str) -> tuple[Path, Days]:
        """Make rows of a table that is not filed by day, once, in order of days."""
        if table not in self._whole_tables:
            layout = self._layout(table)
            parsed = self._parse_all(layout)
            target = self._scratch / f"{table}.parquet"
            copy(db, f"{self._rows(db, table, parsed)} ORDER BY date", target)
            self._whole_tables[table] = target, self._days(db, layout, parsed)
        return self._whole_tables[table]

    def _undated(self, db: duckdb.DuckDBPyConnection, layout: Layout, whole: Path) -> Undated:
        ((rows, texts),) = execute(db, self._sql.undated(layout.table, whole))
        return describe_undated(
            rows,
            [text for text in texts or () if text],
            self._settings.source_timestamp_format or "",
            is_parquet=suffix_of(layout.files[-1].path) == ".parquet" if layout.files else False,
        )

    def _rows(self, db: duckdb.DuckDBPyConnection, table: str, parsed: Sequence[TextFile]) -> str:
        integers = _integers(parsed)
        if table == "payments":
            orders = _integers(self._parse_all(self._layout("orders")))
            integers |= orders & {"customer_id"}
        return self._sql.rows(table, self._texts(table, parsed), self._parents(db, table), integers)

    def _days(
        self, db: duckdb.DuckDBPyConnection, layout: Layout, parsed: Sequence[TextFile]
    ) -> Days:
        """Return what each day that has rows is made of."""
        table = layout.table
        # Elsewhere the day of a row is said by its folder or by the row itself.
        may_be_the_parents = table == "payments" and not layout.is_daily
        parents = self._parents(db, table) if may_be_the_parents else None
        query = self._sql.totals(table, self._texts(table, parsed), parents)
        return read_days(db, query, has_money=table in AMOUNT_COLUMN)

    def _parents(self, db: duckdb.DuckDBPyConnection, table: str) -> Path | None:
        """Return the look-up of the parent table, of all its files, made once."""
        if table not in PARENT:
            return None
        parent, _ = PARENT[table]
        if parent not in self._lookups:
            parsed = self._parse_all(self._layout(parent))
            target = self._scratch / f"{parent}-by-id.parquet"
            texts, parents = self._texts(parent, parsed), self._parents(db, parent)
            copy(db, self._sql.lookup(parent, texts, parents), target)
            self._lookups[parent] = target
        return self._lookups[parent]

    def _texts(self, table: str, parsed: Sequence[TextFile]) -> list[Path]:
        """Return the parsed files, or one without rows: DuckDB reads no empty list."""
        if parsed:
            return [file.path for file in parsed]
        empty = self._scratch / f"no-{table}.parquet"
        parquet.write_table(text_schema(table).empty_table(), empty)
        return [empty]


def _integers(parsed: Iterable[TextFile]) -> frozenset[str]:
    """Return the ids that are integers in every file with rows; else text holds them all."""
    found = [file.integers for file in parsed if file.rows]
    return found[0].intersection(*found) if found else frozenset()
