"""The marts of two real shops, against their files and against what is known of them."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import dagster as dg
import duckdb
import pytest

from ecom_platform.assets.marts import build_mart_assets
from ecom_platform.lake.storage import open_storage
from ecom_platform.resources import build_resources
from ecom_platform_tests.mart_shops import MARTS, assert_equal, read_shop
from ecom_platform_tests.pipeline import DATASETS

if TYPE_CHECKING:
    from pathlib import Path

    from ecom_platform.settings import Settings


def make_marts(settings: Settings) -> None:
    """Make the marts of a lake in a real run."""
    datasets = list(DATASETS.values())
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [build_mart_assets(settings, datasets)],
            instance=instance,
            resources=build_resources(settings, datasets, []),
        )
        assert all(check.passed for check in result.get_asset_check_evaluations())


def _mart(settings: Settings, name: str, scratch: Path) -> duckdb.DuckDBPyRelation:
    path = MARTS[name].object_path()
    return duckdb.read_parquet(str(open_storage(settings.lake).fetch([path], scratch)[path]))


def assert_marts_of_jaffle(settings: Settings, files: Path, scratch: Path) -> None:
    """Compare every mart with what the shop's files say, to the cent; `returned` is void."""
    make_marts(settings)
    expected = read_shop(files, date(2018, 1, 1), date(2018, 4, 9), void="returned")
    for name in MARTS:
        assert_equal(_mart(settings, name, scratch), expected, name)


def assert_marts_of_cdnow(settings: Settings, scratch: Path) -> None:
    """Compare marts with what is known of the CDNOW sample."""
    make_marts(settings)
    cohort = _mart(settings, "customer_cohorts", scratch).filter(
        "region = 'all' AND cohort_month = DATE '1997-01-01' AND months_since < 10"
    )
    assert [n for (n,) in cohort.order("months_since").select("customers").fetchall()] == [
        781, 124, 95, 70, 65, 77, 65, 53, 52, 45,
    ]  # fmt: skip
    monthly = _mart(settings, "kpi_monthly", scratch).filter("region = 'all'")
    ((revenue, orders),) = monthly.aggregate("sum(total_revenue), sum(total_orders)").fetchall()
    assert (str(revenue), orders) == ("244091.94", 6919)
    ((last,),) = (
        _mart(settings, "customers_to_date", scratch)
        .filter("region = 'all'")
        .aggregate("max(customers_to_date)")
        .fetchall()
    )
    assert last == 2357
    ((rate,),) = (
        monthly.filter("month = DATE '1997-12-01'").select("customer_retention_rate").fetchall()
    )
    assert rate == pytest.approx(159 / 400)
