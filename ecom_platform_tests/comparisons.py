"""What tests of figures compare: a lake with the oracle, and a lake with another lake."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from ecom_platform.settings import Settings
from ecom_platform_tests.oracle import METRICS, Counts, Shop, clean, metrics_of
from ecom_platform_tests.pipeline import DATASETS, Pipeline, open_lake
from ecom_platform_tests.shop_writers import write_csv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import date

    import dagster as dg
    import duckdb

    from ecom_platform_tests.oracle import Tables
    from ecom_platform_tests.shops import Case

    #: Dataset -> its rows, how often each occurs.
    Content = dict[str, Counter[tuple[Any, ...]]]

TABLES = ("customers", "orders", "payments")


def thorough(examples: int) -> Callable[[Any], Any]:
    """Let hypothesis try so many examples, however long they take."""
    return hypothesis_settings(
        max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck)
    )


def settings_of(case: Case, source: str, lake: Path) -> Settings:
    """Return a case's settings, with a source and a lake."""
    return Settings(
        _env_file=None,
        source=source,
        lake=str(lake),
        email_hmac_key="k" * 32,
        source_connections=1,
        engine_threads=1,
        **case.options,
    )


def as_files(shop: Shop, folder: Path) -> str:
    """Write a shop as CSV; return its address."""
    folder.mkdir(exist_ok=True)
    write_csv(shop, folder)
    return folder.as_uri()


@contextmanager
def lake_of(case: Case, instance: dg.DagsterInstance, *runs: Sequence[date]) -> Iterator[Settings]:
    """Make a case's days from files, by default in one run; give the settings of its lake."""
    with TemporaryDirectory() as folder:
        settings = settings_of(
            case, as_files(case.shop, Path(folder, "shop")), Path(folder, "lake")
        )
        pipeline = Pipeline(settings, instance)
        for days in runs or [case.days]:
            pipeline.run(days[0], days[-1])
        yield settings


def content(settings: Settings, days: Sequence[date]) -> Content:
    """Return every row of every dataset of a lake."""
    with open_lake(settings, DATASETS, days[0], days[-1]) as lake:
        return {
            path: Counter(lake.execute(f"SELECT * FROM {path.replace('/', '.')}").fetchall())
            for path in DATASETS
        }


def read_metrics(
    settings: Settings, days: Sequence[date], names: Iterable[str] = METRICS
) -> Tables:
    """Read metrics of a lake, in the form of the oracle's."""
    datasets = [f"metrics/{name}" for name in names]
    with open_lake(settings, datasets, days[0], days[-1]) as lake:
        return _published(lake, datasets)


def read_counts(settings: Settings, days: Sequence[date]) -> dict[tuple[str, date], Counts]:
    """Count what became of the rows of each table and day that has any, as the oracle does."""
    with open_lake(settings, DATASETS, days[0], days[-1]) as lake:
        return _counted(lake)


def assert_equals_oracle(case: Case, settings: Settings) -> None:
    """Compare a lake with the oracle: what became of each row, then the metrics."""
    cleaned = clean(case.shop, case.settings)
    assert read_counts(settings, case.days) == {
        key: count for key, count in cleaned.counts.items() if key[1] in case.days
    }
    assert_metrics_equal(settings, case.days, metrics_of(cleaned, case.settings, case.days))


def assert_metrics_equal(settings: Settings, days: Sequence[date], expected: Tables) -> None:
    """Compare the metrics of a lake with the oracle's, those that it tells."""
    for name, rows in read_metrics(settings, days, expected).items():
        assert rows == {key: _nearly(columns) for key, columns in expected[name].items()}, name


def _published(lake: duckdb.DuckDBPyConnection, datasets: Iterable[str]) -> Tables:
    """Read each metric: name -> (day, region[, status]) -> column -> value."""
    tables: Tables = {}
    for path in datasets:
        dataset = DATASETS[path]
        name = dataset.name
        columns = [column.name for column in dataset.columns if column.name not in dataset.key]
        keys = ["date", *dataset.key]
        rows = lake.execute(f"SELECT {', '.join(keys + columns)} FROM metrics.{name}").fetchall()
        tables[name] = {
            row[: len(keys)]: dict(zip(columns, row[len(keys) :], strict=True)) for row in rows
        }
        assert len(tables[name]) == len(rows)
    return tables


def _counted(lake: duckdb.DuckDBPyConnection) -> dict[tuple[str, date], Counts]:
    layers = " UNION ALL ".join(
        f"SELECT '{table}' AS name, '{layer}' AS layer, date FROM {layer}.{table}"
        for table in TABLES
        for layer in ("raw", "cleaned", "quarantine")
    )
    rows = lake.execute(
        "SELECT name, date, count(*) FILTER (layer = 'raw'), count(*) FILTER (layer = 'cleaned'), "
        f"count(*) FILTER (layer = 'quarantine') FROM ({layers}) GROUP BY ALL"
    ).fetchall()
    return {
        (table, day): Counts(cleaned, quarantined, raw - cleaned - quarantined)
        for table, day, raw, cleaned, quarantined in rows
    }


def _nearly(columns: dict[str, Any]) -> dict[str, Any]:
    """Compare ratios to the last but few bits, and all else exactly."""
    return {
        name: pytest.approx(value, rel=1e-12) if isinstance(value, float) else value
        for name, value in columns.items()
    }
