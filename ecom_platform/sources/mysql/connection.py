"""A connection to MySQL or MariaDB that reads one snapshot; it knows nothing of the shop's tables.

These servers lend no snapshot to a second connection, so one reads everything.
"""

from __future__ import annotations

import socket
import ssl
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ecom_platform.sources.mysql.errors import explain_failure, explain_refusal

if TYPE_CHECKING:
    from collections.abc import Generator

    import pyarrow as pa

    from ecom_platform.sources.mysql.address import Address
    from ecom_platform.sources.mysql.rows import Handle

_SETTINGS = {
    "time_zone": "'+00:00'",
    # Zero dates can be compared, nothing is padded, and a backslash is a backslash.
    "sql_mode": "'NO_BACKSLASH_ESCAPES'",
    # Longer than it takes to publish what was read; after it the server ends a client that hangs.
    "wait_timeout": "3600",
    "net_write_timeout": "600",
}
_MARIADB_SETTINGS = {
    "idle_transaction_timeout": "3600",
    "idle_readonly_transaction_timeout": "3600",
}
#: A connection whose other end vanished would be waited on for ever.
_KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}


@contextmanager
def open_connection(address: Address, statement_timeout: int) -> Generator[Connection]:
    """Hold a connection to a server, on a snapshot of now; it is closed at the end.

    Args:
        address: Where the server is.
        statement_timeout: Seconds after which it ends a statement.

    Raises:
        SourceError: The server refuses the connection for good.
        SourceUnavailableError: It does not answer now.
    """
    with explain_refusal(address):
        connection = Connection(address, _connect(address))
    try:
        connection.begin(statement_timeout)
        yield connection
    finally:
        connection.close()


class Connection:
    """One read-only transaction.

    Every method raises SourceError where the statement would fail again, and
    SourceUnavailableError where the connection was lost or ended.
    """

    def __init__(self, address: Address, handle: Handle) -> None:
        self._address = address
        self._handle = handle
        self._is_mariadb = "mariadb" in handle.get_server_info().lower()

    def begin(self, statement_timeout: int) -> None:
        """Begin the transaction: what it reads is as it is now."""
        settings = _SETTINGS | (_MARIADB_SETTINGS if self._is_mariadb else {})
        values = [f"session {name} = {value}" for name, value in settings.items()]
        self._execute("set session transaction isolation level repeatable read")
        self._execute(f"set {', '.join(values)}")
        self.limit(statement_timeout)
        self._execute("start transaction with consistent snapshot, read only")

    def limit(self, seconds: float) -> None:
        """Have the server end every further statement after so many seconds."""
        if self._is_mariadb:
            self._execute(f"set session max_statement_time = {max(seconds, 0.001):.3f}")
        else:
            self._execute(f"set session max_execution_time = {max(1, round(seconds * 1000))}")

    def _execute(self, sql: str) -> None:
        with explain_failure(self._address):
            self._handle.query(sql)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Return the rows of a small result; their values are text."""
        return [row for batch in self.batches(sql) for row in batch.to_pylist()]

    def batches(self, sql: str) -> Generator[pa.RecordBatch]:
        """Stream a result as text, in batches of a few megabytes.

        To be closed when not read to its end; the connection, and its snapshot, end with it.
        """
        from ecom_platform.sources.mysql.rows import stream_rows

        try:
            with explain_failure(self._address):
                yield from stream_rows(self._handle, sql)
        except GeneratorExit:
            self.cancel()  # or it would go on, and wait for somebody to read
            raise

    def cancel(self) -> None:
        """End the statement that runs, from another thread."""
        import pymysql

        # A server does not notice that a client has gone while it has nothing to send.
        with suppress(pymysql.MySQLError, OSError, RuntimeError):
            other = _connect(self._address)
            try:
                other.query(f"kill {self._handle.thread_id()}")
            finally:
                other.close()

    def close(self) -> None:
        """Close the connection; the server rolls its transaction back."""
        import pymysql

        with suppress(pymysql.MySQLError):  # closed already, or lost
            self._handle.close()


def _connect(address: Address) -> Handle:
    import pymysql

    options: dict[str, Any] = {}
    if address.ssl_mode == "disabled" or address.socket:
        options["ssl_disabled"] = True
    elif address.ssl_mode != "preferred":
        options["ssl"] = _encryption(address)
    handle: Handle = pymysql.connect(
        host=address.host,
        port=address.port,
        unix_socket=address.socket or None,
        user=address.user.encode(),
        password=address.password.encode(),
        database=address.database,
        charset="utf8mb4",
        autocommit=None,
        connect_timeout=address.connect_timeout,
        program_name="ecom_platform",
        **options,
    )
    for option, value in _KEEPALIVE.items():
        if not address.socket and hasattr(socket, option):
            handle._sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)  # noqa: SLF001
    return handle


def _encryption(address: Address) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=address.ssl_ca or None)
    # Certificates that a server of MySQL's makes for itself do not pass it.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.check_hostname = address.ssl_mode == "verify_identity"
    if not address.ssl_mode.startswith("verify"):
        context.verify_mode = ssl.CERT_NONE
    return context
