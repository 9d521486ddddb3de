"""Days of a table out of its files: rows with types, parents and business days, and totals.

Texts come from `texts.py`; the SQL that gives them meaning is in `sql.py`.
"""

# Arrow's own annotations are partly unknown.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from contextlib import closing
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any

import duckdb
from pyarrow import parquet

from ecom_platform.calendar import days_between
from ecom_platform.errors import SourceError, SourceUnavailableError
from ecom_platform.settings import SOURCE_COLUMNS
from ecom_platform.sources.base import AMOUNT_COLUMN, Extraction, Totals
from ecom_platform.sources.files.layout import Layout, find_layout
from ecom_platform.sources.files.sql import PARENT, FileSql, literal, scan, text_schema
from ecom_platform.sources.files.texts import TextFile, TextFiles

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date
    from pathlib import Path

    from ecom_platform.settings import Settings
    from ecom_platform.sources.files.store import FileStore

_CENT = Decimal("0.01")
#: Digits enough to add up any texts that `FileSql.totals` calls numbers.
_PRECISION = 400
_SHOWN = 5


class FilesSnapshot:
    """The files as they were when the snapshot was opened.

    Args:
        settings: How the files are named and written.
        store: Where they are. It is listed here, once.
        scratch: A folder of the snapshot's own.
    """

    def __init__(self, settings: Settings, store: FileStore, scratch: Path) -> None:
        self._settings = settings
        self._store = store
        self._scratch = scratch
        self._sql = FileSql(settings)
        self._layouts: dict[str, Layout | SourceError] = {}
        self._files = TextFiles(settings, store, scratch)
        self._lookups: dict[str, Path] = {}
        self._whole_tables: dict[str, tuple[Path, dict[date, Totals]]] = {}
        top = store.files()
        for table in SOURCE_COLUMNS:
            try:
                self._layouts[table] = find_layout(store, table, settings.source_table(table), top)
            except SourceUnavailableError:
                raise
            except SourceError as error:
                self._layouts[table] = error  # of interest to who asks for this table

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
        with closing(self._connect(scratch)) as db:
            if layout.is_daily:
                parsed, bad_days = self._parse_days(layout, first, last)
                rows, totals = self._rows(db, table, parsed), self._totals(db, table, parsed)
            else:
                whole, totals = self._whole_table(db, table)
                rows = (
                    f"SELECT * FROM {scan([whole])} "
                    f"WHERE date BETWEEN DATE '{first}' AND DATE '{last}'"
                )
                totals = {day: found for day, found in totals.items() if first <= day <= last}
            copied = _copy(db, rows, target)
        return Extraction([target] if copied else [], totals, bad_days)

    def _layout(self, table: str) -> Layout:
        layout = self._layouts[table]
        if isinstance(layout, SourceError):
            raise layout
        return layout

    # ------------------------------------------------------------------ files

    def _parse_days(
        self, layout: Layout, first: date, last: date
    ) -> tuple[list[TextFile], dict[str, str]]:
        """Parse the files of some days; return those of good days, and why others are bad."""
        name = self._settings.source_table(layout.table)
        bad_days = {
            day.isoformat(): layout.bad_days.get(
                day,
                f"{name}/date={day}/ is missing or has no file; put one without rows there if "
                f"the day had no {layout.table}",
            )
            for day in days_between(first, last)
            if day not in layout.days
        }
        wanted = [(file, day) for file, day in layout.dated_files if day and first <= day <= last]
        parsed = self._files.parse(layout.table, wanted)
        for day, file in parsed:
            if file.broken:
                bad_days.setdefault(str(day), file.broken)
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

    def _whole_table(
        self, db: duckdb.DuckDBPyConnection, table: str
    ) -> tuple[Path, dict[date, Totals]]:
        """Make rows of a table that is not filed by day, once, in order of days."""
        if table not in self._whole_tables:
            parsed = self._parse_all(self._layout(table))
            target = self._scratch / f"{table}.parquet"
            _copy(db, f"{self._rows(db, table, parsed)} ORDER BY date", target)
            self._whole_tables[table] = target, self._totals(db, table, parsed)
        return self._whole_tables[table]

    def _rows(self, db: duckdb.DuckDBPyConnection, table: str, parsed: Sequence[TextFile]) -> str:
        integers = _integers(parsed)
        if table == "payments":
            orders = _integers(self._parse_all(self._layout("orders")))
            integers |= orders & {"customer_id"}
        return self._sql.rows(table, self._texts(table, parsed), self._parents(db, table), integers)

    def _totals(
        self, db: duckdb.DuckDBPyConnection, table: str, parsed: Sequence[TextFile]
    ) -> dict[date, Totals]:
        parents = self._parents(db, table) if table == "payments" else None
        query = self._sql.totals(table, self._texts(table, parsed), parents)
        return {
            day: Totals(rows, _add(plain, others) if table in AMOUNT_COLUMN else None)
            for day, rows, plain, others in _execute(db, query)
        }

    def _parents(self, db: duckdb.DuckDBPyConnection, table: str) -> Path | None:
        """Return the look-up of the parent table, of all its files, made once."""
        if table not in PARENT:
            return None
        parent, _ = PARENT[table]
        if parent not in self._lookups:
            parsed = self._parse_all(self._layout(parent))
            target = self._scratch / f"{parent}-by-id.parquet"
            texts, parents = self._texts(parent, parsed), self._parents(db, parent)
            _copy(db, self._sql.lookup(parent, texts, parents), target)
            self._lookups[parent] = target
        return self._lookups[parent]

    def _texts(self, table: str, parsed: Sequence[TextFile]) -> list[Path]:
        """Return the parsed files, or one without rows: DuckDB reads no empty list."""
        if parsed:
            return [file.path for file in parsed]
        empty = self._scratch / f"no-{table}.parquet"
        parquet.write_table(text_schema(table).empty_table(), empty)
        return [empty]

    def _connect(self, scratch: Path) -> duckdb.DuckDBPyConnection:
        """Open a database that sees the two scratch folders and nothing else."""
        options: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": self._settings.engine_memory,
            "temp_directory": str(self._scratch / "spill"),
            "preserve_insertion_order": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
        if self._settings.engine_threads:
            options["threads"] = str(self._settings.engine_threads)
        db = duckdb.connect(config=options)
        db.execute("SET GLOBAL TimeZone = 'UTC'")
        folders = ", ".join(literal(folder) for folder in (self._scratch, scratch))
        db.execute(f"SET allowed_directories = [{folders}]")
        db.execute("SET enable_external_access = false")
        db.execute("SET lock_configuration = true")
        return db


def _integers(parsed: Iterable[TextFile]) -> frozenset[str]:
    """Return the ids that are integers in every file with rows; else text holds them all."""
    found = [file.integers for file in parsed if file.rows]
    return found[0].intersection(*found) if found else frozenset()


def _copy(db: duckdb.DuckDBPyConnection, query: str, target: Path) -> int:
    """Write the rows of a query; return how many there are."""
    return _execute(db, f"COPY ({query}) TO {literal(target)} (FORMAT parquet)")[0][0]


def _execute(db: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    try:
        return db.execute(query).fetchall()
    except duckdb.OutOfMemoryException as error:
        raise SourceError(
            "The files' rows do not fit in the engine's memory.",
            hint="Raise ECOM_ENGINE_MEMORY, or give scratch (TMPDIR) more room.",
        ) from error


def _add(plain: Decimal | None, others: dict[str, int] | None) -> Decimal:
    """Add numbers exactly; return them with cents, or with all their digits."""
    with localcontext(prec=_PRECISION):
        total = sum(
            (Decimal(text) * count for text, count in (others or {}).items()),
            plain or Decimal(0),
        )
        cents = total.quantize(_CENT)
        return cents if cents == total else total.normalize()
