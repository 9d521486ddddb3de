"""What is published of made-up shops is what the oracle says, and what must not matter does not."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, time
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ecom_platform.settings import Settings
from ecom_platform_tests.oracle import METRICS, Counts, Order, Shop, clean, metrics_of
from ecom_platform_tests.pipeline import DATASETS, Pipeline, open_lake
from ecom_platform_tests.platform import Platform
from ecom_platform_tests.shop_writers import write_csv, write_postgres
from ecom_platform_tests.shops import Case, cases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from random import Random

    import duckdb

    from ecom_platform_tests.oracle import Tables

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


def read_metrics(settings: Settings, days: Sequence[date]) -> Tables:
    with open_lake(settings, DATASETS, days[0], days[-1]) as lake:
        return published(lake)


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
            key: count for key, count in cleaned.counts.items() if key[1] in case.days
        }
        for name, rows in published(lake).items():
            assert rows == {key: nearly(columns) for key, columns in tables[name].items()}, name


def nearly(columns: dict[str, Any]) -> dict[str, Any]:
    """Compare ratios to the last but few bits, and all else exactly."""
    return {
        name: pytest.approx(value, rel=1e-12) if isinstance(value, float) else value
        for name, value in columns.items()
    }


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


def content(settings: Settings, days: Sequence[date], *ignored: str) -> dict[str, Counter[Any]]:
    """Return every row of every dataset of a lake but those ignored."""
    with open_lake(settings, DATASETS, days[0], days[-1]) as lake:
        return {
            path: Counter(lake.execute(f"SELECT * FROM {path.replace('/', '.')}").fetchall())
            for path in DATASETS
            if path not in ignored
        }


@thorough(75)
@given(cases())
def test_figures_of_files_are_those_of_the_oracle(instance: dg.DagsterInstance, case: Case) -> None:
    with TemporaryDirectory() as folder:
        source = as_files(case.shop, Path(folder, "shop"))
        settings = settings_of(case, source, Path(folder, "lake"))
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


@thorough(6)
@given(cases(typed=True))
def test_figures_of_a_run_of_dagster_are_those_of_the_oracle(postgres: str, case: Case) -> None:
    write_postgres(case.shop, postgres)
    with TemporaryDirectory() as folder, dg.DagsterInstance.ephemeral() as instance:
        settings = settings_of(case, postgres, Path(folder, "lake"))
        platform = Platform(settings, instance)
        result = platform.run(case.days[0], case.days[-1])
        assert platform.failures(result) == {}
        assert_equals_oracle(case, settings)
        for check, days in platform.answers(result.run_id).items():
            assert list(days) == [str(day) for day in case.days]
            if not check.endswith(" parents_exist"):
                failed = {day: answer.metadata for day, answer in days.items() if not answer.passed}
                assert (check, failed) == (check, {})


@thorough(6)
@given(cases(), st.data())
def test_runs_of_any_length_make_the_same_lake(
    instance: dg.DagsterInstance, case: Case, data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, len(case.days) - 1), min_size=1)))
    edges = [0, *cuts, len(case.days)]
    runs = [case.days[start:end] for start, end in pairwise(edges)]
    with lake_of(case, instance) as whole, lake_of(case, instance, *runs) as parts:
        assert content(parts, case.days) == content(whole, case.days)


@thorough(5)
@given(cases())
def test_days_made_in_any_order_and_then_again_make_the_same_lake(
    instance: dg.DagsterInstance, case: Case
) -> None:
    # Until the days before it are there, the retention of a day cannot be made.
    runs = [*([day] for day in reversed(case.days)), case.days]
    with lake_of(case, instance) as whole, lake_of(case, instance, *runs) as parts:
        assert content(parts, case.days) == content(whole, case.days)


@thorough(6)
@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_the_sources_rows_does_not_matter(
    instance: dg.DagsterInstance, case: Case, random: Random
) -> None:
    mixed = Shop(*(random.sample(rows, len(rows)) for rows in case.shop))
    with (
        lake_of(case, instance) as one,
        lake_of(replace(case, shop=mixed), instance) as other,
    ):
        assert content(other, case.days) == content(one, case.days)


@thorough(6)
@given(cases())
def test_an_order_of_a_guest_adds_to_orders_and_to_nothing_else(
    instance: dg.DagsterInstance, case: Case
) -> None:
    day = case.days[1]
    noon = datetime.combine(day, time(12), ZoneInfo(case.settings.timezone))
    guest = Order("a guest's", None, "1.00", noon.astimezone(UTC).isoformat(), "shipped")
    shop = case.shop._replace(orders=[*case.shop.orders, guest])
    with lake_of(case, instance) as before, lake_of(replace(case, shop=shop), instance) as after:
        old, new = (read_metrics(lake, case.days) for lake in (before, after))
    for metric in ("total_revenue", "payment_status", "customer_retention_rate"):
        assert new[metric] == old[metric]
    nobody = {"total_customers": 0}
    old["total_customers"].setdefault((day, "unknown"), nobody)
    assert new["total_customers"] == old["total_customers"]
    for region in ("all", "unknown"):
        columns = old["total_orders"].setdefault(
            (day, region), {"total_orders": 0, "void_orders": 0}
        )
        columns["total_orders"] += 1
    assert new["total_orders"] == old["total_orders"]
