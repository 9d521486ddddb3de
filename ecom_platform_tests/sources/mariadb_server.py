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


@contextmanager
def mariadb_server() -> Iterator[str]:
    """Run a server; where there is none, skip the test, or fail it in CI.

    Yields:
        The path of its socket; `root` needs no password. It listens at 127.0.0.1 too.
    """
    # Debian keeps servers in a folder that not every user's PATH has.
    found = [shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
             for name in ("mariadb-install-db", "mariadbd")]  # fmt: skip
    install, server = found
    if not install or not server:
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
        with (
            (Path(folder) / "log").open("w") as log,
            socket.create_server(("127.0.0.1", 0)) as free,
        ):
            port = free.getsockname()[1]
            free.close()
            path = f"{folder}/socket"
            process = subprocess.Popen(
                [server, *common, *_OPTIONS, f"--socket={path}", f"--port={port}"],
                stdout=log,
                stderr=log,
            )
            try:
                _wait(process, Path(folder) / "log")
                yield path
            finally:
                process.terminate()
                process.wait(timeout=60)


def _wait(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while "ready for connections" not in (said := log.read_text()):
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"MariaDB does not start: {said[-2000:]}")
        time.sleep(0.05)


def address_of(path: str, database: str) -> str:
    """Return the address of a database of the server."""
    return f"mysql://root@localhost/{database}?socket={quote(path, safe='')}"
