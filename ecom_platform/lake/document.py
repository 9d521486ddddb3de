"""Small objects of the lake that several processes change: each change is one step or none."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Generic, TypeVar
from uuid import uuid4

from pydantic import BaseModel, ValidationError

from ecom_platform.errors import LakeError, PublishConflictError
from ecom_platform.lake.base import fetch_one

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ecom_platform.lake.base import Storage

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")

#: Processes that write at once win in turn; a few attempts are plenty.
ATTEMPTS, PAUSE_SECONDS = 20, 0.02


class Document(Generic[M]):
    """A model kept as JSON, replaced whole and only by who has seen its newest version.

    Args:
        storage: The lake.
        scratch: A folder for what is read and written.
        path: Where the object is.
        model: What it is; without an object, the model with its defaults.
        hint: What to do where the object is damaged.
    """

    def __init__(
        self, storage: Storage, scratch: Path, path: str, model: type[M], hint: str
    ) -> None:
        self._storage = storage
        self._scratch = scratch
        self._path = path
        self._model = model
        self._hint = hint

    def read(self) -> M:
        """Return what is there now.

        Raises:
            LakeError: The lake cannot be read, or the object is damaged.
        """
        return self._read()[1]

    def update(self, change: Callable[[M], T]) -> T:
        """Change it in one step; what another process does meanwhile is not lost.

        Args:
            change: Alters the model and returns anything. It may be called again, on a newer
                one.

        Raises:
            LakeError: The lake cannot be read or written.
        """
        for attempt in range(1, ATTEMPTS + 1):
            version, model = self._read()
            before = model.model_dump_json()
            result = change(model)
            if version is not None and before == model.model_dump_json():
                return result
            text = model.model_dump_json(indent=1)
            try:
                store_text(self._storage, self._scratch, self._path, text, version)
            except PublishConflictError:
                if attempt == ATTEMPTS:
                    raise
                time.sleep(PAUSE_SECONDS * attempt)
            else:
                return result
        raise AssertionError

    def _read(self) -> tuple[str | None, M]:
        # In this order: if it changes in between, the version is too old, and a put refused.
        stored = self._storage.stat(self._path)
        if stored is None:
            return None, self._model()
        file = fetch_one(self._storage, self._path, self._scratch)
        try:
            return stored.etag, self._model.model_validate_json(file.read_bytes())
        except ValidationError as error:
            raise LakeError(
                f"{self._storage.uri(self._path)} is damaged, or of another version of the "
                f"platform: {error.errors(include_input=False, include_url=False)[0]['msg']}.",
                hint=self._hint,
            ) from None


def store_text(storage: Storage, scratch: Path, path: str, text: str, replaces: str | None) -> None:
    """Store a text in place of a version.

    Raises:
        PublishConflictError: The object is no longer that version.
        LakeError: The lake cannot be written.
    """
    file = scratch / f"{uuid4().hex}.json"
    file.write_text(text, encoding="utf-8")
    try:
        # The fact tells a put whose answer was lost from one of somebody else.
        storage.put(path, file, replaces=replaces, facts={"ecom-version": file.stem})
    finally:
        file.unlink()
