"""The shop as files, in a folder or in S3: the source, and what the doctor says of it.

Rows are read in `snapshot.py`; layouts, formats and SQL have modules of their own.
"""

from __future__ import annotations

import math
from contextlib import closing, contextmanager
from time import monotonic
from typing import TYPE_CHECKING

import duckdb

from ecom_platform.errors import SettingsError, SourceError
from ecom_platform.privacy import redact
from ecom_platform.scratch import scratch_folder
from ecom_platform.settings import SOURCE_COLUMNS
from ecom_platform.sources.files.database import connect, execute
from ecom_platform.sources.files.faults import BrokenFileError
from ecom_platform.sources.files.layout import find_layout, suffix_of
from ecom_platform.sources.files.snapshot import FilesSnapshot
from ecom_platform.sources.files.sql import DATED_BY, FileSql
from ecom_platform.sources.files.store import open_store
from ecom_platform.sources.files.texts import declared_columns, sample
from ecom_platform.sources.files.undated import describe

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from ecom_platform.settings import Settings
    from ecom_platform.sources.files.layout import Layout
    from ecom_platform.sources.files.store import FileStore


class FilesSource:
    """A folder or an S3 prefix that holds the three tables as files.

    Each table has one layout of its own: `orders.csv`, `orders/*.csv`, or day folders
    `orders/date=YYYY-MM-DD/*`; `.csv` and `.jsonl`, plain or `.gz`, or `.parquet`. In day
    folders the folder says the business day of its rows, whatever their timestamps say.

    Args:
        settings: The address, and how the files are written.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @contextmanager
    def snapshot(self, seconds: float = math.inf) -> Generator[FilesSnapshot]:
        """List the files; read only these versions of them while the context lasts.

        Args:
            seconds: For how long files may be read.

        Raises:
            SettingsError: The delimiter or the pattern of timestamps is none.
            SourceError: The folder or bucket is not there, or not allowed.
            SourceUnavailableError: S3 does not answer now.
        """
        _check_settings(self._settings)
        with scratch_folder() as scratch:
            yield FilesSnapshot(self._settings, self._store(), scratch, monotonic() + seconds)

    def check(self) -> list[str]:
        """Check the layout of each table, and the columns of its last file.

        Raises:
            SettingsError: The delimiter or the pattern of timestamps is none.
            SourceError: A table has no files, or none that can be read as it is.
            SourceUnavailableError: S3 does not answer now.
        """
        _check_settings(self._settings)
        store = self._store()
        top = store.files()
        layouts = [
            find_layout(store, table, self._settings.source_table(table), top)
            for table in SOURCE_COLUMNS
        ]
        return [
            line for layout in layouts for line in [self._facts(store, layout),
                                                    *self._warnings(store, layout)]
        ]  # fmt: skip

    def _store(self) -> FileStore:
        source = self._settings.source
        return open_store(source.get_secret_value() if source else "")

    def _facts(self, store: FileStore, layout: Layout) -> str:
        settings, files = self._settings, [file for file, _ in layout.dated_files]
        facts = [layout.pattern, f"{len(files):,} files" if len(files) != 1 else "1 file"]
        facts.append(f"{sum(file.size for file in files):,} bytes")
        if layout.is_daily:
            days = sorted([*layout.days, *layout.bad_days])
            missing = (days[-1] - days[0]).days + 1 - len(days)
            facts += [f"{days[0]} to {days[-1]}", f"{missing:,} days missing between"]
            facts += sorted(layout.bad_days.values())
            if settings.source_markers:
                unmarked = sum(not layout.markers(day) for day in layout.folders)
                facts.append(f"{unmarked:,} days without a marker")
        if files:
            last = files[-1]
            try:
                declared_columns(settings, store, layout.table, last)
            except BrokenFileError as error:
                raise SourceError(
                    f"{store.uri}/{error.about(last.path)}.",
                    hint="Replace the file by a whole one, or say in ECOM_COLUMNS how its "
                    "columns are named.",
                ) from error
            facts.append(f"columns checked in {last.path}")
        return f"{layout.table}: {', '.join(facts)}"

    def _warnings(self, store: FileStore, layout: Layout) -> Iterator[str]:
        """Yield what a look at the newest file says of the times in it, and of early folders."""
        settings, table = self._settings, layout.table
        start = settings.start_date
        early = sorted(day for day in layout.days if day < start)
        if early:
            yield (
                f"Warning, {table}: day folders before ECOM_START_DATE={start}, which are not "
                f"read: {len(early):,}, from {early[0]} on."
            )
        files = [file for file, day in layout.dated_files if day is None or day >= start]
        if not files:
            return
        with scratch_folder() as scratch, closing(connect(settings, scratch)) as db:
            target = scratch / "sample.parquet"
            try:
                rows = sample(settings, store, table, files[-1], target)
            except BrokenFileError as error:
                yield f"Warning, {table}: {error.about(files[-1].path)}."
                return
            ((count, texts),) = execute(db, FileSql(settings).unreadable(table, [target]))
            undated = describe(
                count,
                texts or (),
                settings.source_timestamp_format or "",
                is_parquet=suffix_of(files[-1].path) == ".parquet",
            )
        if undated.rows:
            share = undated.rows / rows
            word = "Wrong" if share > settings.quarantine_max_share else "Warning"
            column = settings.source_column(table, DATED_BY[table])
            yield (
                f"{word}, {table}: of the first {rows:,} rows of {redact(files[-1].path)}, those "
                f"without a readable {column}: {undated}"
            )


def _check_settings(settings: Settings) -> None:
    if settings.source_delimiter in '"\r\n':
        raise SettingsError(
            "ECOM_SOURCE_DELIMITER is a quote or a line end.",
            hint="Set it to the character between the fields of a line.",
        )
    try:
        with duckdb.connect() as db:
            db.execute(FileSql(settings).pattern_test())
    except duckdb.Error:
        raise SettingsError(
            f"ECOM_SOURCE_TIMESTAMP_FORMAT is no strptime pattern: "
            f"{settings.source_timestamp_format}",
            hint="Write it like %d/%m/%Y %H:%M, or unset it for ISO 8601.",
        ) from None
