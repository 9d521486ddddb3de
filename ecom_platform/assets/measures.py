"""What the anomaly checks look at: the numbers of metrics and cleaned datasets, day by day.

Read from the published days, each once for a run. The checks are in `anomalies.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecom_platform.datasets import Dataset, Type
from ecom_platform.engines.duckdb import Connection, Engine, add_view, quote
from ecom_platform.incidents.model import VALUE
from ecom_platform.quality.anomalies import Floats, Series
from ecom_platform.quality.events import ALL
from ecom_platform.quality.thresholds import AnomalyLimits

if TYPE_CHECKING:
    from datetime import date

    from ecom_platform.assets.metrics import Metric
    from ecom_platform.lake.publish import Lake

SHARES, NULLS = "shares_are_usual", "nulls_are_usual"
DRIFT = "regions_are_steady"

#: What was measured of some days: name of the check -> its series, and of which day each is.
Measure = Callable[["Days", AnomalyLimits], Mapping[str, Series]]


@dataclass(frozen=True)
class Days:
    """The days that a measure is asked for.

    Args:
        days: All of them, consecutive: those to judge, and the weeks before.
        age: Of each, how many days ago it was over; 0 for the last closed one.
        engine: Runs SQL.
        lake: As the run sees it.
    """

    days: Sequence[date]
    age: Floats
    engine: Engine
    lake: Lake

    @property
    def keys(self) -> list[str]:
        """The days as partition keys."""
        return [day.isoformat() for day in self.days]


def counted(metric: Metric) -> str:
    """Return the column that says how much there is of each part."""
    counts = [column.name for column in metric.columns if column.type is Type.COUNT]
    return counts[0] if metric.by and counts else metric.dataset.columns[-1].name


def measure_metric(metric: Metric) -> Measure:
    """Measure a metric by region, and by the values of the first column that its grain has."""
    column = counted(metric)
    part = quote(metric.by[0].name) if metric.by else "''"
    query = (
        f"SELECT date, region, {part}, CAST(sum({quote(column)}) AS DOUBLE) "
        f"FROM {quote(metric.dataset.layer)}.{quote(metric.name)} GROUP BY ALL"
    )

    def measure(asked: Days, limits: AnomalyLimits) -> Mapping[str, Series]:
        table = asked.lake.table(metric.dataset, asked.keys, latest=True)
        with asked.engine.connect() as connection:
            add_view(connection, table.partitions())
            present = np.isin(asked.keys, table.days)
            # Where a region has no row, it has none of what is counted, but no ratio.
            absent = np.nan if metric.unit == "ratio" else 0.0
            regions, parts, numbers = _cube(connection, query, asked.days, absent)
        numbers[..., ~present] = np.nan
        is_count = metric.dataset.column(column).type is Type.COUNT
        leaving = [metric.later.get(name) == "" for name in parts]
        value = Series(
            "count" if is_count else metric.unit,
            regions,
            ("",) * len(regions),
            numbers[:, ~np.array(leaving)].sum(axis=1),
            np.ones((len(regions), len(asked.days)), bool),
        )
        if not metric.by:
            return {VALUE: value}
        return {VALUE: value, SHARES: _shares(metric, asked, limits, regions, parts, numbers)}

    return measure


def _cube(
    connection: Connection, query: str, days: Sequence[date], absent: float
) -> tuple[tuple[str, ...], tuple[str, ...], Floats]:
    """Return the regions, the parts, and the numbers by these and day; else what is `absent`."""
    rows = connection.execute(query).fetchall()
    regions = tuple(sorted({str(row[1]) for row in rows} | {ALL}))
    parts = tuple(sorted({str(row[2]) for row in rows})) or ("",)
    places = {day: place for place, day in enumerate(days)}
    numbers = np.full((len(regions), len(parts), len(days)), absent)
    for day, region, part, number in rows:
        value = np.nan if number is None else number
        numbers[regions.index(str(region)), parts.index(str(part)), places[day]] = value
    return regions, parts, numbers


def _shares(
    metric: Metric,
    asked: Days,
    limits: AnomalyLimits,
    regions: tuple[str, ...],
    parts: tuple[str, ...],
    numbers: Floats,
) -> Series:
    """Return the share of each part among the rows of a region and day.

    What comes or goes for days is put aside: a young day would differ from all old ones. Its
    own share is known once a day is settled.
    """
    all_rows = numbers.sum(axis=1)
    early: dict[str, Floats] = {}
    for name, of_part in zip(parts, numbers.swapaxes(0, 1), strict=True):
        if metric.later.get(name) != "":
            before = metric.later.get(name, name)
            early[before] = early.get(before, 0.0) + of_part
    settled = np.where(asked.age >= limits.settled_days, 1.0, np.nan)
    late = {name: numbers[:, parts.index(name)] * settled for name in metric.later if name in parts}
    total_of_early = sum(early.values(), np.zeros_like(all_rows))
    rows = [
        *((name, found, total_of_early) for name, found in early.items()),
        *((name, found, all_rows) for name, found in late.items()),
    ]
    return Series(
        "count",
        regions * len(rows),
        tuple(name for name, _, _ in rows for _ in regions),
        np.concatenate([found for _, found, _ in rows]),
        np.ones((len(rows) * len(regions), len(asked.days)), bool),
        np.concatenate([totals for _, _, totals in rows]),
    )


def watched_columns(dataset: Dataset) -> list[str]:
    """Return the columns that may be NULL for good; the one of the day waits for its value."""
    return [c.name for c in dataset.columns if not c.required and c.name != dataset.dated_by]


def measure_nulls(dataset: Dataset) -> Measure:
    """Measure the shares of NULL, as counted when the days were published."""
    columns = watched_columns(dataset)

    def measure(asked: Days, _: AnomalyLimits) -> Mapping[str, Series]:
        shape = (len(columns), len(asked.days))
        counts, totals = np.full(shape, np.nan), np.full(shape, np.nan)
        found = asked.lake.null_counts(dataset, asked.keys)
        for place, day in enumerate(asked.keys):
            if day in found:
                rows, nulls = found[day]
                totals[:, place] = rows
                counts[:, place] = [nulls.get(column, 0) for column in columns]
        regions = (ALL,) * len(columns)
        usual = np.ones(shape, bool)
        return {NULLS: Series("count", regions, tuple(columns), counts, usual, totals)}

    return measure
