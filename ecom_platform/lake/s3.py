"""A lake under an S3 prefix: one conditional PUT for each object."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import uuid4

from ecom_platform.lake.base import StoredObject, conflict
from ecom_platform.object_store import call_s3, lacking, open_s3

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from obstore import GetResult, PutMode

#: Requests under way at once. S3 answers in some 20 ms whatever the size of a small object.
CONCURRENCY = 32


class S3Storage:
    """A lake at `s3://bucket/prefix`.

    Args:
        url: The address.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._store = open_s3(self.url)
        self._seen: dict[str, str] = {}  # path -> version, as last listed

    def uri(self, path: str) -> str:
        return f"{self.url}/{path}"

    def etags(self, folder: str) -> dict[str, str]:
        import obstore

        def listed() -> dict[str, str]:
            pages = obstore.list(self._store, f"{folder}/")
            return {found["path"]: str(found["e_tag"]) for page in pages for found in page}

        etags = call_s3(self.url, listed)
        self._seen.update(etags)
        return etags

    def stat(self, path: str) -> StoredObject | None:
        import obstore
        from obstore.exceptions import GenericError, PermissionDeniedError

        def asked() -> GetResult:
            try:
                return obstore.get(self._store, path, options={"head": True})
            except (GenericError, PermissionDeniedError) as error:
                if not re.search("40[03]", str(error)):
                    raise
                # The answer to a HEAD has no body, where S3 says why; that to a GET has.
                return obstore.get(self._store, path, options={"range": (0, 1)})

        try:
            found = call_s3(self.uri(path), asked)
        except FileNotFoundError:
            return None
        facts = {str(key): str(value) for key, value in found.attributes.items()}
        return StoredObject(str(found.meta["e_tag"]), found.meta["size"], facts)

    def fetch(
        self, paths: Iterable[str], scratch: Path, *, pinned: bool = False
    ) -> dict[str, Path]:
        del pinned  # what was downloaded stays as it is
        with ThreadPoolExecutor(CONCURRENCY) as pool:
            wanted = list(paths)
            files = pool.map(lambda path: self._download(path, scratch), wanted)
            return {path: file for path, file in zip(wanted, files, strict=True) if file}

    def _download(self, path: str, scratch: Path) -> Path | None:
        import obstore

        etag = self._seen.get(path)
        if etag and (cached := _cached(path, etag, scratch)).exists():
            return cached

        def downloaded() -> Path:
            found = obstore.get(self._store, path)
            file = _cached(path, str(found.meta["e_tag"]), scratch)
            file.parent.mkdir(parents=True, exist_ok=True)
            temporary = file.with_name(f"{uuid4().hex}.tmp")
            with temporary.open("wb") as out:
                for chunk in found.stream(min_chunk_size=4 << 20):
                    out.write(chunk)
            return temporary.replace(file)

        try:
            return call_s3(self.uri(path), downloaded)
        except FileNotFoundError:
            return None

    def put(self, path: str, file: Path, *, replaces: str | None, facts: Mapping[str, str]) -> str:
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        mode: PutMode = "create" if replaces is None else {"e_tag": replaces}
        try:
            stored = call_s3(
                self.uri(path),
                lambda: obstore.put(self._store, path, file, attributes=dict(facts), mode=mode),
            )
            return str(stored["e_tag"])
        except (AlreadyExistsError, PreconditionError, FileNotFoundError):
            # The answer to our own successful PUT may have been lost and the PUT repeated:
            # then the object that is in our way is ours.
            found = self.stat(path)
            if found and facts.items() <= found.metadata.items():
                return found.etag
            raise conflict(self.uri(path)) from None

    def check(self) -> None:
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        probe = f".probe-{uuid4().hex}"

        def put(content: bytes, mode: PutMode) -> str | None:
            try:
                return call_s3(
                    self.url, lambda: obstore.put(self._store, probe, content, mode=mode)
                )["e_tag"]
            except (AlreadyExistsError, PreconditionError):
                return None

        try:
            first = put(b"1", "create")
            if not first or not put(b"2", {"e_tag": first}):
                raise lacking(self.url, "it does not know an object by the ETag that it gave it")
            if put(b"3", "create"):
                raise lacking(self.url, "it ignores If-None-Match, by which one of two runs wins")
            if put(b"4", {"e_tag": first}):
                raise lacking(self.url, "it ignores If-Match, by which one of two runs wins")
        finally:
            with suppress(FileNotFoundError):
                call_s3(self.url, lambda: obstore.delete(self._store, probe))


def _cached(path: str, etag: str, scratch: Path) -> Path:
    # The path stays whole, for `date=…` in it is what engines read the day from.
    return scratch / "cache" / etag.strip('"') / path
