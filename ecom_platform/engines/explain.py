"""DuckDB's errors, told as what is wrong with a dataset and what to do."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb
from pyarrow import parquet

from ecom_platform.errors import DataError, EngineError, LakeError

if TYPE_CHECKING:
    from collections.abc import Generator

    from ecom_platform.datasets import Dataset

#: A file of the lake, whether it lies there or was fetched, in the SQL of a view.
_LAKE_FILE = re.compile(r"'((?:[^']|'')*?(\w+/\w+/date=\d{4}-\d\d-\d\d/data\.parquet))'")


@contextmanager
def explain_sql_errors(connection: duckdb.DuckDBPyConnection, dataset: Dataset) -> Generator[None]:
    """Turn DuckDB's errors into ones that name the dataset and what to do.

    Args:
        connection: Where the SQL runs, on views of the lake's files.
        dataset: What the SQL computes.

    Raises:
        DataError: A value in the data is one that the SQL cannot compute with.
        EngineError: The SQL does not run, or not in the engine's memory.
        LakeError: A file of the lake is damaged.
    """
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise EngineError(
            f"{dataset.path}: the engine's memory does not suffice ({_first_line(error)}).",
            hint="Raise ECOM_ENGINE_MEMORY, or run fewer days at once.",
        ) from error
    except duckdb.Error as error:
        if "No space left" in str(error):
            raise EngineError(
                f"{dataset.path}: there is no room left for temporary files.",
                hint="Give the folder that TMPDIR names more room, or run fewer days at once.",
            ) from error
        path = _find_damaged(connection)
        if path:
            raise damaged(path) from error
        if isinstance(error, (duckdb.DataError, duckdb.InvalidInputException)):
            raise DataError(
                f"{dataset.path}: a value in the data cannot be computed with: "
                f"{_first_line(error)}",
                hint="Correct the row in the source, or have the SQL file try the cast.",
            ) from error
        raise EngineError(
            f"{dataset.path}: the SQL does not run: {_first_line(error)}",
            hint="Correct the SQL file or the declaration.",
        ) from error


def _find_damaged(connection: duckdb.DuckDBPyConnection) -> str | None:
    """Return the file of the connection's views that cannot be read: DuckDB often names none."""
    found = connection.execute("SELECT sql FROM duckdb_views() WHERE NOT internal").fetchall()
    for file, path in (match for (sql,) in found for match in _LAKE_FILE.findall(sql)):
        try:
            with parquet.ParquetFile(file.replace("''", "'")) as opened:
                for _ in opened.iter_batches():
                    pass
        except (OSError, ValueError):
            return path
    return None


def damaged(path: str) -> LakeError:
    """Return the error of a file of the lake that cannot be read, named by its path there."""
    dataset, _, day = path.removesuffix("/data.parquet").partition("/date=")
    return LakeError(
        f"{path} is damaged: it is not readable as Parquet.",
        hint=f"Delete it, and materialize {dataset} for {day} again.",
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
