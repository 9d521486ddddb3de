"""Objects of the lake: a folder or an S3 prefix, behind one small interface.

A put is conditional and atomic: readers see the old object or the new one, and of
two writers who saw the same version only one succeeds. Nothing here knows what an
object contains.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

from ecom_platform.errors import LakeError, PublishConflictError
from ecom_platform.object_store import S3_RETRY, explain_s3_error, open_s3

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Requests under way at once. S3 answers in some 20 ms whatever the size of a small object.
CONCURRENCY = 32


@dataclass(frozen=True)
class StoredObject:
    """The version of an object and the facts stored with it."""

    etag: str
    size: int
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])


class Storage(Protocol):
    """A place for objects. Paths are relative, with forward slashes."""

    def uri(self, path: str) -> str:
        """Return the address a user would open the object at."""
        ...

    def etags(self, folder: str) -> dict[str, str]:
        """Return path -> version of every object under a folder."""
        ...

    def stat(self, path: str) -> StoredObject | None:
        """Return an object's version and metadata; None when there is none."""
        ...

    def fetch(self, paths: Iterable[str], scratch: Path) -> dict[str, Path]:
        """Return path -> local file, for those objects that exist."""
        ...

    def put(self, path: str, file: Path, *, replaces: str | None, facts: Mapping[str, str]) -> str:
        """Store a local Parquet file in place of version `replaces` (None: of nothing).

        Args:
            path: Where to.
            file: The finished local file; its footer carries `facts` too.
            replaces: The version that this one was computed to replace.
            facts: What `stat` is to return as metadata.

        Returns:
            The new version.

        Raises:
            PublishConflictError: The object is no longer that version.
            LakeError: The lake cannot be written.
        """
        ...

    def check(self) -> None:
        """Prove that the lake can be written.

        Raises:
            LakeError: It cannot; the message says why.
        """
        ...


def open_storage(lake: str) -> Storage:
    """Return the storage at `ECOM_LAKE`: a folder or `s3://bucket/prefix`."""
    if lake.startswith("s3://"):
        return S3Storage(lake)
    if "://" in lake and not lake.startswith("file://"):
        raise LakeError(
            f"ECOM_LAKE={lake} is neither a folder nor an s3:// address.",
            hint="Set ECOM_LAKE to a folder or to s3://bucket/prefix.",
        )
    return FolderStorage(Path(lake.removeprefix("file://")).expanduser().absolute())


class FolderStorage:
    """A lake in a folder: temporary file, fsync, rename, under a lock per dataset."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def uri(self, path: str) -> str:
        return str(self.root / path)

    def etags(self, folder: str) -> dict[str, str]:
        files = (self.root / folder).rglob("*.parquet")
        return {str(file.relative_to(self.root)): _version(file.stat()) for file in files}

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
        temporary = target.with_name(f".{uuid4().hex}.tmp")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copyfile(file, temporary)
                _fsync(temporary)
                return self._swap(temporary, target, replaces)
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            raise _explain_os_error(error, self.root) from error

    def _swap(self, temporary: Path, target: Path, replaces: str | None) -> str:
        with (target.parent / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            current = _version(target.stat()) if target.exists() else None
            if current != replaces:
                raise conflict(self.uri(str(target.relative_to(self.root))))
            etag = _version(temporary.stat())
            temporary.replace(target)
            _fsync(target.parent)
        return etag

    def check(self) -> None:
        probe = self.root / f".{uuid4().hex}.tmp"
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise _explain_os_error(error, self.root) from error


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


def _explain_os_error(error: OSError, root: Path) -> LakeError:
    return LakeError(
        f"The lake {root} cannot be written: {error.strerror or error} ({error.filename}).",
        hint="Make the folder writable for this user and check that the disk has room, "
        "or set ECOM_LAKE to another folder.",
    )


def conflict(uri: str) -> PublishConflictError:
    """Return the error of a writer who lost."""
    return PublishConflictError(
        f"{uri} was published by another run since this one started.",
        hint="Nothing to repair: the newer version stands. Re-run the day if in doubt.",
    )


class S3Storage:
    """A lake under an S3 prefix: one conditional PUT for each object."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._store = open_s3(self.url, retry=S3_RETRY)

    def uri(self, path: str) -> str:
        return f"{self.url}/{path}"

    def etags(self, folder: str) -> dict[str, str]:
        import obstore

        with explain_s3_error(self.url):
            pages = obstore.list(self._store, f"{folder}/")
            return {found["path"]: str(found["e_tag"]) for page in pages for found in page}

    def stat(self, path: str) -> StoredObject | None:
        import obstore

        try:
            with explain_s3_error(self.uri(path)):
                found = obstore.get(self._store, path, options={"head": True})
        except FileNotFoundError:
            return None
        facts = {str(key): str(value) for key, value in found.attributes.items()}
        return StoredObject(str(found.meta["e_tag"]), found.meta["size"], facts)

    def fetch(self, paths: Iterable[str], scratch: Path) -> dict[str, Path]:
        with ThreadPoolExecutor(CONCURRENCY) as pool:
            wanted = list(paths)
            files = pool.map(lambda path: self._download(path, scratch), wanted)
            return {path: file for path, file in zip(wanted, files, strict=True) if file}

    def _download(self, path: str, scratch: Path) -> Path | None:
        import obstore

        try:
            with explain_s3_error(self.uri(path)):
                found = obstore.get(self._store, path)
                etag = str(found.meta["e_tag"]).strip('"')
                # Cached by version, under a path that keeps `date=…` readable to engines.
                file = scratch / "cache" / Path(path).parent / f"{etag}.parquet"
                if not file.exists():
                    file.parent.mkdir(parents=True, exist_ok=True)
                    temporary = file.with_name(f"{uuid4().hex}.tmp")
                    with temporary.open("wb") as out:
                        for chunk in found.stream(min_chunk_size=4 << 20):
                            out.write(chunk)
                    temporary.replace(file)
                return file
        except FileNotFoundError:
            return None

    def put(self, path: str, file: Path, *, replaces: str | None, facts: Mapping[str, str]) -> str:
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        with explain_s3_error(self.uri(path)):
            try:
                result = obstore.put(
                    self._store,
                    path,
                    file,
                    attributes=dict(facts),
                    mode="create" if replaces is None else {"e_tag": replaces},
                )
                return str(result["e_tag"])
            except (AlreadyExistsError, PreconditionError):
                # The answer to our own successful PUT may have been lost and the PUT
                # repeated: then the object that is in our way is ours.
                found = self.stat(path)
                if found and facts.items() <= found.metadata.items():
                    return found.etag
                raise conflict(self.uri(path)) from None

    def check(self) -> None:
        import obstore

        with explain_s3_error(self.url):
            probe = f".probe-{uuid4().hex}"
            obstore.put(self._store, probe, b"")
            obstore.delete(self._store, probe)
