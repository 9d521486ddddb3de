"""Which versions of partitions a run goes by: what it saw when it began, or published since."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ecom_platform.datasets import Dataset
    from ecom_platform.lake.base import Storage

#: Partitions, and folders of them, looked up at once.
READERS, LISTERS = 32, 8


class Versions:
    """The versions that a run reads, and may replace.

    Args:
        storage: The lake.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._remembered: set[str] = set()
        self._versions: dict[str, str] = {}
        self._contents: dict[tuple[str, str], str] = {}

    def remember(self, datasets: Iterable[Dataset]) -> None:
        """Note the present version of every partition."""
        paths = [dataset.path for dataset in datasets]
        with ThreadPoolExecutor(LISTERS) as pool:
            for versions in pool.map(self._storage.etags, paths):
                self._versions.update(versions)
        self._remembered.update(paths)

    def are_known(self, dataset: Dataset) -> bool:
        """Say whether the versions of a dataset were noted."""
        return dataset.path in self._remembered

    def of(self, path: str) -> str | None:
        """Return the version that the run goes by; None where there is none."""
        return self._versions.get(path)

    def note(self, path: str, version: str, content: str) -> None:
        """Go by a version from now on, whose rows have that hash."""
        self._versions[path] = version
        self._contents[path, version] = content

    def changed(
        self, dataset: Dataset, days: Iterable[str], existing: Mapping[str, str]
    ) -> frozenset[str]:
        """Return the days of which the lake holds other rows than the run goes by.

        Args:
            dataset: Which; of one that was not remembered, every version will do.
            days: ISO.
            existing: Path -> version, as the lake has them now.
        """
        if not self.are_known(dataset):
            return frozenset()
        paths = {day: dataset.object_path(day) for day in days}
        others = {d: p for d, p in paths.items() if existing.get(p) != self._versions.get(p)}
        return frozenset(day for day, path in others.items() if not self._holds_the_same(path))

    def _holds_the_same(self, path: str) -> bool:
        known = self._contents.get((path, self._versions.get(path, "")))
        current = self._storage.stat(path) if known else None
        if not known or not current or current.metadata.get("ecom-content") != known:
            return False
        self.note(path, current.etag, known)
        return True

    def contents(self, dataset: Dataset, days: Iterable[str]) -> dict[str, str]:
        """Return day -> hash of its content, of those days that the lake has now."""
        versions = self._storage.etags(dataset.path)
        paths = {day: dataset.object_path(day) for day in days}
        found = {day: (path, versions[path]) for day, path in paths.items() if path in versions}
        unknown = [version for version in found.values() if version not in self._contents]
        with ThreadPoolExecutor(READERS) as pool:
            for path, stored in pool.map(lambda v: (v[0], self._storage.stat(v[0])), unknown):
                if stored:
                    self._contents[path, stored.etag] = stored.metadata.get("ecom-content", "")
        return {day: self._contents.get(version, "") for day, version in found.items()}
