"""Where orders, customers and payments come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecom_platform.errors import SettingsError

if TYPE_CHECKING:
    from ecom_platform.settings import Settings
    from ecom_platform.sources.base import Source

#: Kinds of source (`Settings.source_kind`) that are databases.
DATABASES = ("postgres", "mysql")


def open_source(settings: Settings) -> Source:
    """Return the source at `ECOM_SOURCE`; nothing is connected to yet.

    Raises:
        SettingsError: It is not set, or of no known kind.
    """
    if settings.source_kind in DATABASES:
        from ecom_platform.sources.database import DatabaseSource

        return DatabaseSource(settings)
    if settings.source_kind in ("file", "s3"):
        from ecom_platform.sources.files.source import FilesSource

        return FilesSource(settings)
    raise SettingsError(
        "ECOM_SOURCE is not set, or neither a database nor a folder of files.",
        hint="Set it to postgresql://user:password@host/database, "
        "mysql://user:password@host/database, file:///folder or s3://bucket/prefix.",
    )
