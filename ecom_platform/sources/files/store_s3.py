"""The source's files in S3: downloaded ahead, several at once, each only as it was listed."""

# Obstore's own annotations are partly unknown.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import io
import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, TypeVar, cast

import obstore
from obstore.exceptions import PreconditionError

from ecom_platform.errors import (
    LakeError,
    LakeUnavailableError,
    SourceError,
    SourceUnavailableError,
)
from ecom_platform.object_store import call_s3, open_s3
from ecom_platform.sources.files.store import Fetched, StoredFile, replaced

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from obstore import Bytes, GetOptions, ObjectMeta

Answer = TypeVar("Answer")

_DOWNLOADS = 16
#: Downloads that may lie in scratch, waiting to be parsed.
_AHEAD = 4 * _DOWNLOADS
#: Bytes of a request: a large object is read by several at once, none lasting long.
_PART = 8 * 1024 * 1024
_HEAD_CHUNK = 256 * 1024


class Bucket:
    """A prefix of a bucket."""

    def __init__(self, address: str) -> None:
        self.uri = address.rstrip("/")
        with _s3_errors(self.uri):
            self._store = open_s3(address)

    def names(self) -> list[str]:
        """See `FileStore`."""
        found = self._ask(lambda: obstore.list_with_delimiter(self._store))
        folders = [f"{prefix}/" for prefix in found["common_prefixes"]]
        return sorted([*folders, *(meta["path"] for meta in found["objects"])])

    def files(self, folder: str = "") -> list[StoredFile]:
        """See `FileStore`."""

        def listed() -> list[ObjectMeta]:
            if folder:
                return [meta for chunk in obstore.list(self._store, folder) for meta in chunk]
            return list(obstore.list_with_delimiter(self._store)["objects"])

        metas = self._ask(listed)
        found = [StoredFile(meta["path"], meta["size"], meta["e_tag"] or "") for meta in metas]
        return sorted(found, key=lambda file: file.path)

    def fetch(self, files: Sequence[StoredFile], scratch: Path) -> Fetched:
        """See `FileStore`."""
        waiting: deque[tuple[StoredFile, Path, list[Future[None]]]] = deque()
        pool = ThreadPoolExecutor(_DOWNLOADS, thread_name_prefix="source-download")
        try:
            for number, file in enumerate(files):
                target = scratch / f"download-{number}"
                target.write_bytes(b"")
                parts = [
                    pool.submit(self._download, file, start, target)
                    for start in range(0, file.size, _PART)
                ]
                waiting.append((file, target, parts))
                if len(waiting) > _AHEAD:
                    yield from _await_next(waiting)
            while waiting:
                yield from _await_next(waiting)
        finally:
            pool.shutdown(cancel_futures=True)

    def _download(self, file: StoredFile, start: int, target: Path) -> None:
        part = self.read_range(file, start, min(start + _PART, file.size))
        with target.open("r+b") as copy:
            copy.seek(start)
            copy.write(part)

    def confirm(self, file: StoredFile) -> None:
        """Do nothing: the download was conditional."""

    def open(self, file: StoredFile) -> IO[bytes]:
        """See `FileStore`."""
        return cast("IO[bytes]", io.BufferedReader(_Ranges(self, file), _HEAD_CHUNK))

    def read_range(self, file: StoredFile, start: int, end: int) -> Bytes:
        """Return the bytes `start` to `end` of a file, without the last.

        Raises:
            SourceUnavailableError: The object is not the version listed any more.
        """
        options: GetOptions = {"if_match": file.version, "range": (start, end)}
        return self._ask(
            lambda: obstore.get(self._store, file.path, options=options).bytes(), file.path
        )

    def _ask(self, request: Callable[[], Answer], path: str = "") -> Answer:
        with _s3_errors(self.uri, path):
            return call_s3(self.uri, request)


def _await_next(waiting: deque[tuple[StoredFile, Path, list[Future[None]]]]) -> Fetched:
    file, target, parts = waiting.popleft()
    for part in parts:
        part.result()
    yield file, target
    target.unlink()


class _Ranges(io.RawIOBase):
    """An object as a file that can be sought in, of which only what is read is fetched."""

    def __init__(self, bucket: Bucket, file: StoredFile) -> None:
        self._bucket = bucket
        self._file = file
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._file.size}[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        end = min(self._at + len(buffer), self._file.size)
        if end <= self._at:
            return 0
        buffer[: end - self._at] = self._bucket.read_range(self._file, self._at, end)
        read, self._at = end - self._at, end
        return read


@contextmanager
def _s3_errors(uri: str, path: str = "") -> Generator[None]:
    try:
        yield
    except LakeUnavailableError as error:
        raise SourceUnavailableError(error.message, hint=error.hint) from error
    except LakeError as error:
        raise SourceError(error.message, hint=error.hint) from error
    except (PreconditionError, FileNotFoundError):
        raise replaced(uri, path) from None
