"""Connections to PostgreSQL that read one snapshot; nothing here knows the shop's tables.

A connection is one transaction from its opening to its closing, so that it also works through
a pooler that hands out servers by transaction.
"""

from __future__ import annotations

import json
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ecom_platform.errors import SourceError, SourceUnavailableError
from ecom_platform.sources.postgres.errors import explain_failure, explain_refusal
from ecom_platform.sources.shop_tables import literal

if TYPE_CHECKING:
    from collections.abc import Generator

    import pyarrow as pa
    from adbc_driver_manager import AdbcConnection, AdbcDatabase

    from ecom_platform.sources.postgres.address import Address

_SETTINGS = {
    # After it the server ends a client that hangs, whose snapshot keeps it from cleaning up.
    "idle_in_transaction_session_timeout": "1h",
    "client_encoding": "UTF8",
    "timezone": "UTC",
    "datestyle": "ISO",
    "extra_float_digits": "1",
    # A shop's server lends us a process for each connection, and no more.
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
}
_BATCH_BYTES = 4 << 20


@contextmanager
def open_connections(address: Address, statement_timeout: int) -> Generator[Connections]:
    """Hold connections to a server, all on one snapshot; they are closed at the end.

    Args:
        address: Where the server is.
        statement_timeout: Seconds after which it ends a statement.

    Raises:
        SourceError: The server refuses the connection for good.
        SourceUnavailableError: It does not answer now.
    """
    import adbc_driver_postgresql  # pyright: ignore[reportMissingTypeStubs]

    with explain_refusal(address):
        database = adbc_driver_postgresql.connect(address.url)
    connections = Connections(address, database, statement_timeout)
    try:
        connections.get(1)
        yield connections
    finally:
        connections.close()
        database.close()


class Connections:
    """Connections to one server, all on the snapshot of the first.

    Args:
        address: Where the server is.
        database: The driver's handle of it.
        statement_timeout: Seconds after which the server ends a statement.
    """

    def __init__(self, address: Address, database: AdbcDatabase, statement_timeout: int) -> None:
        self._address = address
        self._database = database
        self._statement_timeout = statement_timeout
        self._open: list[Connection] = []
        self._snapshot = ""

    def get(self, count: int) -> list[Connection]:
        """Return so many connections, opening those that are not open yet.

        Raises:
            SourceError: The server refuses one for good.
            SourceUnavailableError: It does not answer now, or the snapshot has ended.
        """
        from adbc_driver_manager import AdbcConnection

        while len(self._open) < count:
            with explain_refusal(self._address):
                connection = Connection(self._address, AdbcConnection(self._database))
            self._open.append(connection)
            self._begin(connection)
        return self._open[:count]

    def _begin(self, connection: Connection) -> None:
        settings = [f"set local {name} = {literal(value)}" for name, value in _SETTINGS.items()]
        settings.append(f"set local statement_timeout = '{self._statement_timeout}s'")
        begin = "begin isolation level repeatable read read only"
        if not self._snapshot:
            connection.execute("; ".join([begin, *settings]))
            (exported,) = connection.rows("select pg_export_snapshot() as name")
            self._snapshot = exported["name"]
            return
        share = f"set transaction snapshot {literal(self._snapshot)}"
        try:
            connection.execute("; ".join([begin, share, *settings]))
        except SourceError as error:
            raise SourceUnavailableError(
                f"{self._address.name} does not share the snapshot with another connection: "
                f"{error.message}",
                hint="Run the same days again; where a pooler spreads connections over several "
                "servers, set ECOM_SOURCE_CONNECTIONS to 1.",
            ) from None

    def close(self) -> None:
        """Close all; the server rolls their transactions back."""
        while self._open:
            self._open.pop().close()


class Connection:
    """One read-only transaction.

    Every method raises SourceError where the statement would fail again, and
    SourceUnavailableError where the connection was lost or ended.
    """

    def __init__(self, address: Address, handle: AdbcConnection) -> None:
        self._address = address
        self._handle = handle

    def execute(self, sql: str) -> None:
        """Run a statement that returns nothing."""
        from adbc_driver_manager import AdbcStatement

        with explain_failure(self._address), AdbcStatement(self._handle) as statement:
            statement.set_sql_query(sql)
            statement.execute_update()

    def limit(self, seconds: float) -> None:
        """Have the server end every further statement after so many seconds."""
        self.execute(f"set local statement_timeout = {max(1, round(seconds * 1000))}")

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Return the rows of a small result."""
        return [row for batch in self.batches(sql) for row in batch.to_pylist()]

    def plan(self, sql: str) -> dict[str, Any]:
        """Return the top node of a query's plan, as PostgreSQL's EXPLAIN writes it."""
        (row,) = [
            row
            for batch in self.batches(f"explain (format json) {sql}", copy=False)
            for row in batch.to_pylist()
        ]
        return json.loads(row["QUERY PLAN"])[0]["Plan"]

    def batches(self, sql: str, *, copy: bool = True) -> Generator[pa.RecordBatch]:
        """Stream a result, in batches of a few megabytes; to be closed when not read to its end.

        Args:
            sql: The query.
            copy: Whether it can be the query of a COPY, which is the fast way.
        """
        from adbc_driver_manager import AdbcStatement

        # The reader of the driver's DB-API, because pyarrow's own loses the error's code.
        # That whole API would import pandas.
        from adbc_driver_manager._reader import AdbcRecordBatchReader
        from adbc_driver_postgresql import (  # pyright: ignore[reportMissingTypeStubs]
            StatementOptions,
        )

        with explain_failure(self._address), AdbcStatement(self._handle) as statement:
            statement.set_options(
                **{
                    StatementOptions.BATCH_SIZE_HINT_BYTES.value: _BATCH_BYTES,
                    StatementOptions.USE_COPY.value: "true" if copy else "false",
                }
            )
            statement.set_sql_query(sql)
            stream, _ = statement.execute_query()
            reader = AdbcRecordBatchReader._import_from_c(stream.address)  # noqa: SLF001
            try:
                yield from reader
            finally:
                reader.close()

    def cancel(self) -> None:
        """End the statement that runs, from another thread."""
        from adbc_driver_manager import Error

        with suppress(Error):  # where the connection is lost, nothing runs
            self._handle.cancel()

    def close(self) -> None:
        """Close the connection."""
        self._handle.close()
