"""What must not matter does not, and what matters changes nothing else: lakes against lakes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ecom_platform.lake.storage import open_storage
from ecom_platform_tests.comparisons import (
    as_files,
    content,
    lake_of,
    read_counts,
    read_metrics,
    thorough,
)
from ecom_platform_tests.oracle import Order, Shop
from ecom_platform_tests.pipeline import DATASETS, Pipeline
from ecom_platform_tests.shops import Case, cases

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from ecom_platform.settings import Settings

METRICS = [path for path in DATASETS if path.startswith("metrics/")]


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


@st.composite
def shops(draw: st.DrawFn, *, typed: bool = False) -> Case:
    """Make a case with enough in it to go wrong."""
    case = draw(cases(typed=typed, most_shops=5))
    assume(min(map(len, case.shop)) > 5)
    return case


def noon(case: Case, day: date) -> str:
    """Return the middle of a business day, as a source would spell it."""
    at = datetime.combine(day, time(12), ZoneInfo(case.settings.timezone))
    return at.astimezone(UTC).isoformat()


@thorough(2)
@given(shops(), st.data())
def test_runs_of_any_length_make_the_same_lake(
    instance: dg.DagsterInstance, case: Case, data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, len(case.days) - 1), min_size=1)))
    runs = [case.days[start:end] for start, end in pairwise([0, *cuts, len(case.days)])]
    with lake_of(case, instance) as whole, lake_of(case, instance, *runs) as parts:
        assert content(parts, case.days) == content(whole, case.days)


@thorough(2)
@given(shops())
def test_days_made_in_any_order_and_then_again_make_the_same_lake(
    instance: dg.DagsterInstance, case: Case
) -> None:
    # Until the days before it are there, the retention of a day cannot be made.
    runs = [*([day] for day in reversed(case.days)), case.days]
    with lake_of(case, instance) as whole, lake_of(case, instance, *runs) as parts:
        assert content(parts, case.days) == content(whole, case.days)


@thorough(2)
@given(shops(), st.randoms(use_true_random=False))
def test_the_order_of_the_sources_rows_does_not_matter(
    instance: dg.DagsterInstance, case: Case, random: Random
) -> None:
    mixed = Shop(*(random.sample(rows, len(rows)) for rows in case.shop))
    with lake_of(case, instance) as one, lake_of(replace(case, shop=mixed), instance) as other:
        assert content(other, case.days) == content(one, case.days)


@thorough(2)
@given(shops(), st.randoms(use_true_random=False))
def test_exact_duplicates_are_counted_and_change_nothing_else(
    instance: dg.DagsterInstance, case: Case, random: Random
) -> None:
    doubled = Shop(*(rows + random.sample(rows, len(rows) // 2) for rows in case.shop))
    with lake_of(case, instance) as one, lake_of(replace(case, shop=doubled), instance) as other:
        old, new = content(one, case.days), content(other, case.days)
        counts = [read_counts(lake, case.days) for lake in (one, other)]
    for path in DATASETS:
        if path.startswith("raw/"):
            assert set(new[path]) == set(old[path])
        else:
            assert new[path] == old[path], path
    before, after = ({key: c[:2] for key, c in found.items()} for found in counts)
    assert after == before
    added = sum(new[path].total() - old[path].total() for path in DATASETS)
    assert added == sum(counts[1][key].duplicates - counts[0][key].duplicates for key in counts[1])


@thorough(2)
@given(shops())
def test_a_payment_in_two_parts_brings_the_same_revenue(
    instance: dg.DagsterInstance, case: Case
) -> None:
    # Ids and amounts that cannot be rejected, for what is rejected brings nothing.
    whole = [
        row._replace(id=str(number), amount=f"{number - 3}.25")
        for number, row in enumerate(case.shop.payments)
    ]
    parts = [
        row._replace(id=f"{row.id} {part}", amount=str(amount))
        for row in whole
        for part, amount in (("a", "0.01"), ("b", Decimal(row.amount or 0) - Decimal("0.01")))
    ]
    one = replace(case, shop=case.shop._replace(payments=whole))
    two = replace(case, shop=case.shop._replace(payments=parts))
    with lake_of(one, instance) as before, lake_of(two, instance) as after:
        old, new = (read_metrics(lake, case.days) for lake in (before, after))
    statuses = old.pop("payment_status")
    assert new.pop("payment_status") == {
        key: {"payments": 2 * row["payments"], "amount": row["amount"]}
        for key, row in statuses.items()
    }
    assert new == old


@thorough(2)
@given(shops())
def test_a_region_by_another_name_changes_its_name_alone(
    instance: dg.DagsterInstance, case: Case
) -> None:
    name = 'Cymru & "co"; \'--'
    renamed = [
        row._replace(region=name) if (row.region or "").strip() == "North" else row
        for row in case.shop.customers
    ]
    north = [row for row in case.shop.customers if (row.region or "").strip() == "North"]
    assume(north)
    other = replace(case, shop=case.shop._replace(customers=renamed))
    with lake_of(case, instance) as before, lake_of(other, instance) as after:
        old, new = content(before, case.days), content(after, case.days)
    for path in (*METRICS, "cleaned/orders", "cleaned/customers", "cleaned/payments"):
        assert new[path] == Counter(
            {
                tuple(name if value == "North" else value for value in row): count
                for row, count in old[path].items()
            }
        ), path


@thorough(2)
@given(shops())
def test_an_order_of_a_later_day_leaves_the_earlier_days_untouched(
    instance: dg.DagsterInstance, case: Case
) -> None:
    """The objects are not even written again."""
    last = case.days[-1]
    buyer = case.shop.customers[0].id
    order = Order("a later one", buyer, "1.00", noon(case, last), "shipped")
    with lake_of(case, instance) as settings:
        old = _objects(settings)
        shop = case.shop._replace(orders=[*case.shop.orders, order])
        as_files(shop, Path(settings.lake).with_name("shop"))
        assert Pipeline(settings, instance).run(case.days[0], last) == {}
        new = _objects(settings)
    changed = {path for path in old.keys() | new.keys() if old.get(path) != new.get(path)}
    assert {path for path in changed if f"date={last}" not in path} == set()
    expected = {f"{name}/date={last}/data.parquet" for name in ("raw/orders", "cleaned/orders")}
    assert expected <= changed
    assert f"cleaned/payments/date={last}/data.parquet" not in changed


def _objects(settings: Settings) -> dict[str, str]:
    """Return the versions of all objects of a lake: path -> ETag."""
    storage = open_storage(settings.lake)
    return {path: etag for name in DATASETS for path, etag in storage.etags(name).items()}


@thorough(2)
@given(shops(typed=True), st.integers(1, 100))
def test_weeks_later_the_same_shop_has_the_same_figures(
    instance: dg.DagsterInstance, case: Case, weeks: int
) -> None:
    shift = timedelta(weeks=weeks)
    options = case.options | {"timezone": "Asia/Kolkata", "source_timezone": "UTC"}
    start = case.days[0] + shift
    shop = Shop(
        *(
            [row._make(_shifted(value, shift) for value in row) for row in rows]
            for rows in case.shop
        )
    )
    now = replace(case, options=options)
    later = Case(shop, options | {"start_date": start}, [day + shift for day in case.days])
    with lake_of(now, instance) as before, lake_of(later, instance) as after:
        old, new = read_metrics(before, now.days), read_metrics(after, later.days)
        counts = read_counts(before, now.days), read_counts(after, later.days)
    assert new == {
        name: {(day + shift, *key): row for (day, *key), row in rows.items()}
        for name, rows in old.items()
    }
    assert counts[1] == {(table, day + shift): c for (table, day), c in counts[0].items()}


def _shifted(value: Any, shift: timedelta) -> Any:
    return value + shift if isinstance(value, date) else value


@thorough(2)
@given(shops())
def test_an_order_of_a_guest_adds_to_orders_and_to_nothing_else(
    instance: dg.DagsterInstance, case: Case
) -> None:
    day = case.days[1]
    guest = Order("a guest's", None, "1.00", noon(case, day), "shipped")
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
