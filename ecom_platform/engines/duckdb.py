"""The default engine: embedded DuckDB, bounded in memory and locked down.

A connection sees the scratch folder, the lake's folder and nothing else. It runs SQL
over named tables and leaves results as tables of its own; publishing is not done here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
from pyarrow import parquet

from ecom_platform.datasets import Column, Dataset, Type
from ecom_platform.engines.explain import damaged, explain_sql_errors
from ecom_platform.errors import EngineError, LakeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pyarrow as pa

    from ecom_platform.settings import Settings

Connection = duckdb.DuckDBPyConnection

#: The functions that SQL files share.
FUNCTIONS = (Path(__file__).parent.parent / "sql" / "functions.sql").read_text(encoding="utf-8")

#: What an id is stored as, where the lake does not keep its type.
_SMALL_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "UTINYINT", "USMALLINT", "UINTEGER")
_ID_CASTS: dict[str, str] = {
    **dict.fromkeys(_SMALL_INTEGERS, "BIGINT"), "UUID": "VARCHAR", '"NULL"': "VARCHAR"
}  # fmt: skip


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
        options: dict[str, str | bool | int | float | list[str]] = {
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
        connection.execute("SET enable_progress_bar = false")
        folders = ", ".join(text(str(folder)) for folder in self._folders)
        connection.execute(f"SET allowed_directories = [{folders}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        for schema in ("raw", "cleaned", "metrics", "nearby", "settings"):
            connection.execute(f"CREATE SCHEMA {schema}")
        connection.execute(FUNCTIONS)
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

    Raises:
        LakeError: A file is not readable, or lacks a declared column.
    """
    dataset = partitions.dataset
    view = name or f"{quote(dataset.layer)}.{quote(dataset.name)}"
    connection.execute(f"CREATE VIEW {view} AS {select_from(partitions)}")


def select_from(partitions: Partitions) -> str:
    """Return the SQL that reads partitions: the declared columns plus `date`.

    Every column is cast to its declared type; types are never taken from the first file.
    An id that is a number on every day with rows is BIGINT, else VARCHAR.

    Raises:
        LakeError: A file is not readable, or lacks a declared column.
    """
    dataset = partitions.dataset
    # Files of one list must be of the same types: DuckDB reads all of them as it does the first.
    alike: dict[tuple[str, ...], list[str]] = {}
    with_rows: set[tuple[str, ...]] = set()
    for day, file in partitions.files.items():
        kinds, rows = _read_footer(dataset, day, file)
        alike.setdefault(kinds, []).append(str(file))
        if rows:
            with_rows.add(kinds)
    types = [
        _id_type({kinds[place] for kinds in with_rows}) if c.type is Type.ID else str(c.type)
        for place, c in enumerate(dataset.columns)
    ]
    columns = [
        f"CAST({quote(column.name)} AS {kind}) AS {quote(column.name)}"
        for column, kind in zip(dataset.columns, types, strict=True)
    ]
    selects = [_select(columns, files) for files in alike.values()]
    if not selects:
        nulls = [
            f"CAST(NULL AS {kind}) AS {quote(column.name)}"
            for column, kind in zip(dataset.columns, types, strict=True)
        ]
        selects = [f"SELECT {', '.join(nulls)}, CAST(NULL AS DATE) AS date WHERE false"]
    return " UNION ALL ".join(selects)


def _read_footer(dataset: Dataset, day: str, file: Path) -> tuple[tuple[str, ...], int]:
    """Return the types of the declared columns as they are in a file, and its rows."""
    try:
        footer = parquet.read_metadata(file)
        schema = footer.schema.to_arrow_schema()
    except (OSError, ValueError) as error:
        raise damaged(dataset.object_path(day)) from error
    missing = [column.name for column in dataset.columns if column.name not in schema.names]
    if missing:
        raise LakeError(
            f"{dataset.object_path(day)} lacks the column {missing[0]}.",
            hint=f"Materialize {dataset.path} for {day} again, with this version of the code.",
        )
    return tuple(str(schema.field(c.name).type) for c in dataset.columns), footer.num_rows


def _id_type(kinds: set[str]) -> str:
    # Where the source's id type changed on some day, text holds both.
    return "BIGINT" if kinds == {"int64"} else "VARCHAR"


def _select(columns: Sequence[str], files: Sequence[str]) -> str:
    # Not by hive partitioning: a folder above the lake that is called `region=…`, say, would
    # take the place of the column of that name.
    day = "CAST(substr(string_split(lake_file, '/')[-2], len('date=') + 1) AS DATE)"
    listed = ", ".join(text(file) for file in files)
    return (
        f"SELECT {', '.join(columns)}, {day} AS date "
        f"FROM read_parquet([{listed}], hive_partitioning = false, filename = 'lake_file')"
    )


def sql_type(column: Column) -> str:
    """Return the SQL type a column has where no file says what its ids are."""
    return "VARCHAR" if column.type is Type.ID else str(column.type)


def add_table(connection: Connection, name: str, rows: pa.Table) -> None:
    """Copy a small Arrow table into the schema `settings`."""
    connection.register("incoming", rows)
    connection.execute(f"CREATE TABLE settings.{quote(name)} AS SELECT * FROM incoming")
    connection.unregister("incoming")


def create_result(
    connection: Connection, dataset: Dataset, query: str, *, table: str
) -> dict[str, str]:
    """Store a query's rows in the declared columns and types, and `date`.

    Returns:
        ISO day -> why it is bad: it has values that their declared types do not hold.

    Raises:
        DataError: A value is one that the query cannot compute with.
        EngineError: The query does not run, or gives no such column.
        LakeError: A file that it reads is damaged.
    """
    with explain_sql_errors(connection, dataset):
        found = connection.execute(f"DESCRIBE SELECT * FROM ({query})").fetchall()
        kinds = {str(name): str(kind) for name, kind, *_ in found}
        for name in (*(column.name for column in dataset.columns), "date"):
            if name not in kinds:
                raise EngineError(
                    f"{dataset.path}: the SQL gives no column {name}.",
                    hint="Correct the SQL file or the declaration.",
                )
        ids = {name: _ID_CASTS.get(kind, kind) for name, kind in kinds.items()}
        types = {c.name: ids[c.name] if c.type is Type.ID else str(c.type) for c in dataset.columns}

        def create(cast: str) -> None:
            columns = ", ".join(
                f"{cast}({quote(n)} AS {t}) AS {quote(n)}" for n, t in types.items()
            )
            # Clustered by day, so that writing one day reads little of the others.
            connection.execute(
                f"CREATE TABLE {table} AS SELECT {columns}, CAST(date AS DATE) AS date "
                f"FROM ({query}) ORDER BY date"
            )

        try:
            create("CAST")
        except duckdb.DataError:
            create("TRY_CAST")
            return _days_of_misfits(connection, types, query)
    return {}


def _days_of_misfits(
    connection: Connection, types: Mapping[str, str], query: str
) -> dict[str, str]:
    """Return ISO day -> what its values do that are not of their types."""
    counts = ", ".join(
        f"count(*) FILTER (WHERE {quote(name)} IS NOT NULL "
        f"AND TRY_CAST({quote(name)} AS {kind}) IS NULL)"
        for name, kind in types.items()
    )
    found = connection.execute(
        f"SELECT CAST(CAST(date AS DATE) AS VARCHAR), {counts} FROM ({query}) GROUP BY ALL"
    ).fetchall()
    said = {
        day: "; ".join(
            f"{count} rows have a {name} that {kind} does not hold"
            for count, (name, kind) in zip(misfits, types.items(), strict=True)
            if count
        )
        for day, *misfits in found
    }
    return {day: reason for day, reason in said.items() if reason}


def write_parquet(
    connection: Connection, dataset: Dataset, rows: str, file: Path, facts: Mapping[str, str]
) -> None:
    """Write rows to a Parquet file: the declared columns, in the stored order.

    Args:
        connection: Where the rows are.
        dataset: What they are rows of.
        rows: Name of their table, and what may follow it in a query.
        file: The file.
        facts: Kept in its footer.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    columns = ", ".join(quote(column.name) for column in dataset.columns)
    order = ", ".join(quote(column) for column in dataset.order) or "ALL"
    footer = ", ".join(f"{quote(key)}: {text(value)}" for key, value in facts.items())
    with explain_sql_errors(connection, dataset):
        connection.execute(
            f"COPY (SELECT {columns} FROM {rows} ORDER BY {order}) "
            f"TO {text(str(file))} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, "
            f"PARQUET_VERSION v2, KV_METADATA {{{footer}}})"
        )
