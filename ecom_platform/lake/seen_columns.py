"""Which columns each of the source's tables had when it was last read: `source/TABLE.json`.

Another run compares with it, whatever machine it is on.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ecom_platform.errors import PublishConflictError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ecom_platform.lake.base import Storage

FOLDER = "source"


class SeenColumns:
    """The columns of the source's tables as they were last seen.

    Args:
        storage: The lake.
        scratch: A folder for what is read and written.
    """

    def __init__(self, storage: Storage, scratch: Path) -> None:
        self._storage = storage
        self._scratch = scratch

    def of(self, table: str) -> dict[str, str]:
        """Return column -> type; nothing of a table that was never seen.

        Raises:
            LakeError: The lake cannot be read.
        """
        path = _path(table)
        file = self._storage.fetch([path], self._scratch).get(path)
        return json.loads(file.read_text(encoding="utf-8"))["columns"] if file else {}

    def remember(self, table: str, columns: Mapping[str, str]) -> None:
        """Keep what a table has now. If another run does so at the same moment, either counts.

        Raises:
            LakeError: The lake cannot be written.
        """
        path, moment = _path(table), datetime.now(UTC).isoformat()
        file = self._scratch / f"columns-of-{table}.json"
        file.write_text(json.dumps({"columns": dict(columns), "seen_at": moment}, indent=1))
        current = self._storage.stat(path)
        replaces = current.etag if current else None
        try:
            self._storage.put(path, file, replaces=replaces, facts={"ecom-seen": moment})
        except PublishConflictError:
            return


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """Return what is new, dropped and of another type, as texts; nothing where all is the same."""
    both = before.keys() & now.keys()
    found = {
        "new": [f"{name} ({now[name]})" for name in now if name not in before],
        "dropped": [f"{name} ({before[name]})" for name in before if name not in now],
        "retyped": [
            f"{name} ({before[name]} → {now[name]})"
            for name in now
            if name in both and before[name] != now[name]
        ],
    }
    return {what: ", ".join(names) for what, names in found.items() if names}


def _path(table: str) -> str:
    return f"{FOLDER}/{table}.json"
