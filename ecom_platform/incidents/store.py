"""Where incidents are kept: in the lake, so that they outlive every process and machine.

`incidents/state.json` is all that is open, replaced whole and only by who has seen its newest
version; `incidents/closed/N.json` is each incident that is over.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

from pydantic import ValidationError

from ecom_platform.errors import LakeError, PublishConflictError
from ecom_platform.incidents.model import Incident, State
from ecom_platform.lake.base import fetch_one

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ecom_platform.lake.base import Storage

T = TypeVar("T")

FOLDER = "incidents"
STATE = f"{FOLDER}/state.json"
CLOSED = f"{FOLDER}/closed"
#: Two processes that write at once each win in turn; a few attempts are plenty.
ATTEMPTS, PAUSE_SECONDS = 20, 0.02


class IncidentStore:
    """Incidents of a lake.

    Args:
        storage: The lake.
        scratch: A folder for what is read and written.
    """

    def __init__(self, storage: Storage, scratch: Path) -> None:
        self._storage = storage
        self._scratch = scratch

    def read(self) -> State:
        """Return what is open.

        Raises:
            LakeError: The lake cannot be read, or the object is damaged.
        """
        return self._read()[1]

    def update(self, change: Callable[[State], T]) -> T:
        """Change what is open, in one step; what another process does meanwhile is not lost.

        Args:
            change: Alters the state and returns anything. It may be called again, on a newer
                state.

        Raises:
            LakeError: The lake cannot be read or written.
        """
        for attempt in range(1, ATTEMPTS + 1):
            version, state = self._read()
            before = state.model_dump_json()
            result = change(state)
            after = state.model_dump_json(indent=1)
            if version is not None and before == state.model_dump_json():
                return result
            # First, so that a crash between the two leaves an incident twice and never nowhere.
            for incident in state.gone:
                self._put(_closed(incident.id), incident.model_dump_json(indent=1))
            try:
                self._put(STATE, after, version, read=True)
            except PublishConflictError:
                if attempt == ATTEMPTS:
                    raise
                time.sleep(PAUSE_SECONDS * attempt)
            else:
                return result
        raise AssertionError

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

    def _read(self) -> tuple[str | None, State]:
        # In this order: if it changes in between, the version is too old, and a put refused.
        stored = self._storage.stat(STATE)
        if stored is None:
            return None, State()
        file = fetch_one(self._storage, STATE, self._scratch)
        try:
            return stored.etag, State.model_validate_json(file.read_bytes())
        except ValidationError as error:
            raise LakeError(
                f"{self._storage.uri(STATE)} is damaged, or of another version of the platform: "
                f"{error.errors(include_input=False, include_url=False)[0]['msg']}.",
                hint="Restore an older version of it, or delete it: what is open is then found "
                "again as days are checked again.",
            ) from None

    def _put(self, path: str, text: str, version: str | None = None, *, read: bool = False) -> None:
        if not read:
            stored = self._storage.stat(path)
            version = stored and stored.etag
        file = self._scratch / f"{uuid4().hex}.json"
        file.write_text(text, encoding="utf-8")
        try:
            # The fact tells a put whose answer was lost from one of somebody else.
            self._storage.put(path, file, replaces=version, facts={"ecom-version": file.stem})
        finally:
            file.unlink()


def _closed(name: str) -> str:
    # Of the same length, so that they are listed in order.
    return f"{CLOSED}/{name.zfill(8)}.json"
