"""Where the source's files are: listed once, then read unchanged. Folders here, S3 beside.

A file that is replaced between the listing and its reading is noticed. What is in files,
and which of them make a table, is others' business.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

from ecom_platform.errors import SourceError, SourceUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True)
class StoredFile:
    """A file as it was when the source was listed.

    Args:
        path: Below the source's root, with forward slashes.
        size: Bytes.
        version: What tells it from a file that replaces it.
    """

    path: str
    size: int
    version: str


#: Files with their local copies; close it when not all are taken.
Fetched = Generator[tuple[StoredFile, Path], None, None]


class FileStore(Protocol):
    """A place of files."""

    uri: str

    def names(self) -> list[str]:
        """Return what is directly in the root, folders with a slash at their end."""
        ...

    def files(self, folder: str = "") -> list[StoredFile]:
        """Return the files of a folder and all below, sorted; of the root: without folders."""
        ...

    def fetch(self, files: Sequence[StoredFile], scratch: Path) -> Fetched:
        """Yield each file, in order, with a local copy that lasts until the next one.

        Raises:
            SourceUnavailableError: It is not the version listed any more.
        """
        ...

    def confirm(self, file: StoredFile) -> None:
        """Check that what `fetch` gave is the version listed.

        Raises:
            SourceUnavailableError: It is not.
        """
        ...

    def open(self, file: StoredFile) -> IO[bytes]:
        """Open a file to read a little of it."""
        ...


def open_store(address: str) -> FileStore:
    """Return the store at `file:///folder` or `s3://bucket/prefix`.

    Raises:
        SourceError: There is no such folder, or the address names no bucket.
    """
    if address.startswith("s3://"):
        from ecom_platform.sources.files.store_s3 import Bucket

        return Bucket(address)
    return Folder(Path(unquote(urlsplit(address).path)))


def replaced(uri: str, path: str) -> SourceUnavailableError:
    """Return the error of a file that is not the one listed any more."""
    return SourceUnavailableError(
        f"{uri}/{path} was replaced or removed while it was being read.",
        hint="Run again once the new file is whole; a finished file should be moved into place.",
    )


class Folder:
    """A folder of files, read where they are."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.uri = root.as_posix().rstrip("/")
        if not root.is_dir():
            raise SourceError(
                f"The folder {self.uri} does not exist.",
                hint="Correct ECOM_SOURCE, or mount the folder.",
            )

    def names(self) -> list[str]:
        """See `FileStore`."""
        with _folder_errors(self.uri):
            return sorted(f"{e.name}/" if e.is_dir() else e.name for e in os.scandir(self._root))

    def files(self, folder: str = "") -> list[StoredFile]:
        """See `FileStore`."""
        with _folder_errors(self.uri):
            if not folder:
                found = [path for path in self._root.iterdir() if not path.is_dir()]
            else:
                found = list(self._walk(folder))
            return sorted(map(self._stored, found), key=lambda file: file.path)

    def _walk(self, folder: str) -> Iterator[Path]:
        root = self._root / folder
        if root.is_dir():
            for parent, _, names in os.walk(root, onerror=_raise, followlinks=True):
                yield from (Path(parent, name) for name in names)

    def _stored(self, path: Path) -> StoredFile:
        try:
            facts = path.stat()
        except FileNotFoundError:
            if path.is_symlink():
                raise
            raise replaced(self.uri, path.relative_to(self._root).as_posix()) from None
        version = f"{facts.st_ino}-{facts.st_mtime_ns}-{facts.st_size}"
        return StoredFile(path.relative_to(self._root).as_posix(), facts.st_size, version)

    def fetch(self, files: Sequence[StoredFile], scratch: Path) -> Fetched:
        """See `FileStore`; nothing is copied."""
        del scratch
        return ((file, self._root / file.path) for file in files)

    def confirm(self, file: StoredFile) -> None:
        """See `FileStore`."""
        with _folder_errors(self.uri):
            found = self._stored(self._root / file.path)
        if found != file:
            raise replaced(self.uri, file.path)

    def open(self, file: StoredFile) -> IO[bytes]:
        """See `FileStore`."""
        with _folder_errors(self.uri):
            return (self._root / file.path).open("rb")


def _raise(error: OSError) -> None:
    raise error


@contextmanager
def _folder_errors(uri: str) -> Generator[None]:
    try:
        yield
    except OSError as error:
        place = error.filename or uri
        raise SourceError(
            f"{place} cannot be read: {error.strerror}.",
            hint="Correct the link or the permissions; the files must be readable.",
        ) from error
