"""Database servers that are made to fail: what each kind calls the same misfortunes."""

from __future__ import annotations

import socket
import time
from abc import ABC, abstractmethod
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import psycopg
import pymysql

from ecom_platform.sources.embedded_postgres import start_postgres, stop_postgres
from ecom_platform_tests.sources.mariadb_database import MariaDatabase
from ecom_platform_tests.sources.mariadb_server import address_of, mariadb_server
from ecom_platform_tests.sources.postgres_database import Database
from ecom_platform_tests.torture.wire import Wire, open_wire

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from ecom_platform_tests.sources.mariadb_server import MariaServer
    from ecom_platform_tests.sources.shop_database import ShopDatabase


class Server(ABC):
    """A server with the database `shop`, and a user `reader` of it.

    Args:
        wire: What the platform reaches it through.
    """

    place: str
    scheme: str
    database: ShopDatabase

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    @property
    def url(self) -> str:
        """`ECOM_SOURCE`."""
        return f"{self.scheme}://reader:reader@127.0.0.1:{self.wire.port}/shop"

    @abstractmethod
    def end_clients(self) -> None:
        """End the connections of all others."""

    @abstractmethod
    def restart(self) -> None:
        """Stop, and start again."""

    @abstractmethod
    def locked(self) -> AbstractContextManager[None]:
        """Keep others from reading payments, but for those who have begun to."""

    @abstractmethod
    def full(self) -> AbstractContextManager[None]:
        """Let nobody in."""

    def for_a_while(self, misfortune: AbstractContextManager[None], seconds: float) -> None:
        """Let a misfortune begin, and end after a time."""
        misfortune.__enter__()

        def end() -> None:
            time.sleep(seconds)
            misfortune.__exit__(None, None, None)

        Thread(target=end).start()


class Postgres(Server):
    """A server of PostgreSQL.

    Args:
        wire: What the platform reaches it through.
        folder: Its files.
    """

    place, scheme = "PostgreSQL", "postgresql"

    def __init__(self, wire: Wire, folder: Path) -> None:
        super().__init__(wire)
        self.folder = folder
        self.database = Database("")
        self.restart()

    @property
    def url(self) -> str:
        """`ECOM_SOURCE`."""
        return f"{super().url}?sslmode=disable"

    def end_clients(self) -> None:
        self.database.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = 'reader'"
        )

    def end_first_client(self) -> None:
        """End the connection whose snapshot the others share."""
        self.database.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
            "where usename = 'reader' order by backend_start limit 1"
        )

    def restart(self) -> None:
        stop_postgres(self.folder)
        self.database.url = start_postgres(self.folder).replace("/postgres?", "/shop?")

    @contextmanager
    def locked(self) -> Iterator[None]:
        with psycopg.connect(self.database.url, options="-c lock_timeout=1s") as connection:
            with suppress(psycopg.errors.LockNotAvailable):  # who reads it already keeps it
                connection.execute("lock payments in access exclusive mode")
            yield

    @contextmanager
    def full(self) -> Iterator[None]:
        self.database.execute("alter role reader connection limit 0")
        self.end_clients()
        yield
        self.database.execute("alter role reader connection limit -1")


class Maria(Server):
    """A server of MariaDB."""

    place, scheme = "MariaDB", "mysql"

    def __init__(self, wire: Wire, server: MariaServer) -> None:
        super().__init__(wire)
        self.server = server
        self.database = MariaDatabase(address_of(server.socket, "shop"))

    def end_clients(self) -> None:
        for (number,) in self.database.execute(
            "select id from information_schema.processlist where user = 'reader'"
        ):
            self.database.execute(f"kill connection {number}")

    def restart(self) -> None:
        self.database.close()
        self.server.stop()
        self.server.start()

    @contextmanager
    def locked(self) -> Iterator[None]:
        with self.database.connect() as connection, connection.cursor() as cursor:
            cursor.execute("set lock_wait_timeout = 1")
            with suppress(pymysql.OperationalError):  # who reads it already keeps it
                cursor.execute("lock tables payments write")
            yield

    @contextmanager
    def full(self) -> Iterator[None]:
        self.database.execute("alter user reader with max_user_connections 1")  # 0 is no limit
        self.end_clients()
        with pymysql.connect(
            port=self.server.port,
            host="127.0.0.1",
            user="reader",
            password="reader",  # noqa: S106
        ):
            yield
        self.database.execute("alter user reader with max_user_connections 0")


@contextmanager
def open_postgres() -> Iterator[Postgres]:
    """Run a server of PostgreSQL."""
    with TemporaryDirectory(prefix="ecom-postgres-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        admin = start_postgres(folder)
        try:
            Database(admin).execute("create database shop")
            with open_wire(socket.socket) as wire:
                server = Postgres(wire, folder)
                wire.connect = lambda: _connect_by_socket(server.database.url)
                server.database.create()
                server.database.execute(
                    "create role reader login password 'reader'; "
                    "grant select on all tables in schema public to reader"
                )
                yield server
        finally:
            stop_postgres(folder)


@contextmanager
def open_maria() -> Iterator[Maria]:
    """Run a server of MariaDB."""
    with mariadb_server() as server:
        root = MariaDatabase(address_of(server.socket, "mysql"))
        root.execute("create database shop")
        root.execute("create user reader identified by 'reader'")
        root.execute("grant select on shop.* to reader")
        root.close()
        with open_wire(lambda: socket.create_connection(("127.0.0.1", server.port))) as wire:
            maria = Maria(wire, server)
            maria.database.create()
            yield maria


def _connect_by_socket(url: str) -> socket.socket:
    place = parse_qs(urlsplit(url).query)
    connected = socket.socket(socket.AF_UNIX)
    connected.connect(f"{place['host'][0]}/.s.PGSQL.{place['port'][0]}")
    return connected
