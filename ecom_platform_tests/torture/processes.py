"""`ecom …` in processes that can be killed, hundreds of times: forked from one that is warm.

Python and Dagster take seconds to load. A fork server loads them once (`warm.py`), and each
command is a process of its own all the same.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from multiprocessing.context import ForkServerProcess

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["ecom_platform_tests.torture.warm"])

#: What a command may take on a busy machine before it counts as hanging.
PATIENCE = 300
KILLED = -signal.SIGKILL
_OPERATIONS = "operations"
_NETWORK = ("socket.connect", "socket.sendto", "socket.sendmsg")


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code (-9: killed), what it said, operations it made."""

    code: int
    said: str
    operations: int


class Running:
    """A command that has been started.

    Args:
        folder: Where it runs; its output is kept here.
        arguments: After `ecom`.
        environment: All of its `ECOM_*`, `AWS_*` and `DAGSTER_*` variables.
        kill_at: Before which of its operations on files and sockets it kills itself; 0 for none.
        limits: Called in the process before the command, with limits of its own to set.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        environment: Mapping[str, str],
        kill_at: int = 0,
        limits: Callable[[], None] | None = None,
    ) -> None:
        self._folder = folder
        (folder / _OPERATIONS).unlink(missing_ok=True)
        self.process: ForkServerProcess = _CONTEXT.Process(
            target=_ecom, args=(folder, arguments, dict(environment), kill_at, limits)
        )
        self.process.start()

    def kill(self) -> None:
        """End it as the kernel does when memory is short."""
        self.process.kill()

    def wait(self) -> Ended:
        """Wait for its end; one that hangs is killed, and an error."""
        self.process.join(PATIENCE)
        if self.process.exitcode is None:
            self.process.kill()
            raise TimeoutError(f"It hangs: {(self._folder / 'said').read_text()}")
        counted = self._folder / _OPERATIONS
        return Ended(
            self.process.exitcode,
            (self._folder / "said").read_text(errors="replace"),
            int(counted.read_text()) if counted.exists() else 0,
        )


def _ecom(
    folder: Path,
    arguments: tuple[str, ...],
    environment: dict[str, str],
    kill_at: int,
    limits: Callable[[], None] | None,
) -> None:
    """Be the command, in a fresh fork."""
    said = os.open(folder / "said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(said, 1)
    os.dup2(said, 2)
    os.chdir(folder)
    for name in [name for name in os.environ if name.startswith(("ECOM_", "AWS_", "DAGSTER_"))]:
        del os.environ[name]
    os.environ.update(environment)
    tempfile.tempdir = environment["TMPDIR"]
    sys.argv = ["ecom", *arguments]
    counted = _count_operations(str(folder), kill_at)
    if limits:
        limits()
    from ecom_platform.cli.main import main

    try:
        main()
    finally:
        total = len(counted)
        (folder / _OPERATIONS).write_text(str(total))


def _count_operations(folder: str, kill_at: int) -> list[None]:
    """Count what this process does to files under a folder and to sockets, from now on."""
    counted: list[None] = []

    def see(event: str, arguments: tuple[object, ...]) -> None:
        if event not in _NETWORK and not any(
            isinstance(value, str | Path) and str(value).startswith(folder) for value in arguments
        ):
            return
        counted.append(None)
        if len(counted) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(see)
    return counted
