"""A lake in a folder: a temporary file, fsync and rename, under a lock.

Readers find nothing but objects in the folders of partitions: locks are in `.locks/`, and files
that are being written in `.tmp/`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from contextlib import contextmanager
from pathlib import Path
from stat import S_IMODE
from typing import IO, TYPE_CHECKING
from uuid import uuid4
from zlib import crc32

from ecom_platform.datasets import PRIVATE_LAYERS
from ecom_platform.errors import LakeError, LakeUnavailableError
from ecom_platform.lake.base import StoredObject, conflict
from ecom_platform.processes import this_process

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

LOCKS, TEMPORARY = ".locks", ".tmp"
#: Lock files, which objects share by a hash of their paths: an object is replaced in a moment.
_LOCK_FILES = 64
#: How long to wait for another process to replace its object, and how often to look.
LOCK_SECONDS, _LOOK_SECONDS = 60.0, 0.02
#: Whoever is neither the owner nor of the group must not look in.
_PRIVATE, _OTHERS = 0o770, 0o007


class FolderStorage:
    """A lake in a local folder.

    Args:
        root: The folder; it is made when something is stored.
        lock_seconds: How long to wait for a process that holds a lock.
    """

    def __init__(self, root: Path, lock_seconds: float = LOCK_SECONDS) -> None:
        self.root = root
        self._lock_seconds = lock_seconds

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

        with self._explain_errors():
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

    def fetch(
        self, paths: Iterable[str], scratch: Path, *, pinned: bool = False
    ) -> dict[str, Path]:
        with self._explain_errors():
            if pinned:
                files = {path: self._pin(path, scratch) for path in paths}
                return {path: file for path, file in files.items() if file}
            return {path: self.root / path for path in paths if (self.root / path).exists()}

    def _pin(self, path: str, scratch: Path) -> Path | None:
        """Link an object as it is now, or copy it from another file system."""
        source = self.root / path
        try:
            # The path stays whole, for `date=…` in it is what engines read the day from.
            file = scratch / "cache" / _version(source.stat()) / path
            if not file.exists():
                file.parent.mkdir(parents=True, exist_ok=True)
                _link_or_copy(source, file)
        except FileNotFoundError:
            return None
        return file

    def put(self, path: str, file: Path, *, replaces: str | None, facts: Mapping[str, str]) -> str:
        # Facts are in the Parquet footer, which is as near as an S3 header here.
        target = self.root / path
        with self._explain_errors():
            self._make_folders(path)
            with self._temporary() as (temporary, out):
                try:
                    etag = _copy(file, temporary, out)
                except OSError as error:  # of a copy, it names what was copied
                    raise type(error)(error.errno, error.strerror, str(target)) from error
                with self._locked(path, facts.get("ecom-run", "")):
                    current = _version(target.stat()) if target.exists() else None
                    if current != replaces:
                        raise conflict(self.uri(path))
                    target.parent.mkdir(parents=True, exist_ok=True)
                    temporary.replace(target)
            _fsync(target.parent)
            return etag

    def _make_folders(self, path: str) -> None:
        self.root.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        for name in (LOCKS, TEMPORARY):
            (self.root / name).mkdir(mode=_PRIVATE, exist_ok=True)
        layer, _, rest = path.partition("/")
        if layer in PRIVATE_LAYERS and rest:
            folder = self.root / layer
            folder.mkdir(mode=_PRIVATE, exist_ok=True)
            # The lake may be in a folder that everybody can look into, and older than this rule.
            mode = S_IMODE(folder.stat().st_mode)
            if mode & _OTHERS:
                folder.chmod(mode & ~_OTHERS)

    @contextmanager
    def _temporary(self) -> Generator[tuple[Path, IO[bytes]]]:
        """Open a file to write to; it is locked, which tells it from what a killed run left."""
        folder = self.root / TEMPORARY
        for left in folder.iterdir():
            _remove_unless_locked(left)
        with _open_locked(folder) as out:
            temporary = Path(out.name)
            try:
                yield temporary, out
            finally:
                temporary.unlink(missing_ok=True)

    @contextmanager
    def _locked(self, path: str, run_id: str) -> Generator[None]:
        """Hold the lock of an object, and say in it who does.

        Raises:
            LakeUnavailableError: Another process held it all the time.
        """
        name = f"{crc32(path.encode()) % _LOCK_FILES:02x}"
        with (self.root / LOCKS / name).open("a+") as lock:
            until = time.monotonic() + self._lock_seconds
            while not _try_lock(lock):
                if time.monotonic() > until:
                    raise self._held(path, lock)
                time.sleep(_LOOK_SECONDS)
            lock.truncate(0)
            run = f", run {run_id}" if run_id else ""
            lock.write(f"{this_process()}{run}, since {time.strftime('%Y-%m-%d %H:%M:%S %Z')}")
            lock.flush()
            try:
                yield
            finally:
                lock.truncate(0)

    def _held(self, path: str, lock: IO[str]) -> LakeUnavailableError:
        lock.seek(0)
        holder = lock.read() or "unknown"
        return LakeUnavailableError(
            f"{self.uri(path)} cannot be replaced: another process has held the lock "
            f"{lock.name} for more than {self._lock_seconds:.0f} s ({holder}).",
            hint="If that process is stopped, let it go on (kill -CONT) or end it (kill); then "
            "run the same days again.",
        )

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


def _copy(file: Path, temporary: Path, out: IO[bytes]) -> str:
    """Copy a file, make the copy durable and return its version."""
    with file.open("rb") as content:
        shutil.copyfileobj(content, out, 1 << 20)
    out.flush()
    # Some clocks of file systems tick in 4 ms; a version must not come back in that time.
    now = time.time_ns()
    os.utime(temporary, ns=(now, now))
    os.fsync(out.fileno())
    return _version(temporary.stat())


def _link_or_copy(source: Path, file: Path) -> None:
    try:
        file.hardlink_to(source)
    except (FileExistsError, FileNotFoundError):
        if not file.exists():
            raise
    except OSError:
        part = file.with_name(uuid4().hex)
        shutil.copyfile(source, part)
        part.replace(file)


def _open_locked(folder: Path) -> IO[bytes]:
    while True:
        out = (folder / uuid4().hex).open("xb")
        fcntl.flock(out, fcntl.LOCK_EX)
        if os.fstat(out.fileno()).st_nlink:
            return out
        out.close()  # it was taken for a leftover in the moment before it was locked


def _remove_unless_locked(left: Path) -> None:
    try:
        with left.open("rb") as opened:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left.unlink()
    except OSError:  # in use, another user's, or gone by now
        return


def _try_lock(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


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
