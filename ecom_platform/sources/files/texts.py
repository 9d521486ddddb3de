"""The texts of the source's files, each file parsed once into a scratch folder.

What a file may look like is in `formats.py`, what its texts mean in `sql.py`.
"""

# Arrow's own annotations are partly unknown.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import hashlib
import math
from contextlib import closing
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow import parquet

from ecom_platform.datasets import Type
from ecom_platform.errors import SourceTooSlowError
from ecom_platform.privacy import redact
from ecom_platform.settings import SOURCE_COLUMNS
from ecom_platform.sources.files.faults import BrokenFileError
from ecom_platform.sources.files.formats import read_rows
from ecom_platform.sources.files.layout import suffix_of
from ecom_platform.sources.files.sql import DATASETS, text_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date
    from pathlib import Path

    from ecom_platform.settings import Settings
    from ecom_platform.sources.files.store import FileStore, StoredFile


@dataclass(frozen=True)
class TextFile:
    """What became of a file.

    Args:
        path: Its texts, as Parquet of `sql.text_schema`; not there when it is broken.
        rows: Number of rows.
        integers: Id columns that the file declares to be integers.
        sha256: Of the file as it lies there, where markers may ask for it.
        has_end: Whether its last line has an end; True of what is not CSV.
        broken: Why it cannot be read, naming file and line; empty when it could.
    """

    path: Path
    rows: int = 0
    integers: frozenset[str] = frozenset()
    sha256: str = ""
    has_end: bool = True
    broken: str = ""


def declared_columns(
    settings: Settings, store: FileStore, table: str, file: StoredFile
) -> Mapping[str, str]:
    """Return the columns that a file of a table says it has -> their type.

    Raises:
        BrokenFileError: It is not what its name says, or lacks a column that is needed.
    """
    needed = [settings.source_column(table, name) for name in SOURCE_COLUMNS[table]]
    with store.open(file) as stream:
        delimiter = settings.source_delimiter
        return read_rows(stream, suffix_of(file.path), needed, delimiter=delimiter).declared


def sample(settings: Settings, store: FileStore, table: str, file: StoredFile, to: Path) -> int:
    """Write the first rows of a file, as Parquet of `sql.text_schema`; return how many.

    Raises:
        BrokenFileError: It is not what its name says, lacks a column, or these rows are broken.
    """
    names = {name: settings.source_column(table, name) for name in SOURCE_COLUMNS[table]}
    suffix = suffix_of(file.path)
    with store.open(file) as stream:
        needed, delimiter = list(dict.fromkeys(names.values())), settings.source_delimiter
        batch = next(read_rows(stream, suffix, needed, delimiter=delimiter).batches, None)
    schema = text_schema(table)
    if batch is None:
        parquet.write_table(schema.empty_table(), to)
        return 0
    is_iso = suffix == ".parquet" or not settings.source_timestamp_format
    columns = [batch.column(name) for name in names.values()]
    columns += [pa.nulls(batch.num_rows, pa.date32()), pa.repeat(is_iso, batch.num_rows)]
    parquet.write_table(pa.Table.from_arrays(columns, schema=schema), to)
    return batch.num_rows


class TextFiles:
    """The files of one snapshot, parsed as they are asked for.

    Args:
        settings: How the files are written.
        store: Where they are.
        scratch: Where their texts go.
        end: When to give up, by the monotonic clock.
    """

    def __init__(
        self, settings: Settings, store: FileStore, scratch: Path, end: float = math.inf
    ) -> None:
        self._settings = settings
        self._store = store
        self._scratch = scratch
        self._end = end
        self._parsed: dict[StoredFile, TextFile] = {}

    def parse(
        self, table: str, files: Iterable[tuple[StoredFile, date | None]]
    ) -> list[tuple[date | None, TextFile]]:
        """Parse files of a table, with the days of their folders; return both in order.

        Raises:
            SourceTooSlowError: It takes too long.
            SourceUnavailableError: A file was replaced since it was listed.
        """
        days = dict(files)
        fresh = [file for file in days if file not in self._parsed]
        with closing(self._store.fetch(fresh, self._scratch)) as fetched:
            for file, copy in fetched:
                target = self._scratch / f"texts-{len(self._parsed)}.parquet"
                try:
                    parsed = self._parse(table, file, copy, days[file], target)
                except BrokenFileError as error:
                    target.unlink(missing_ok=True)
                    parsed = TextFile(target, broken=error.about(file.path))
                self._store.confirm(file)
                self._parsed[file] = parsed
        return [(day, self._parsed[file]) for file, day in days.items()]

    def without_end(self, files: Iterable[StoredFile]) -> list[str]:
        """Return the paths of those that were parsed and whose last line has no end."""
        parsed = {file.path: self._parsed[file] for file in files if file in self._parsed}
        return [redact(path) for path, text in parsed.items() if not text.has_end]

    def _parse(
        self, table: str, file: StoredFile, copy: Path, day: date | None, target: Path
    ) -> TextFile:
        settings, suffix = self._settings, suffix_of(file.path)
        names = {name: settings.source_column(table, name) for name in SOURCE_COLUMNS[table]}
        ids = [name for name in names if DATASETS[table].column(name).type is Type.ID]
        schema, rows = text_schema(table), 0
        is_iso = suffix == ".parquet" or not settings.source_timestamp_format
        constants = [pa.scalar(day, pa.date32()), pa.scalar(is_iso)]
        try:
            stream = copy.open("rb")
        except OSError as error:
            raise BrokenFileError(f"cannot be opened: {error.strerror}") from error
        with stream, parquet.ParquetWriter(target, schema, compression="lz4") as writer:
            texts = read_rows(
                stream,
                suffix,
                list(dict.fromkeys(names.values())),
                ids=frozenset(names[name] for name in ids),
                delimiter=settings.source_delimiter,
            )
            for batch in texts.batches:
                columns = [
                    *(batch.column(name) for name in names.values()),
                    *(pa.repeat(value, batch.num_rows) for value in constants),
                ]
                writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
                rows += batch.num_rows
                if monotonic() > self._end:
                    raise SourceTooSlowError(
                        f"{file.path} could not be read in the time that there is.",
                        hint="Raise ECOM_CHANGE_CHECK_SECONDS, or deliver day folders.",
                    )
            stream.seek(0)
            has_sum = settings.source_markers
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest() if has_sum else ""
        integers = frozenset(name for name in ids if names[name] in texts.integers)
        has_end = texts.lines is None or texts.lines.has_end
        return TextFile(target, rows, integers, sha256, has_end)
