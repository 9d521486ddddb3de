"""A lake in a folder: a temporary file, fsync and rename, under a lock for each object."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from ecom_platform.errors import LakeError
from ecom_platform.lake.base import StoredObject, conflict

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping


class FolderStorage:
    """A lake in a local folder.

    Args:
        root: The folder; it is made when something is stored.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def uri(self, path: str) -> str:
        return str(self.root / path)

    def etags(self, folder: str) -> dict[str, str]:
        with self._explain_errors():
            return {
                file.relative_to(self.root).as_posix(): _version(file.stat())
                for directory, _, names in os.walk(self.root / folder, onerror=_unless_absent)
                for file in (
                    Path(directory, name) for name in names if name.endswith((".parquet", ".json"))
                )
            }

    def stat(self, path: str) -> StoredObject | None:
        from pyarrow import parquet

        try:
            found = (self.root / path).stat()
        except FileNotFoundError:
            return None
        try:
            footer = parquet.read_metadata(self.root / path).metadata or {}
        except (OSError, ValueError):  # a damaged file has no facts, and may be replaced
            footer = {}
        facts = {key.decode(): value.decode() for key, value in footer.items()}
        return StoredObject(_version(found), found.st_size, facts)

    def fetch(self, paths: Iterable[str], scratch: Path) -> dict[str, Path]:
        del scratch  # objects of a folder are read where they are
        return {path: self.root / path for path in paths if (self.root / path).exists()}

    def put(self, path: str, file: Path, *, replaces: str | None, facts: Mapping[str, str]) -> str:
        del facts  # they are in the Parquet footer, which is as near as an S3 header here
        target = self.root / path
        with self._explain_errors():
            # Raw customers are not for every user of the machine.
            self.root.mkdir(mode=0o750, parents=True, exist_ok=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            with (target.parent / ".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                current = _version(target.stat()) if target.exists() else None
                if current != replaces:
                    raise conflict(self.uri(path))
                try:
                    return _replace(target, file)
                except OSError as error:  # of a copy, it names what was copied
                    raise type(error)(error.errno, error.strerror, str(target)) from error

    def check(self) -> None:
        probe = self.root / f".probe-{uuid4().hex}"
        with self._explain_errors():
            self.root.mkdir(parents=True, exist_ok=True)
            probe.touch()
            probe.unlink()

    @contextmanager
    def _explain_errors(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise LakeError(
                f"The lake {self.root} cannot be used: {error.strerror or error} "
                f"({error.filename}).",
                hint="Make the folder readable and writable for this user and check that the "
                "disk has room, or set ECOM_LAKE to another folder.",
            ) from error


def _replace(target: Path, file: Path) -> str:
    """Put a copy of a file in place of another at once; the lock of the target is held."""
    # One name for all writers: what a killed one left is overwritten by the next.
    temporary = target.with_name(f".{target.name}.tmp")
    try:
        shutil.copyfile(file, temporary)
        # Some clocks of file systems tick in 4 ms; a version must not come back in that time.
        now = time.time_ns()
        os.utime(temporary, ns=(now, now))
        _fsync(temporary)
        etag = _version(temporary.stat())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    _fsync(target.parent)
    return etag


def _version(stat: os.stat_result) -> str:
    # A rename keeps inode, size and modification time, so the version of the temporary
    # file is that of the published one.
    return f"{stat.st_mtime_ns:x}-{stat.st_ino:x}-{stat.st_size:x}"


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unless_absent(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
