"""The last weeks of a metric, as published: what an alert shows along."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from ecom_platform.alerts.channels import Series
from ecom_platform.calendar import days_between

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from ecom_platform.datasets import Dataset
    from ecom_platform.lake.base import Storage

WEEKS = 8
ALL = "all"


def read_series(
    storage: Storage,
    scratch: Path,
    metric: Dataset,
    region: str | None,
    day: str,
    failing: Collection[str],
) -> Series | None:
    """Return the metric's main column day by day, up to a day; None where nothing is published.

    Args:
        storage: The lake.
        scratch: A folder for what is downloaded.
        metric: Whose last column it is; rows of further keys are added up.
        region: Only of it; None: of all regions together.
        day: The last one, ISO.
        failing: Days that are marked.

    Raises:
        LakeError: The lake cannot be read.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import parquet

    last = date.fromisoformat(day)
    first = last - timedelta(days=7 * WEEKS - 1)
    days = [one.isoformat() for one in days_between(first, last)]
    files = storage.fetch([metric.object_path(one) for one in days], scratch)
    column = metric.columns[-1].name
    values: list[float | None] = []
    for one in days:
        file = files.get(metric.object_path(one))
        value = None
        if file:
            rows = parquet.read_table(file, columns=["region", column], partitioning=None)
            own = rows.filter(pc.is_in(rows["region"], pa.array([region or ALL])))[column]
            value = pc.sum(own).as_py()
        values.append(None if value is None else float(value))
    if all(value is None for value in values):
        return None
    marked = frozenset(place for place, one in enumerate(days) if one in failing)
    title = f"{metric.name.replace('_', ' ')}{f', {region}' if region else ''}, {WEEKS} weeks"
    return Series(f"{title} up to {day}", tuple(values), marked)
