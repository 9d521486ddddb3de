"""DuckDB as the files are read with: closed in, its errors explained. The SQL is in `sql.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb

from ecom_platform.errors import SourceError
from ecom_platform.sources.files.sql import literal

if TYPE_CHECKING:
    from pathlib import Path

    from ecom_platform.settings import Settings


def connect(settings: Settings, *folders: Path) -> duckdb.DuckDBPyConnection:
    """Open a database that sees some folders and nothing else; it spills into the first."""
    options: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": settings.engine_memory,
        "temp_directory": str(folders[0] / "spill"),
        "preserve_insertion_order": "false",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    if settings.engine_threads:
        options["threads"] = str(settings.engine_threads)
    db = duckdb.connect(config=options)
    db.execute("SET GLOBAL TimeZone = 'UTC'")
    db.execute(f"SET allowed_directories = [{', '.join(map(literal, folders))}]")
    db.execute("SET enable_external_access = false")
    db.execute("SET lock_configuration = true")
    return db


def copy(db: duckdb.DuckDBPyConnection, query: str, target: Path) -> int:
    """Write the rows of a query; return how many there are."""
    return execute(db, f"COPY ({query}) TO {literal(target)} (FORMAT parquet)")[0][0]


def execute(db: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query.

    Raises:
        SourceError: They do not fit in memory.
    """
    try:
        return db.execute(query).fetchall()
    except duckdb.OutOfMemoryException as error:
        raise SourceError(
            "The files' rows do not fit in the engine's memory.",
            hint="Raise ECOM_ENGINE_MEMORY, or give scratch (TMPDIR) more room.",
        ) from error
