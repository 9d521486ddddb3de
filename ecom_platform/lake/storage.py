"""Which storage an address means; how each of them works has a module of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ecom_platform.errors import LakeError
from ecom_platform.lake.folder import FolderStorage
from ecom_platform.lake.s3 import S3Storage

if TYPE_CHECKING:
    from ecom_platform.lake.base import Storage


def open_storage(lake: str) -> Storage:
    """Return the storage at `ECOM_LAKE` or `ECOM_DASHBOARDS`: a folder or `s3://bucket/prefix`.

    Raises:
        LakeError: The address is neither, or names no bucket.
    """
    if lake.startswith("s3://"):
        return S3Storage(lake)
    if "://" in lake and not lake.startswith("file://"):
        raise LakeError(
            f"{lake} is neither a folder nor an s3:// address.",
            hint="Set ECOM_LAKE, or ECOM_DASHBOARDS, to a folder or to s3://bucket/prefix.",
        )
    return FolderStorage(Path(lake.removeprefix("file://")).expanduser().absolute())
