"""A shop in PostgreSQL: its tables in one snapshot, read by several connections at once."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ecom_platform.calendar import ONE_DAY
from ecom_platform.errors import SourceError
from ecom_platform.sources.postgres.address import parse_address
from ecom_platform.sources.postgres.catalog import catalog_query, describe_table
from ecom_platform.sources.postgres.connection import open_connections
from ecom_platform.sources.postgres.dialect import PostgresDialect

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from datetime import date

    import pyarrow as pa

    from ecom_platform.settings import Settings
    from ecom_platform.sources.dialect import Piece
    from ecom_platform.sources.postgres.connection import Connection, Connections
    from ecom_platform.sources.shop_queries import ShopQueries
    from ecom_platform.sources.shop_tables import SourceTable

#: Fewer rows than these are read sooner than more connections are open.
PARALLEL_ROWS = 50_000


@contextmanager
def open_session(settings: Settings) -> Generator[PostgresSession]:
    """Connect to the database at `ECOM_SOURCE`, on one snapshot, until the context ends.

    Raises:
        SourceError: The database refuses the connection for good.
        SourceUnavailableError: The database does not answer now.
    """
    address = parse_address(settings.source.get_secret_value() if settings.source else "")
    with open_connections(address, settings.source_statement_timeout) as connections:
        yield PostgresSession(settings, connections)


class PostgresSession:
    """Connections on one snapshot; the methods are described in `sources/dialect.py`.

    Args:
        settings: Names of tables and columns, zones, connections.
        connections: All on one snapshot of the database.
    """

    def __init__(self, settings: Settings, connections: Connections) -> None:
        self._settings = settings
        self._connections = connections
        self.dialect = PostgresDialect(settings.calendar, settings.source_timezone)

    def connections(self, count: int) -> Sequence[Connection]:
        return self._connections.get(count)

    def describe(self, table: str) -> SourceTable:
        (connection,) = self._connections.get(1)
        rows = connection.rows(catalog_query(self._settings.source_table(table)))
        described = describe_table(self._settings, table, rows)
        connection.execute("savepoint described")
        try:
            # To have planned a query keeps the table, until the end, from being truncated or
            # rewritten; a snapshot alone would then find it empty.
            connection.plan(f"select from {described.sql}")
        except SourceError:
            # One table that may not be read must not end the transaction for the others.
            with suppress(SourceError):
                connection.execute("rollback to savepoint described")
            raise
        return described

    def row_count(self, table: SourceTable) -> int:
        (connection,) = self._connections.get(1)
        return connection.plan(f"select from {table.sql}")["Plan Rows"]

    def pieces(self, queries: ShopQueries, table: str, first: date, last: date) -> list[Piece]:
        whole = queries.extraction(table, first, last)
        count = self._settings.source_connections
        if count == 1 or first == last:
            return [(whole, first, last)]
        (connection,) = self._connections.get(1)
        plan = connection.plan(whole)
        if plan["Plan Rows"] < PARALLEL_ROWS:
            return [(whole, first, last)]
        described = queries.tables[table]
        if not described.is_view and _scans(plan, described.alias):
            # All of the table is read anyway: each connection reads its share of it.
            edges = [described.blocks * part // count for part in range(count)]
            return [
                (queries.extraction(table, first, last, _pages(described, start, end)), first, last)
                for start, end in zip(edges, [*edges[1:], None], strict=True)
            ]
        days = (last - first).days + 1
        parts = min(days, count)
        starts = [first + days * part // parts * ONE_DAY for part in range(parts)]
        ends = [*(start - ONE_DAY for start in starts[1:]), last]
        return [
            (queries.extraction(table, start, end), start, end)
            for start, end in zip(starts, ends, strict=True)
        ]

    def typed(
        self, tables: Mapping[str, SourceTable], table: str, batch: pa.RecordBatch
    ) -> pa.RecordBatch:
        del tables, table
        return batch  # the protocol carries the types


def _pages(table: SourceTable, start: int, end: int | None) -> str:
    """Return the condition of rows on some pages: from one up to before another, or the end."""
    address = f"{table.alias}.ctid"
    pages = f"{address} >= '({start},0)'::tid"
    return pages if end is None else f"{pages} and {address} < '({end},0)'::tid"


def _scans(plan: dict[str, Any], alias: str) -> bool:
    """Say whether a plan reads all of a table (or of a partition of it)."""
    if plan["Node Type"] == "Seq Scan":
        return plan["Alias"] == alias or plan["Alias"].startswith(f"{alias}_")
    return any(_scans(part, alias) for part in plan.get("Plans", ()))
