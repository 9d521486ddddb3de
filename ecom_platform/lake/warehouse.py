"""The warehouse: one DuckDB file in which the lake's datasets are tables, for SQL and for dbt.

It is made anew each time, and nothing is written back from here. It has no `raw`, the layer of
personal data.
"""

from __future__ import annotations

import shutil
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
    lake: Lake, engine: Engine, datasets: Iterable[Dataset], file: Path, *, copied: bool
) -> None:
    """Make a DuckDB file of all days of some datasets: `layer.name`, with `date` first.

    Args:
        lake: The lake.
        engine: Whose scratch folder `file` is made in.
        datasets: What to have in it. One that has no days is an empty table.
        file: The file; what was there before is replaced.
        copied: Whether rows are copied; else the file holds views of Parquet files.

    Raises:
        LakeError: The lake cannot be read, or a file of it is damaged.
    """
    made = engine.scratch / "warehouse.duckdb.new"
    made.unlink(missing_ok=True)
    with engine.connect() as connection:
        connection.execute(
            f"ATTACH {text(str(made))} AS warehouse (STORAGE_VERSION {text(STORAGE)})"
        )
        for layer, members in groupby(datasets, key=lambda dataset: dataset.layer):
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS warehouse.{quote(layer)}")
            for dataset in members:
                select = select_from(lake.everything(dataset))
                columns = ", ".join(quote(column.name) for column in dataset.columns)
                kind = "TABLE" if copied else "VIEW"
                with explain_sql_errors(connection, dataset):
                    connection.execute(
                        f"CREATE {kind} warehouse.{quote(layer)}.{quote(dataset.name)} AS "
                        f"SELECT date, {columns} FROM ({select})"
                    )
        connection.execute("DETACH warehouse")
    shutil.move(made, file)
