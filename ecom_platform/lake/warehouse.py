"""The warehouse: one DuckDB file in which the lake's datasets are tables, for SQL and for dbt.

It is made anew each time, and nothing goes back from it into the lake by itself. It has no `raw`,
the layer of personal data.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from ecom_platform.engines.duckdb import quote, select_from, text
from ecom_platform.engines.explain import explain_sql_errors

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ecom_platform.datasets import Dataset
    from ecom_platform.engines.duckdb import Engine
    from ecom_platform.lake.publish import Lake

#: That DuckDB 1.x reads too.
STORAGE = "v1.0.0"


def build_warehouse(
    lake: Lake, engine: Engine, datasets: Iterable[Dataset], *, copied: bool
) -> Path:
    """Make a DuckDB file of all days of some datasets: `layer.name`, with `date` first.

    A dataset that has no days is an empty table; one that is a single object, and was never
    made, is not there.

    Args:
        lake: The lake.
        engine: Whose scratch folder the file is made in.
        datasets: What to have in it, by layer.
        copied: Whether rows are copied; else the file holds views of Parquet files.

    Returns:
        The file.

    Raises:
        LakeError: The lake cannot be read, or a file of it is damaged.
    """
    folder = engine.scratch / "warehouse"
    folder.mkdir(exist_ok=True)
    file = folder / "warehouse.duckdb"
    file.unlink(missing_ok=True)
    kind = "TABLE" if copied else "VIEW"
    with engine.connect() as connection:
        connection.execute(
            f"ATTACH {text(str(file))} AS warehouse (STORAGE_VERSION {text(STORAGE)})"
        )
        for layer, members in groupby(datasets, key=lambda dataset: dataset.layer):
            connection.execute(f"CREATE SCHEMA warehouse.{quote(layer)}")
            for dataset in members:
                if rows := _rows(lake, dataset):
                    name = f"warehouse.{quote(layer)}.{quote(dataset.name)}"
                    with explain_sql_errors(connection, dataset):
                        connection.execute(f"CREATE {kind} {name} AS {rows}")
        connection.execute("DETACH warehouse")
    return file


def _rows(lake: Lake, dataset: Dataset) -> str:
    columns = ", ".join(quote(column.name) for column in dataset.columns)
    if dataset.daily:
        return f"SELECT date, {columns} FROM ({select_from(lake.everything(dataset))})"
    file = lake.single(dataset)
    return f"SELECT {columns} FROM read_parquet({text(str(file))})" if file else ""
