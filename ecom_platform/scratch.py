"""Scratch folders: each is a run's own, and goes with it, be the run killed."""

from __future__ import annotations

import fcntl
import shutil
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

_PREFIX = "ecom-scratch-"
_LOCK = ".lock"


@contextmanager
def scratch_folder() -> Generator[Path]:
    """Make a folder for this user alone; remove it at the end, and those of killed runs now.

    They hold what the source holds, e-mail addresses included.
    """
    _remove_abandoned()
    with TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with (folder / "locking").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Under its name it is locked from the start, so nobody takes it for abandoned.
            (folder / "locking").rename(folder / _LOCK)
            yield folder


def _remove_abandoned() -> None:
    for folder in Path(gettempdir()).glob(f"{_PREFIX}*"):
        try:
            with (folder / _LOCK).open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # in use, another user's, or gone by now
            continue
