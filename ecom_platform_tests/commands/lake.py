"""Days of a metric or dataset, published as a run does, without the run."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecom_platform.assets.metrics import METRICS
from ecom_platform.datasets import CLEANED, QUARANTINE, RAW
from ecom_platform.engines.duckdb import Engine, create_result
from ecom_platform.lake.publish import Lake
from ecom_platform.lake.storage import open_storage
from ecom_platform.lake.tables import Rows
from ecom_platform.settings import load_settings

if TYPE_CHECKING:
    from datetime import date

DATASETS = {d.path: d for d in (*RAW, *CLEANED, *QUARANTINE, *(m.dataset for m in METRICS))}


def publish(path: str, *rows: dict[str, Any], days: list[date]) -> None:
    """Publish rows, each with its `date`, in the lake of the environment.

    Args:
        path: `layer/name` of the dataset.
        rows: Column -> value; columns that are left out are NULL.
        days: The days to publish; those without a row are empty.
    """
    settings, dataset = load_settings(), DATASETS[path]
    columns = ["date", *(column.name for column in dataset.columns)]
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(open_storage(settings.lake), settings.calendar, Path(folder), "")
        lake.remember([dataset])
        with Engine(settings, Path(folder), []).connect() as connection:
            values = ", ".join("?" for _ in columns)
            names = ", ".join(columns)
            connection.execute(f"CREATE TABLE given ({', '.join(f'{c} VARCHAR' for c in columns)})")
            for row in rows:
                cells = [None if row.get(c) is None else str(row[c]) for c in columns]
                connection.execute(f"INSERT INTO given ({names}) VALUES ({values})", cells)
            create_result(connection, dataset, "SELECT * FROM given", table="result")
            report = lake.publish(
                dataset, Rows(connection, "result"), [str(day) for day in days], ""
            )
    assert report.bad_days == {}
