"""What the lake asks of a place that holds its objects; the places themselves are elsewhere.

A put is conditional and atomic: readers see the old object or the new one, and of
two writers who saw the same version only one succeeds. Nothing here knows what an
object contains.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ecom_platform.errors import MissingPartitionError, PublishConflictError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


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

    def fetch(
        self, paths: Iterable[str], scratch: Path, *, pinned: bool = False
    ) -> dict[str, Path]:
        """Return path -> local file, for those objects that exist.

        What must be downloaded goes to `scratch`, and is not downloaded again before `etags`
        has seen another version. `pinned` files stay as they are when the object is replaced.
        """
        ...

    def put(self, path: str, file: Path, *, replaces: str | None, facts: Mapping[str, str]) -> str:
        """Store a local Parquet file in place of version `replaces` (None: of nothing).

        Args:
            path: Where to.
            file: The finished local file; its footer carries `facts` too.
            replaces: The version that this one was computed to replace.
            facts: What `stat` is to return as metadata. An object found to have the same is
                taken for the one put here.

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


def fetch_one(storage: Storage, path: str, scratch: Path) -> Path:
    """Return the local file of an object that was there a moment ago.

    Raises:
        MissingPartitionError: It is not there any more.
    """
    file = storage.fetch([path], scratch).get(path)
    if file is None:
        raise MissingPartitionError(
            f"{storage.uri(path)} was removed while it was in use.",
            hint="Run the same again; see who else deletes from the lake.",
        )
    return file


def conflict(uri: str) -> PublishConflictError:
    """Return the error of a writer who lost."""
    return PublishConflictError(
        f"{uri} was changed by another run since this one started.",
        hint="The newer version stands. Run the day again if in doubt.",
    )
