"""What the platform publishes of made-up shops is what the oracle says, and what must not matter
does not."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import dagster as dg
import duckdb
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ecom_platform.settings import Settings
from ecom_platform_tests.oracle import METRICS, Counts, clean, metrics_of
from ecom_platform_tests.pipeline import DATASETS, Pipeline, open_lake
from ecom_platform_tests.platform import Platform
from ecom_platform_tests.shop_writers import write_csv, write_postgres
from ecom_platform_tests.shops import Case, cases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ecom_platform_tests.oracle import Shop, Tables

#: Layer after layer, so that a difference is shown where it begins.
TABLES = ("customers", "orders", "payments")


def thorough(examples: int) -> Callable[[Any], Any]:
    return hypothesis_settings(
        max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck)
    )


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


def settings_of(case: Case, source: str, lake: Path) -> Settings:
    return Settings(  # pyright: ignore[reportCallIssue]
        _env_file=None,  # pyright: ignore[reportCallIssue]
        source=source,  # pyright: ignore[reportArgumentType]
        lake=str(lake),
        email_hmac_key="k" * 32,  # pyright: ignore[reportArgumentType]
        source_connections=1,
        engine_threads=1,
        **case.options,
    )


def as_files(shop: Shop, folder: Path) -> str:
    """Write a shop as CSV; return its address."""
    folder.mkdir()
    write_csv(shop, folder)
    return folder.as_uri()


def published(lake: duckdb.DuckDBPyConnection) -> Tables:
    """Read each metric of a lake: name -> (day, region[, status]) -> column -> value."""
    tables: Tables = {}
    for name in METRICS:
        dataset = DATASETS[f"metrics/{name}"]
        columns = [column.name for column in dataset.columns if column.name not in dataset.key]
        keys = ["date", *dataset.key]
        rows = lake.execute(f"SELECT {', '.join(keys + columns)} FROM metrics.{name}").fetchall()
        tables[name] = {
            row[: len(keys)]: dict(zip(columns, row[len(keys) :], strict=True)) for row in rows
        }
        assert len(tables[name]) == len(rows)
    return tables


def counted(lake: duckdb.DuckDBPyConnection) -> dict[tuple[str, date], Counts]:
    """Count what became of the rows of each table and day that has any."""
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


def assert_equals_oracle(case: Case, settings: Settings) -> None:
    """Compare a lake with the oracle: what became of each row, then the metrics."""
    cleaned = clean(case.shop, case.settings)
    tables = metrics_of(cleaned, case.settings, case.days)
    with open_lake(settings, DATASETS, case.days[0], case.days[-1]) as lake:
        assert counted(lake) == {
            (table, day): count for (table, day), count in cleaned.counts.items() if day in case.days
        }
        for name, rows in published(lake).items():
            assert rows == {key: nearly(columns) for key, columns in tables[name].items()}, name


def nearly(columns: dict[str, Any]) -> dict[str, Any]:
    """Compare ratios to the last but few bits, and all else exactly."""
    return {
        name: pytest.approx(value, rel=1e-12) if isinstance(value, float) else value
        for name, value in columns.items()
    }


@thorough(75)
@given(cases())
def test_figures_of_files_are_those_of_the_oracle(instance: dg.DagsterInstance, case: Case) -> None:
    with TemporaryDirectory() as folder:
        settings = settings_of(case, as_files(case.shop, Path(folder, "shop")), Path(folder, "lake"))
        assert Pipeline(settings, instance).run(case.days[0], case.days[-1]) == {}
        assert_equals_oracle(case, settings)


@thorough(75)
@given(cases(typed=True))
def test_figures_of_a_database_are_those_of_the_oracle(
    instance: dg.DagsterInstance, postgres: str, case: Case
) -> None:
    write_postgres(case.shop, postgres)
    with TemporaryDirectory() as folder:
        settings = settings_of(case, postgres, Path(folder, "lake"))
        assert Pipeline(settings, instance).run(case.days[0], case.days[-1]) == {}
        assert_equals_oracle(case, settings)
