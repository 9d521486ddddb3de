"""A shop in MySQL or MariaDB: its tables in one snapshot, read by one connection."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ecom_platform.errors import SourceError
from ecom_platform.settings import SOURCE_COLUMNS
from ecom_platform.sources.mysql.address import parse_address
from ecom_platform.sources.mysql.catalog import (
    catalog_query,
    describe_table,
    quote,
    quoted_name,
    row_count_query,
)
from ecom_platform.sources.mysql.connection import open_connection
from ecom_platform.sources.mysql.dialect import MySQLDialect

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from datetime import date

    import pyarrow as pa

    from ecom_platform.settings import Settings
    from ecom_platform.sources.dialect import Piece
    from ecom_platform.sources.mysql.connection import Connection
    from ecom_platform.sources.shop_queries import ShopQueries
    from ecom_platform.sources.shop_tables import SourceTable

#: How an error ends that says: no such database, column or table.
_NOT_THERE = ("(1049).", "(1054).", "(1146).")


@contextmanager
def open_session(settings: Settings) -> Generator[MySQLSession]:
    """Connect to the database at `ECOM_SOURCE`, on a snapshot, until the context ends.

    Raises:
        SourceError: The database refuses the connection for good.
        SourceUnavailableError: The database does not answer now.
    """
    address = parse_address(settings.source.get_secret_value() if settings.source else "")
    with open_connection(address, settings.source_statement_timeout) as connection:
        yield MySQLSession(settings, connection)


class MySQLSession:
    """A connection on a snapshot; the methods are described in `sources/dialect.py`.

    Args:
        settings: Names of tables and columns, zones.
        connection: On a snapshot of the database.
    """

    def __init__(self, settings: Settings, connection: Connection) -> None:
        self._settings = settings
        self._connection = connection
        self.dialect = MySQLDialect(settings.calendar, settings.source_timezone)

    def connections(self, count: int) -> Sequence[Connection]:
        del count  # never more than one, as `pieces` has it
        return [self._connection]

    def describe(self, table: str) -> SourceTable:
        name = self._settings.source_table(table)
        rows = self._connection.rows(catalog_query(self._settings, table))
        own = [self._settings.source_column(table, column) for column in SOURCE_COLUMNS[table]]
        if not {str(row["name"]) for row in rows} >= set(own):
            self._explain_absence(name, own)
        described = describe_table(self._settings, table, rows)
        # To have read a table keeps it, until the end, from being truncated or altered.
        self._connection.rows(f"select 1 from {described.sql} limit 0")
        return described

    def _explain_absence(self, name: str, columns: Sequence[str]) -> None:
        """Raise the error of columns that cannot be read, where they are there nonetheless.

        The catalog is silent about what the user may not read, and about broken views.
        """
        names = ", ".join(map(quote, columns))
        try:
            self._connection.rows(f"select {names} from {quoted_name(name)} limit 0")
        except SourceError as error:
            if error.message.endswith(_NOT_THERE):
                return
            if "denied" in error.message:
                error.hint = f"Run in the database: GRANT SELECT ON {quoted_name(name)} TO …;"
            raise

    def row_count(self, table: SourceTable) -> int:
        (found,) = self._connection.rows(row_count_query(table.name))
        return int(found["row_count"])

    def pieces(self, queries: ShopQueries, table: str, first: date, last: date) -> list[Piece]:
        return [(queries.extraction(table, first, last), first, last)]

    def typed(
        self, tables: Mapping[str, SourceTable], table: str, batch: pa.RecordBatch
    ) -> pa.RecordBatch:
        from ecom_platform.sources.mysql.typed import typed

        return typed(self._settings, tables, table, batch)
