"""The command as users run it, and looking for what a run must never record."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import zlib
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from ecom_platform.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

#: A root user may write anywhere; without this right root is a user like others.
AS_A_USER = (
    ("setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override")
    if os.geteuid() == 0
    else ()
)


@dataclass(frozen=True)
class Done:
    """What a command left: its exit code, and what it printed where."""

    code: int
    out: str
    err: str


def ecom(*arguments: str, as_a_user: bool = False, **environment: str) -> Done:
    """Run a command in a process of its own.

    Args:
        arguments: After `ecom`.
        as_a_user: Whether folders that may not be written to are to keep root out too.
        environment: On top of the test's own.
    """
    if as_a_user and AS_A_USER and not shutil.which(AS_A_USER[0]):
        pytest.skip("root can only give up its rights with setpriv")
    done = subprocess.run(
        [
            *(AS_A_USER if as_a_user else ()),
            sys.executable,
            "-c",
            "from ecom_platform.cli.main import main; main()",
            *arguments,
        ],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> Done:
    """Run a command in this process: seconds sooner, for those that start no run."""
    monkeypatch.setattr(sys, "argv", ["ecom", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    printed = capsys.readouterr()
    assert isinstance(end.value.code, int | None)
    return Done(end.value.code or 0, printed.out, printed.err)


def objects(lake: Path, of: str = "") -> dict[str, bytes]:
    """Return path -> content of every object of a lake in a folder whose path has these words."""
    files = {str(file.relative_to(lake)): file for file in lake.rglob("*.parquet")}
    return {path: file.read_bytes() for path, file in files.items() if of in path}


def recorded(home: Path) -> bytes:
    """Return all that Dagster keeps in its home, logs of runs included, unpacked."""
    found: list[bytes] = []
    for file in home.rglob("*"):
        if file.suffix == ".db":
            found += _values(file)
        elif file.is_file() and {"storage", "history", "schedules"} & set(file.parts):
            found.append(file.read_bytes())
    return b"\n".join(found)


def _values(file: Path) -> list[bytes]:
    with closing(sqlite3.connect(file)) as database:
        tables = database.execute("select name from sqlite_master where type = 'table'").fetchall()
        rows = [row for (name,) in tables for row in database.execute(f'select * from "{name}"')]
    values = [value for row in rows for value in row if isinstance(value, str | bytes)]
    return [_unpacked(value) if isinstance(value, bytes) else value.encode() for value in values]


def _unpacked(value: bytes) -> bytes:
    try:
        return zlib.decompress(value)
    except zlib.error:
        return value
