"""What says that a day's folder is whole: `_SUCCESS`, or a manifest, which is checked.

Whether deliverers write them is a setting; without it neither is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from ecom_platform.privacy import redact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ecom_platform.sources.files.store import FileStore, StoredFile

SUCCESS, MANIFEST = "_SUCCESS", "_manifest.json"
MARKERS = (SUCCESS, MANIFEST)

_LARGEST_MANIFEST = 4 * 1024 * 1024


class PromisedFile(BaseModel):
    """What a manifest says of a file: its name in the folder, and what is known of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    size: int | None = None
    rows: int | None = None
    sha256: str | None = None

    def broken_by(self, rows: int, sha256: str) -> str:
        """Say in what a file that was read differs from this; nothing when in nothing."""
        if self.sha256 is not None and self.sha256.lower() != sha256:
            return f"does not have the sha256 that {MANIFEST} says"
        if self.rows is not None and self.rows != rows:
            return f"has {rows:,} rows, and {MANIFEST} says {self.rows:,}"
        return ""


class _Manifest(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    files: list[PromisedFile]


@dataclass(frozen=True)
class Completeness:
    """Whether a day's folder is complete.

    Args:
        missing: What it still lacks, to follow the folder's name; empty when complete.
        promised: By path, what a manifest says of its files.
    """

    missing: str = ""
    promised: Mapping[str, PromisedFile] = field(default_factory=dict[str, PromisedFile])


def look_for_marker(
    store: FileStore, markers: Sequence[StoredFile], files: Sequence[StoredFile]
) -> Completeness:
    """Say whether a folder is complete, by its markers and its listing.

    Args:
        store: Where it is.
        markers: Those of `MARKERS` that the folder has.
        files: Its data files.

    Raises:
        SourceUnavailableError: The manifest was replaced since it was listed.
    """
    manifest = next((file for file in markers if file.path.endswith(f"/{MANIFEST}")), None)
    if manifest:
        return _check(store, manifest, files)
    if markers:
        return Completeness()
    return Completeness(f"has neither {SUCCESS} nor {MANIFEST} yet")


def _check(store: FileStore, manifest: StoredFile, files: Sequence[StoredFile]) -> Completeness:
    try:
        with store.open(manifest) as stream:
            said = _Manifest.model_validate_json(stream.read(_LARGEST_MANIFEST))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        why = f"{place}: {first['msg']}" if place else first["msg"]
        return Completeness(f"has a {MANIFEST} that cannot be used: {redact(why)}")
    folder = manifest.path.removesuffix(MANIFEST)
    promised = {folder + file.name: file for file in said.files}
    there = {file.path: file for file in files}
    for path, promise in promised.items():
        name = redact(promise.name)
        if path not in there:
            return Completeness(f"lacks {name}, which {MANIFEST} names")
        if promise.size not in (None, there[path].size):
            return Completeness(
                f"has {name} with {there[path].size:,} bytes, and {MANIFEST} says {promise.size:,}"
            )
    unnamed = sorted(there.keys() - promised.keys())
    if unnamed:
        name = redact(unnamed[0].removeprefix(folder))
        return Completeness(f"has {name}, which {MANIFEST} does not name")
    return Completeness(promised=promised)
