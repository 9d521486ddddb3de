"""Which process holds something that others wait for, and whether it is gone."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A process of this machine or another.

    Args:
        host: Name of its machine.
        machine: Tells machines of one name apart; nothing where the system does not say.
        boot: Tells a machine from itself before it was started anew, and containers apart.
        pid: Its number there.
        started: When it began, in the kernel's own words; nothing where the system does not say.
    """

    host: str
    machine: str
    boot: str
    pid: int
    started: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"

    def is_gone(self) -> bool:
        """Say whether the process is known to have ended; of another machine, that is not known."""
        here = this_process()
        if (self.host, self.machine) != (here.host, here.machine):
            return False
        if self.boot == here.boot:
            return _started(self.pid) != self.started
        # In another container of this machine it may live; not since the machine was started anew.
        return bool(self.machine) and self.boot.split()[:1] != here.boot.split()[:1]


def this_process() -> Process:
    """Return the process that asks."""
    pid = os.getpid()
    return Process(socket.gethostname(), _machine(), _boot(), pid, _started(pid) or "")


@cache
def _machine() -> str:
    try:
        return Path("/etc/machine-id").read_text().strip()
    except OSError:
        return ""


@cache
def _boot() -> str:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return ""


def _started(pid: int) -> str | None:
    """Return when a process began; None where there is none of that number."""
    if not (_PROC / "self/stat").exists():  # not Linux
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            return ""
        return ""
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # The name of the program, in brackets, may hold anything.
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in "ZX" else fields[18]
