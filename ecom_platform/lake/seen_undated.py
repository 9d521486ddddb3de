"""How many rows without a day the runs have found to be few enough: `source/TABLE-undated.json`.

What is more than that is new, and could belong to the days that a run makes now.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ecom_platform.errors import PublishConflictError

if TYPE_CHECKING:
    from pathlib import Path

    from ecom_platform.lake.base import Storage


class SeenUndated:
    """The rows without a day, as they were accepted.

    Args:
        storage: The lake.
        scratch: A folder for what is read and written.
    """

    def __init__(self, storage: Storage, scratch: Path) -> None:
        self._storage = storage
        self._scratch = scratch

    def of(self, table: str) -> int:
        """Return how many are known; none of a table that was never read.

        Raises:
            LakeError: The lake cannot be read.
        """
        path = _path(table)
        file = self._storage.fetch([path], self._scratch).get(path)
        return int(json.loads(file.read_text(encoding="utf-8"))["rows"]) if file else 0

    def remember(self, table: str, rows: int) -> None:
        """Keep how many are known. If another run does so at the same moment, either counts.

        Raises:
            LakeError: The lake cannot be written.
        """
        path = _path(table)
        file = self._scratch / f"undated-of-{table}.json"
        file.write_text(json.dumps({"rows": rows}))
        current = self._storage.stat(path)
        replaces = current.etag if current else None
        try:
            self._storage.put(path, file, replaces=replaces, facts={"ecom-undated": str(rows)})
        except PublishConflictError:
            return


def _path(table: str) -> str:
    return f"source/{table}-undated.json"
