"""Helpers of the tests of files: writing a shop, and extracting from it."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import parquet

from ecom_platform.settings import SOURCE_COLUMNS, Settings
from ecom_platform.sources.files.source import FilesSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ecom_platform.sources.base import Totals
    from ecom_platform.sources.files.snapshot import FilesSnapshot

START = date(2026, 1, 1)
DAY = date(2026, 1, 5)

Row = dict[str, Any]

#: A row of each table, for tests to vary.
TYPICAL: dict[str, Row] = {
    "orders": {
        "id": "o1", "customer_id": "c1", "total_amount": "12.30",
        "created_at": "2026-01-05 10:00:00", "status": "shipped",
    },
    "customers": {
        "id": "c1", "email": "c1@example.invalid", "region": "North", "signup_date": "2026-01-05",
    },
    "payments": {
        "id": "p1", "order_id": "o1", "amount": "12.30", "status": "paid",
        "paid_at": "2026-01-05 11:00:00",
    },
}  # fmt: skip


def content(table: str, suffix: str, rows: Sequence[Row]) -> bytes:
    """Write rows as a file of a kind; what a row does not say is as in `TYPICAL`."""
    full = [TYPICAL[table] | row for row in rows]
    columns = list(full[0]) if full else list(SOURCE_COLUMNS[table])
    if suffix == ".parquet":
        sink = io.BytesIO()
        parquet.write_table(
            pa.table({name: pa.array([row[name] for row in full]) for name in columns}), sink
        )
        return sink.getvalue()
    text = io.StringIO()
    if suffix.startswith(".csv"):
        writer = csv.DictWriter(text, columns)
        writer.writeheader()
        writer.writerows(full)
    else:
        text.write("".join(json.dumps(row) + "\n" for row in full) or "\n")
    data = text.getvalue().encode()
    return gzip.compress(data) if suffix.endswith(".gz") else data


def put(folder: Path, files: dict[str, bytes | str | list[Row]]) -> None:
    """Write files by path; rows are of the table that the path begins with."""
    for name, what in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(what, list):
            table = next(table for table in TYPICAL if name.startswith(table))
            what = content(table, path.name[path.name.index(".") :], what)  # noqa: PLW2901
        path.write_bytes(what if isinstance(what, bytes) else what.encode())


def shop(folder: Path, **tables: list[Row]) -> Path:
    """Write a shop of three CSV files, each with one typical row where not said otherwise."""
    put(folder, {f"{table}.csv": tables.get(table, [{}]) for table in TYPICAL})
    return folder


def settings(place: Path | str, **options: Any) -> Settings:
    """Return settings that read a folder or an address."""
    source = place if isinstance(place, str) else place.as_uri()
    options = {"start_date": START, "engine_threads": 1} | options
    return Settings(_env_file=None, source=source, **options)  # pyright: ignore[reportCallIssue]


@dataclass(frozen=True)
class Extracted:
    """What an extraction gave, with its rows as Python values."""

    rows: list[Row]
    types: dict[str, str]
    totals: dict[date, Totals]
    bad_days: dict[str, str]

    def column(self, name: str) -> list[Any]:
        """Return the values of a column, in order of ids."""
        return [row[name] for row in self.rows]


@contextmanager
def snapshot(place: Path | str, **options: Any) -> Iterator[FilesSnapshot]:
    """Open a snapshot of a folder or an address."""
    with FilesSource(settings(place, **options)).snapshot() as opened:
        yield opened


def take(
    opened: FilesSnapshot, table: str, first: date = DAY, last: date | None = None
) -> Extracted:
    """Extract days of a table from a snapshot."""
    with tempfile.TemporaryDirectory() as scratch:
        found = opened.extract(table, first, last or first, Path(scratch))
        if not found.files:
            return Extracted([], {}, found.totals, found.bad_days)
        rows = pa.concat_tables(parquet.read_table(file) for file in found.files)
        types = {field.name: str(field.type) for field in rows.schema}
        ordered = sorted(rows.to_pylist(), key=lambda row: str(row["id"] or ""))
        return Extracted(ordered, types, found.totals, found.bad_days)


def extract(
    place: Path | str, table: str, first: date = DAY, last: date | None = None, **options: Any
) -> Extracted:
    """Extract days of a table, in a snapshot of their own."""
    with snapshot(place, **options) as opened:
        return take(opened, table, first, last)
