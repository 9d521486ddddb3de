"""The default engine: embedded DuckDB, bounded in memory and locked down.

A connection sees the scratch folder, the lake's folder and nothing else. It runs SQL
over named tables and leaves results as tables of its own; publishing is not done here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
from pyarrow import parquet

from ecom_platform.datasets import Column, Dataset, Type
from ecom_platform.errors import EngineError, LakeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from ecom_platform.settings import Settings

Connection = duckdb.DuckDBPyConnection


class Engine:
    """DuckDB for the length of a run: one database a step, one scratch folder a run.

    Args:
        settings: For memory and threads.
        scratch: Where databases spill, and may read and write.
        folders: What else they may read: the lake and its cache.
    """

    def __init__(self, settings: Settings, scratch: Path, folders: Iterable[Path]) -> None:
        self.settings = settings
        self.scratch = scratch
        self._folders = [scratch, *folders]

    def connect(self) -> Connection:
        """Open an empty in-memory database, with a schema for each layer."""
        spill = self.scratch / "spill"
        spill.mkdir(parents=True, exist_ok=True)
        options = {
            "memory_limit": self.settings.engine_memory,
            "temp_directory": str(spill),
            # Results are sorted where order matters; keeping input order costs memory.
            "preserve_insertion_order": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
        if self.settings.engine_threads:
            options["threads"] = str(self.settings.engine_threads)
        connection = duckdb.connect(config=options)
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        folders = ", ".join(text(str(folder)) for folder in self._folders)
        connection.execute(f"SET allowed_directories = [{folders}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        for schema in ("raw", "cleaned", "metrics", "settings"):
            connection.execute(f"CREATE SCHEMA {schema}")
        return connection


def quote(identifier: str) -> str:
    """Return an identifier in double quotes."""
    return '"' + identifier.replace('"', '""') + '"'


def text(value: str) -> str:
    """Return a text literal."""
    return "'" + value.replace("'", "''") + "'"


@dataclass(frozen=True)
class Partitions:
    """Local Parquet files of some days of one dataset, in its declared columns."""

    dataset: Dataset
    files: Mapping[str, Path]


def add_view(connection: Connection, partitions: Partitions, name: str = "") -> None:
    """Make partitions queryable as `layer.name`: the declared columns plus `date`.

    Every column is cast to its declared type; types are never taken from the first file.

    Raises:
        LakeError: A file is not readable, or lacks a declared column.
    """
    groups: dict[tuple[str, ...], list[str]] = {}
    for day, file in partitions.files.items():
        groups.setdefault(_id_types(partitions.dataset, day, file), []).append(str(file))
    if len(groups) > 1:  # the source's id type changed on some day: text holds both
        ids = tuple("VARCHAR" for _ in next(iter(groups)))
        selects = [_select(partitions.dataset, files, ids) for files in groups.values()]
    else:
        selects = [_select(partitions.dataset, files, ids) for ids, files in groups.items()]
    if not selects:
        columns = [f"CAST(NULL AS {sql_type(c)}) AS {quote(c.name)}" for c in partitions.dataset.columns]
        selects = [f"SELECT {', '.join(columns)}, CAST(NULL AS DATE) AS date WHERE false"]
    view = name or f"{quote(partitions.dataset.layer)}.{quote(partitions.dataset.name)}"
    connection.execute(f"CREATE VIEW {view} AS {' UNION ALL '.join(selects)}")


def _id_types(dataset: Dataset, day: str, file: Path) -> tuple[str, ...]:
    try:
        schema = parquet.read_schema(file)
    except (OSError, ValueError) as error:
        raise LakeError(
            f"{dataset.object_path(day)} is not readable as Parquet: {error}",
            hint=f"Materialize {dataset.path} for {day} again.",
        ) from error
    missing = [column.name for column in dataset.columns if column.name not in schema.names]
    if missing:
        raise LakeError(
            f"{dataset.object_path(day)} lacks the column {missing[0]}.",
            hint=f"Materialize {dataset.path} for {day} again, with this version of the code.",
        )
    ids = [column.name for column in dataset.columns if column.type is Type.ID]
    return tuple("BIGINT" if str(schema.field(name).type) == "int64" else "VARCHAR" for name in ids)


def _select(dataset: Dataset, files: Sequence[str], id_types: Sequence[str]) -> str:
    types = iter(id_types)
    columns = [
        f"CAST({quote(c.name)} AS {next(types) if c.type is Type.ID else c.type}) AS {quote(c.name)}"
        for c in dataset.columns
    ]
    listed = ", ".join(text(file) for file in files)
    return (
        f"SELECT {', '.join(columns)}, date FROM read_parquet([{listed}], "
        "hive_partitioning = true, hive_types = {'date': DATE})"
    )


def sql_type(column: Column) -> str:
    """Return the SQL type a column has where no file says what its ids are."""
    return "VARCHAR" if column.type is Type.ID else str(column.type)


def add_table(connection: Connection, name: str, rows: pa.Table) -> None:
    """Copy a small Arrow table into the schema `settings`."""
    connection.register("incoming", rows)
    connection.execute(f"CREATE TABLE settings.{quote(name)} AS SELECT * FROM incoming")
    connection.unregister("incoming")


def create_result(connection: Connection, dataset: Dataset, query: str, *, table: str) -> None:
    """Store a query's rows in the declared columns and types, and `date`.

    Raises:
        EngineError: The query does not run, or gives no such column.
    """
    columns = ", ".join(
        quote(c.name) if c.type is Type.ID else f"CAST({quote(c.name)} AS {c.type}) AS {quote(c.name)}"
        for c in dataset.columns
    )
    try:
        # Clustered by day, so that writing one day reads little of the others.
        connection.execute(
            f"CREATE TABLE {table} AS SELECT {columns}, CAST(date AS DATE) AS date "
            f"FROM ({query}) ORDER BY date"
        )
    except duckdb.OutOfMemoryException as error:
        raise EngineError(
            f"{dataset.path}: the engine's memory does not suffice ({_first_line(error)}).",
            hint="Raise ECOM_ENGINE_MEMORY, or run fewer days at once.",
        ) from error
    except duckdb.Error as error:
        raise EngineError(
            f"{dataset.path}: the SQL does not run: {_first_line(error)}",
            hint="Correct the SQL file or the declaration.",
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
