"""A real MariaDB server in a folder, for the tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

#: It holds nothing that must survive a failure, and little of anything.
_OPTIONS = (
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--innodb-flush-method=nosync",
    "--innodb-file-per-table=0",
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=16M",
    "--performance-schema=off",
    "--skip-name-resolve",
    "--skip-log-bin",
    # As a server whose zone is not UTC, and whose default charset is not Unicode.
    "--default-time-zone=+05:30",
    "--character-set-server=latin1",
    "--bind-address=127.0.0.1",
)


class MariaServer:
    """A server in a folder; `root` needs no password. It listens at 127.0.0.1 too.

    Args:
        command: Starts it, but for where it listens.
        folder: All of its files.
    """

    def __init__(self, command: list[str], folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.socket = f"{folder}/socket"
        self._command = [*command, f"--socket={self.socket}", f"--port={self.port}"]
        self._log = folder / "log"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with self._log.open("w") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while "ready for connections" not in (said := self._log.read_text()):
            if self._process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"MariaDB does not start: {said[-2000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop it, and wait for its end."""
        self._process.terminate()
        self._process.wait(timeout=60)


@contextmanager
def mariadb_server() -> Iterator[MariaServer]:
    """Run a server; where there is none, skip the test, or fail it in CI."""
    # Debian keeps servers in a folder that not every user's PATH has.
    found = [shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
             for name in ("mariadb-install-db", "mariadbd")]  # fmt: skip
    install, program = found
    if not install or not program:
        message = "MariaDB is not installed: install the package mariadb-server"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
        return
    # Not under pytest's own folder: the path of a socket must be short.
    with TemporaryDirectory(prefix="ecom-mariadb-", ignore_cleanup_errors=True) as folder:
        # A server that starts removes what others have in its folder of temporary tables.
        (Path(folder) / "temporary").mkdir()
        common = ("--no-defaults", f"--datadir={folder}/data", f"--tmpdir={folder}/temporary")
        if os.geteuid() == 0:
            common += ("--user=root",)
        subprocess.run(
            [install, *common, "--auth-root-authentication-method=normal", "--skip-test-db"],
            check=True,
            capture_output=True,
        )
        server = MariaServer([program, *common, *_OPTIONS], Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


def address_of(path: str, database: str) -> str:
    """Return the address of a database of the server."""
    return f"mysql://root@localhost/{database}?socket={quote(path, safe='')}"
