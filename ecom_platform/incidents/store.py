"""Where incidents are kept: in the lake, so that they outlive every process and machine.

`incidents/state.json` is all that is open, replaced whole and only by who has seen its newest
version; `incidents/closed/N.json` is each incident that is over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ecom_platform.incidents.model import Incident, State
from ecom_platform.lake.document import Document, store_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ecom_platform.lake.base import Storage

T = TypeVar("T")

FOLDER = "incidents"
STATE = f"{FOLDER}/state.json"
CLOSED = f"{FOLDER}/closed"


class IncidentStore:
    """Incidents of a lake.

    Args:
        storage: The lake.
        scratch: A folder for what is read and written.
    """

    def __init__(self, storage: Storage, scratch: Path) -> None:
        self._storage = storage
        self._scratch = scratch
        self._state = Document(
            storage,
            scratch,
            STATE,
            State,
            "Restore an older version of it, or delete it: what is open is then found again as "
            "days are checked again.",
        )

    def read(self) -> State:
        """Return what is open.

        Raises:
            LakeError: The lake cannot be read, or the object is damaged.
        """
        return self._state.read()

    def update(self, change: Callable[[State], T]) -> T:
        """Change what is open, in one step; what another process does meanwhile is not lost.

        Args:
            change: Alters the state and returns anything. It may be called again, on a newer
                state.

        Raises:
            LakeError: The lake cannot be read or written.
        """

        def changed(state: State) -> T:
            result = change(state)
            # First, so that a crash between the two leaves an incident twice and never nowhere.
            for incident in state.gone:
                path = _closed(incident.id)
                stored, text = self._storage.stat(path), incident.model_dump_json(indent=1)
                store_text(
                    self._storage, self._scratch, path, text, stored.etag if stored else None
                )
            return result

        return self._state.update(changed)

    def closed(self) -> list[Incident]:
        """Return the incidents that are over, the oldest first."""
        paths = sorted(self._storage.etags(CLOSED))
        files = self._storage.fetch(paths, self._scratch).values()
        found = [Incident.model_validate_json(file.read_bytes()) for file in files]
        return sorted(found, key=lambda incident: int(incident.id))

    def find_closed(self, name: str) -> Incident | None:
        """Return an incident that is over."""
        if not name.isdigit():
            return None
        found = self._storage.fetch([_closed(name)], self._scratch)
        return next((Incident.model_validate_json(f.read_bytes()) for f in found.values()), None)


def _closed(name: str) -> str:
    # Of the same length, so that they are listed in order.
    return f"{CLOSED}/{name.zfill(8)}.json"
