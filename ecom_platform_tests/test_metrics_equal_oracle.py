"""What is published of made-up shops is what the oracle says.

Most examples are several small shops at once, for a run costs little more with them than with
one: about 300 shops in all. `test_shops.py` counts what is in them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import dagster as dg
import pytest
from hypothesis import given

from ecom_platform.assets.day_checks import declare_checks
from ecom_platform_tests.comparisons import (
    as_files,
    assert_equals_oracle,
    assert_metrics_equal,
    lake_of,
    settings_of,
    thorough,
)
from ecom_platform_tests.oracle import Cleaned, clean, metrics_of
from ecom_platform_tests.pipeline import Pipeline
from ecom_platform_tests.platform import Platform
from ecom_platform_tests.shop_writers import with_finite_amounts, write_shop
from ecom_platform_tests.shops import Case, cases
from ecom_platform_tests.sources.postgres_database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecom_platform_tests.sources.mariadb_database import MariaDatabase


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


@thorough(18)
@given(cases(most_shops=6))
def test_figures_of_files_are_those_of_the_oracle(instance: dg.DagsterInstance, case: Case) -> None:
    with TemporaryDirectory() as folder:
        source = as_files(case.shop, Path(folder, "shop"))
        settings = settings_of(case, source, Path(folder, "lake"))
        assert Pipeline(settings, instance).run(case.days[0], case.days[-1]) == {}
        assert_equals_oracle(case, settings)


@thorough(18)
@given(cases(typed=True, most_shops=6))
def test_figures_of_a_database_are_those_of_the_oracle(
    instance: dg.DagsterInstance, postgres: str, case: Case
) -> None:
    write_shop(case.shop, Database(postgres))
    with TemporaryDirectory() as folder:
        settings = settings_of(case, postgres, Path(folder, "lake"))
        assert Pipeline(settings, instance).run(case.days[0], case.days[-1]) == {}
        assert_equals_oracle(case, settings)


@thorough(5)
@given(cases(most_shops=6))
def test_figures_after_customers_moved_are_those_of_the_oracle(
    instance: dg.DagsterInstance, case: Case
) -> None:
    """A day keeps the regions that were known when it was made."""
    everyone = [row._replace(region="West") for row in case.shop.customers]
    moved = case.shop._replace(customers=everyone)
    first, later = case.days[:2], case.days[2:]
    with lake_of(case, instance, first) as settings:
        as_files(moved, Path(settings.lake).with_name("shop"))
        assert Pipeline(settings, instance).run(later[0], later[-1]) == {}
        before, after = clean(case.shop, settings), clean(moved, settings)
        known = Cleaned(
            [r for r in before.orders if r.day in first]
            + [r for r in after.orders if r.day in later],
            [r for r in before.payments if r.day in first]
            + [r for r in after.payments if r.day in later],
            {},
        )
        assert_metrics_equal(settings, case.days, metrics_of(known, settings, case.days))


@thorough(4)
@given(cases(typed=True, most_shops=6))
def test_figures_of_mariadb_are_those_of_the_oracle(
    instance: dg.DagsterInstance, maria: MariaDatabase, case: Case
) -> None:
    case = replace(case, shop=with_finite_amounts(case.shop))
    write_shop(case.shop, maria)
    with TemporaryDirectory() as folder:
        settings = settings_of(case, maria.url, Path(folder, "lake"))
        assert Pipeline(settings, instance).run(case.days[0], case.days[-1]) == {}
        assert_equals_oracle(case, settings)


@thorough(3)
@given(cases(typed=True, most_shops=4))
def test_figures_of_a_run_of_dagster_are_those_of_the_oracle(postgres: str, case: Case) -> None:
    write_shop(case.shop, Database(postgres))
    with TemporaryDirectory() as folder, dg.DagsterInstance.ephemeral() as instance:
        settings = settings_of(case, postgres, Path(folder, "lake"))
        platform = Platform(settings, instance)
        result = platform.run(case.days[0], case.days[-1])
        assert platform.failures(result) == {}
        assert_equals_oracle(case, settings)
        # What has a threshold, or warns, judges the shop and not the platform.
        of_the_shop = {
            f"{check.dataset} {check.name}"
            for check in declare_checks(settings)
            if check.threshold or check.severity is dg.AssetCheckSeverity.WARN
        }
        of_days = {
            f"{spec.asset_key.to_user_string()} {spec.name}"
            for made in platform.definitions.asset_checks or []
            for spec in made.check_specs
            if spec.partitions_def
        }
        answers = platform.answers(result.run_id)
        assert answers.keys() >= of_days
        for check, days in ((check, answers[check]) for check in of_days):
            assert list(days) == [str(day) for day in case.days]
            if check not in of_the_shop:
                failed = {day: answer.metadata for day, answer in days.items() if not answer.passed}
                assert (check, failed) == (check, {})
