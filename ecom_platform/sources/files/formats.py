"""Strict reading of one file, as text and in declared columns: CSV and JSON Lines here.

Nothing is sniffed, and no row is dropped or altered: a file is read whole or refused. Python's
own parsers read the rows, because they alone stood the tests: DuckDB's trims blanks around
quotes and drops fields of an unnamed last column, Arrow's loses a byte of a quoted line break
where its blocks meet, and both read the later of two JSON keys of one name, or the earlier.
"""

# Arrow's own annotations are partly unknown.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import csv
import gzip
import json
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from operator import itemgetter
from typing import IO, TYPE_CHECKING, Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from ecom_platform.sources.files.faults import (
    BrokenFileError,
    refuse_other_kinds,
    require_columns,
)
from ecom_platform.sources.files.parquet import read_parquet

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

#: What a data file's name may end in.
SUFFIXES = (".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".parquet")

_BATCH_VALUES = 100_000
_LONGEST_LINE = 16 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"

#: What Python's csv says -> what it means.
_CSV_FAULTS = {
    "unexpected end of data": "a quoted field that begins in this row is never closed",
    "field larger than": "a field is longer than 131,072 characters; is a quote never closed?",
    "expected after": "text follows a closing quote",
    "new-line character": "a carriage return stands outside quotes",
}


class Lines:
    """The lines of a file with their ends; only UTF-8, and of bounded length."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        #: Whether the last line that was read has an end.
        self.has_end = True

    def __iter__(self) -> Iterator[str]:
        """Yield them as text."""
        number = 0
        while line := self._stream.readline(_LONGEST_LINE):
            number += 1
            if number == 1:
                line = line.removeprefix(_BOM)
                refuse_other_kinds(line)
            if len(line) == _LONGEST_LINE:
                raise BrokenFileError(f"is longer than {_LONGEST_LINE:,} bytes", number)
            self.has_end = line.endswith((b"\n", b"\r"))
            try:
                yield line.decode()
            except UnicodeDecodeError as error:
                raise BrokenFileError(f"byte {error.start + 1} is not UTF-8", number) from None


@dataclass(frozen=True)
class TextRows:
    """The rows of a file.

    Args:
        batches: Text columns under their declared names. Read to the end: an error may come
            with any batch.
        integers: Columns that the file itself declares to be integers.
        declared: All columns that the file says it has -> their type. JSON Lines say nothing.
        lines: Of CSV, whose last one may have been cut without a trace.
    """

    batches: Iterator[pa.RecordBatch]
    integers: frozenset[str] = frozenset()
    declared: Mapping[str, str] = field(default_factory=dict[str, str])
    lines: Lines | None = None


def read_rows(
    stream: IO[bytes],
    suffix: str,
    columns: Sequence[str],
    *,
    ids: frozenset[str] = frozenset(),
    delimiter: str = ",",
) -> TextRows:
    """Begin to read a file: its header is checked now, its rows as they are taken.

    Args:
        stream: The file; it must stay open while batches are taken.
        suffix: One of `SUFFIXES`.
        columns: The columns to read, as the file names them. All others are passed over.
        ids: Those of them that must not be rounded, whatever type the file has.
        delimiter: Of CSV.

    Raises:
        BrokenFileError: The file is not what its name says.
    """
    if not stream.read(1):
        raise BrokenFileError(
            "has 0 bytes; a file without rows still has its header (JSON Lines: one blank line)"
        )
    stream.seek(0)
    if suffix == ".parquet":
        batches, integers, declared = read_parquet(stream, columns, ids)
        return TextRows(batches, integers, declared)
    plain = cast("IO[bytes]", gzip.GzipFile(fileobj=stream)) if suffix.endswith(".gz") else stream
    with _explained():
        if suffix.startswith(".csv"):
            lines = Lines(plain)
            header, batches = _read_csv(lines, columns, delimiter)
            return TextRows(batches, declared=dict.fromkeys(header, "text"), lines=lines)
        return TextRows(_read_json_lines(Lines(plain), columns))


@contextmanager
def _explained() -> Generator[None]:
    try:
        yield
    except EOFError:
        raise BrokenFileError("is cut: its gzip data ends early") from None
    except gzip.BadGzipFile:
        raise BrokenFileError("is not sound gzip data from its first byte to its last") from None
    except zlib.error:
        raise BrokenFileError("is damaged: its gzip data cannot be unpacked") from None


def _read_csv(
    lines: Lines, columns: Sequence[str], delimiter: str
) -> tuple[list[str], Iterator[pa.RecordBatch]]:
    rows = _csv_rows(lines, delimiter)
    header = next(rows, None)
    if header is None:
        raise BrokenFileError("is empty: it has no header line")
    if len(header) == 1 and any(
        other in header[0] for other in {",", ";", "\t", "|"} - {delimiter}
    ):
        raise BrokenFileError(
            f"the header is one field: the delimiter is not {delimiter!r}, as "
            "ECOM_SOURCE_DELIMITER says",
            1,
        )
    require_columns(columns, header, line=1)
    wanted = itemgetter(*(header.index(column) for column in columns))
    return header, map(_empty_as_null, _batches(map(wanted, rows), columns))


def _csv_rows(lines: Lines, delimiter: str) -> Iterator[list[str]]:
    """Yield the header and the rows, each as wide as the header; blank lines are none."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    width, line = 0, 1
    try:
        for row in reader:
            if len(row) != width and row:
                if width:
                    raise BrokenFileError(
                        f"has {len(row)} fields where the header has {width}", line
                    )
                width = len(row)
            if row:
                yield row
            line = reader.line_num + 1
    except csv.Error as error:
        reasons = (reason for words, reason in _CSV_FAULTS.items() if words in str(error))
        raise BrokenFileError(next(reasons, "is not CSV"), line) from None


class _Object(list[tuple[str, Any]]):
    """A JSON object as its pairs, so that no repeated key is lost."""


def _read_json_lines(lines: Lines, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    rows = _json_rows(lines, columns)
    # The first row is read now, as CSV's header is.
    first = list(islice(rows, 1))
    return _batches(chain(first, rows), columns)


def _json_rows(lines: Lines, columns: Sequence[str]) -> Iterator[list[str | None]]:
    # Numbers stay the text they are written as, so that none is rounded.
    decoder = json.JSONDecoder(
        object_pairs_hook=_Object, parse_float=str, parse_int=str, parse_constant=str
    )
    for number, line in enumerate(lines, 1):
        text = line.strip(" \t\r\n")
        if not text:
            continue
        try:
            pairs: object = decoder.decode(text)
        except json.JSONDecodeError as error:
            raise BrokenFileError(f"is not JSON: {error.msg} at {error.colno}", number) from None
        except RecursionError:
            raise BrokenFileError(
                "is not JSON that can be read: nested too deeply", number
            ) from None
        if not isinstance(pairs, _Object):
            raise BrokenFileError("is not a JSON object; one is expected on each line", number)
        row = dict(pairs)
        if len(row) != len(pairs):
            raise BrokenFileError("has a key twice", number)
        try:
            values = [row[column] for column in columns]
        except KeyError:
            require_columns(columns, list(row), number)
            raise
        yield [
            _json_text(value, column, number) for value, column in zip(values, columns, strict=True)
        ]


def _json_text(value: object, column: str, line: int) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        raise BrokenFileError(f"`{column}` is a nested value, not text or a number", line)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BrokenFileError(f"`{column}` holds half a Unicode character", line) from None
    return value


def _batches(
    rows: Iterator[Sequence[str | None]], columns: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    # Flat, because a list of lists keeps Python's garbage collector busy: twice as slow.
    values: list[str | None] = []
    with _explained():
        for row in rows:
            values.extend(row)
            if len(values) >= _BATCH_VALUES:
                yield _batch(values, columns)
                values.clear()
    yield _batch(values, columns)


def _batch(values: list[str | None], columns: Sequence[str]) -> pa.RecordBatch:
    width = len(columns)
    arrays = [pa.array(values[at::width], pa.string()) for at in range(width)]
    return pa.RecordBatch.from_arrays(arrays, names=list(columns))


def _empty_as_null(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Read CSV's empty fields as NULL: it has no other way to write one."""
    empty, null = pa.scalar(""), pa.scalar(None, pa.string())
    columns = [pc.if_else(pc.equal(column, empty), null, column) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
