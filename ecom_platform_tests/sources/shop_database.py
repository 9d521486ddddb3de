"""A database of a real server for one test, and reading it as the platform does.

PostgreSQL's is in `postgres_database.py`, MariaDB's in `mariadb_database.py`.
"""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from pyarrow import parquet

from ecom_platform.settings import Settings
from ecom_platform.sources.database import DatabaseSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ecom_platform.sources.base import Fingerprints, Snapshot, Totals

START = date(2024, 1, 1)

TABLES = {
    "customers": {
        "id": "bigint primary key",
        "email": "words",
        "region": "words",
        "signup_date": "date",
    },
    "orders": {
        "id": "bigint primary key",
        "customer_id": "bigint",
        "total_amount": "numeric(12,2)",
        "created_at": "instant",
        "status": "words",
    },
    "payments": {
        "id": "bigint primary key",
        "order_id": "bigint",
        "amount": "numeric(12,2)",
        "status": "words",
        "paid_at": "instant",
    },
}


class ShopDatabase:
    """One database.

    Args:
        url: Its address.
    """

    #: What tests call a type in every database -> what this one calls it: `words`, `naive` (a
    #: time without a zone), `instant`, `any_number`.
    types: ClassVar[Mapping[str, str]]

    def __init__(self, url: str) -> None:
        self.url = url

    def execute(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run SQL and return its rows, if it has any."""
        raise NotImplementedError

    def copy(self, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Add many rows, of all columns."""
        raise NotImplementedError

    def create(self, **types: str) -> None:
        """Make the three tables, with other types where given, as `orders_id="uuid"`."""
        for table, columns in TABLES.items():
            kinds = {name: types.get(f"{table}_{name}", kind) for name, kind in columns.items()}
            declared = ", ".join(
                f"{name} {self.types.get(kind, kind)}" for name, kind in kinds.items()
            )
            self.execute(f"drop table if exists {table} cascade")
            self.execute(f"create table {table} ({declared})")

    def insert(self, table: str, *rows: tuple[Any, ...]) -> None:
        """Add rows; columns that are left out at the end are NULL."""
        columns = list(TABLES[table])
        for row in rows:
            names = ", ".join(columns[: len(row)])
            places = ", ".join(["%s"] * len(row))
            self.execute(f"insert into {table} ({names}) values ({places})", *row)

    def settings(self, **options: Any) -> Settings:
        """Return settings that read this database from 2024-01-01 on, unless told otherwise."""
        options = {"source": self.url, "start_date": START, **options}
        return Settings(_env_file=None, **options)  # pyright: ignore[reportCallIssue]

    def source(self, **options: Any) -> DatabaseSource:
        """Return this database as a source."""
        return DatabaseSource(self.settings(**options))

    def read(self, table: str, first: str, last: str = "", **options: Any) -> list[dict[str, Any]]:
        """Return the rows of some days, ordered by id."""
        with self.source(**options).snapshot() as snapshot:
            return read(snapshot, table, first, last).rows


class Read(NamedTuple):
    """What an extraction left: rows ordered by id, totals, row groups of each file."""

    rows: list[dict[str, Any]]
    totals: dict[date, Totals]
    row_groups: list[list[int]]


def read(snapshot: Snapshot, table: str, first: str, last: str = "") -> Read:
    """Extract some days of a table."""
    days = date.fromisoformat(first), date.fromisoformat(last or first)
    with tempfile.TemporaryDirectory() as scratch:
        extraction = snapshot.extract(table, *days, Path(scratch))
        assert extraction.bad_days == {}
        files = [parquet.ParquetFile(file) for file in extraction.files]
        rows = [row for file in files for row in file.read().to_pylist()]
        row_groups = [
            [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
            for file in files
        ]
    rows.sort(key=lambda row: (row["id"] is not None, row["id"]))
    return Read(rows, extraction.totals, row_groups)


def fingerprints(
    database: ShopDatabase, first: str, last: str = "", **options: Any
) -> Fingerprints:
    """Return the fingerprints of some days, in a snapshot of their own."""
    days = date.fromisoformat(first), date.fromisoformat(last or first)
    with database.source(**options).snapshot() as snapshot:
        return snapshot.fingerprints(*days, seconds=60)
