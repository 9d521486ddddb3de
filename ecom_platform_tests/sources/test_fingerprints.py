"""Fingerprints: another one for other rows, the same one for the same rows, however asked."""

from __future__ import annotations

import tempfile
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ecom_platform.calendar import days_between
from ecom_platform.errors import SourceError
from ecom_platform.sources.base import NO_ROWS
from ecom_platform_tests.shop_writers import with_finite_amounts, write_shop
from ecom_platform_tests.shops import Case, cases
from ecom_platform_tests.sources.shop_database import ShopDatabase, fingerprints, read

if TYPE_CHECKING:
    from ecom_platform.sources.base import Fingerprints

DAY = "2024-03-01"
PAID = "2024-03-07"
NOON = "2024-03-01 12:00+00"
BERLIN = "Europe/Berlin"

many_examples = hypothesis_settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def days_that_differ(before: Fingerprints, after: Fingerprints) -> dict[str, list[str]]:
    """Return table -> the days that are others."""
    differing = {
        table: [str(day) for day in days if days[day] != after[table][day]]
        for table, days in before.items()
    }
    return {table: days for table, days in differing.items() if days}


@pytest.mark.parametrize("rows", [[(1, 2), (1, 2)], [(1, 2), (2, 1)], [(0, None), (None, 0)]])
def test_rows_do_not_cancel_each_other(
    shop_database: ShopDatabase, rows: list[tuple[Any, ...]]
) -> None:
    shop_database.create(orders_id="bigint")
    seen = {NO_ROWS}
    for count in (1, 2, 3, 4):
        shop_database.insert("orders", *[(*row, 1, NOON, "paid") for row in rows])
        found = fingerprints(shop_database, DAY)["orders"][date.fromisoformat(DAY)]
        assert found.startswith(f"{count * len(rows)}:")
        seen.add(found.partition(":")[2])
    assert len(seen) == 5


def test_values_that_change_places_are_other_rows(shop_database: ShopDatabase) -> None:
    shop_database.create()
    shop_database.insert("orders", (1, 5, 10, NOON, "paid"), (2, 6, 20, NOON, "open"))
    before = fingerprints(shop_database, DAY)
    shop_database.execute("update orders set status = case status when 'paid' then 'open' "
                     "else 'paid' end")  # fmt: skip
    assert days_that_differ(before, fingerprints(shop_database, DAY)) == {"orders": [DAY]}


def test_a_payment_that_is_paid_changes_the_day_it_leaves_and_the_one_it_joins(
    shop_database: ShopDatabase,
) -> None:
    shop_database.create()
    shop_database.insert("orders", (1, None, 10, NOON, "open"))
    shop_database.insert("payments", (1, 1, 10, "pending", None))
    before = fingerprints(shop_database, "2024-02-28", "2024-03-10")
    shop_database.execute("update payments set paid_at = %s", "2024-03-07 12:00+00")
    after = fingerprints(shop_database, "2024-02-28", "2024-03-10")
    assert days_that_differ(before, after) == {"payments": [DAY, "2024-03-07"]}


@pytest.mark.parametrize(
    ("change", "differ"),
    [
        ("update customers set region = 'south'", {"customers": ["2024-01-05"]}),
        (
            "insert into customers (id) values (2)",
            {"customers": ["2024-01-01"], "orders": [DAY]},
        ),
        (
            "delete from customers",
            {"customers": ["2024-01-05"], "orders": [DAY], "payments": [DAY, PAID]},
        ),
        ("update orders set customer_id = 3 where id = 1",
         {"orders": [DAY], "payments": [DAY, PAID]}),
        ("update orders set total_amount = 11, status = 'sent'", {"orders": [DAY]}),
        ("update orders set created_at = '2024-03-01 13:00:00' where id = 1",
         {"orders": [DAY], "payments": [DAY, PAID]}),
        ("insert into orders (id, created_at) values (3, '2024-03-01 12:00:00')",
         {"orders": [DAY], "payments": [PAID]}),
    ],
)  # fmt: skip
def test_what_a_row_takes_from_its_parents_is_part_of_its_fingerprint_but_the_region(
    shop_database: ShopDatabase, change: str, differ: dict[str, list[str]]
) -> None:
    shop_database.create()
    shop_database.insert("customers", (1, None, "north", "2024-01-05"))
    shop_database.insert("orders", (1, 1, 10, NOON, "open"), (2, 2, 10, NOON, "open"))
    shop_database.insert(
        "payments",
        (1, 1, 5, "pending", None),
        (2, 1, 5, "paid", f"{PAID} 12:00+00"),
        (3, 3, 5, "paid", f"{PAID} 12:00+00"),
    )
    before = fingerprints(shop_database, "2024-01-01", "2024-03-10")
    shop_database.execute(change)
    after = fingerprints(shop_database, "2024-01-01", "2024-03-10")
    assert days_that_differ(before, after) == differ


@pytest.mark.parametrize(
    ("moved", "days"),
    [
        ("2024-03-30 22:59:59.999999+00", ["2024-03-30"]),
        ("2024-03-30 23:00:00+00", ["2024-03-31"]),
        ("2024-03-31 21:59:59.999999+00", ["2024-03-31"]),  # of a day of 23 hours
        ("2024-03-31 22:00:00+00", ["2024-04-01"]),
        ("2024-10-27 22:59:59.999999+00", ["2024-10-27"]),  # and of 25
        ("2024-10-27 23:00:00+00", ["2024-10-28"]),
        ("2023-12-31 22:59:59+00", []),  # before the lake begins
    ],
)
def test_a_row_counts_on_its_business_day(
    shop_database: ShopDatabase, moved: str, days: list[str]
) -> None:
    shop_database.create()
    span = ("2024-01-01", "2024-12-31")
    before = fingerprints(shop_database, *span, timezone=BERLIN)
    shop_database.insert("orders", (1, None, 1, moved, "paid"))
    after = fingerprints(shop_database, *span, timezone=BERLIN)
    assert days_that_differ(before, after) == ({"orders": days} if days else {})


ROW = st.tuples(
    st.none() | st.integers(0, 3) | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.sampled_from(["", "7", "007", "a", "A"]),
    st.none() | st.decimals(-100, 100, places=2),
    st.none()
    | st.sampled_from([0, 1, 3599, 3600, 86399]).map(
        lambda seconds: datetime(2024, 3, 31, tzinfo=UTC) + timedelta(seconds=seconds)
    ),
    st.none() | st.sampled_from(["", "paid", "open"]),
)
ROWS = st.lists(ROW, max_size=6)


def stored(shop_database: ShopDatabase, rows: list[tuple[Any, ...]]) -> Fingerprints:
    """Fill orders with nothing else than some rows, and return their fingerprints."""
    shop_database.execute("delete from orders")
    shop_database.copy("orders", rows)
    return fingerprints(shop_database, "2024-03-30", "2024-04-01", start_date=date(2024, 3, 30))


@many_examples
@given(one=ROWS, other=ROWS)
def test_other_rows_have_another_fingerprint_and_the_same_in_any_order_the_same(
    shop_database: ShopDatabase, one: list[tuple[Any, ...]], other: list[tuple[Any, ...]]
) -> None:
    assume(Counter(one) != Counter(other))
    shop_database.create(orders_id="bigint", orders_customer_id="text")
    first = stored(shop_database, one)
    assert stored(shop_database, one[::-1]) == first
    assert stored(shop_database, other) != first
    assert not one or stored(shop_database, [*one, one[0]]) != first


@many_examples
@given(case=cases(typed=True))
def test_any_day_has_one_fingerprint_however_it_is_asked_for(
    shop_database: ShopDatabase, case: Case
) -> None:
    write_shop(with_finite_amounts(case.shop), shop_database)
    names = ("timezone", "source_timezone", "start_date")
    options = {name: case.options[name] for name in names}
    first, last = case.days[0], case.days[-1]
    with (
        shop_database.source(**options).snapshot() as snapshot,
        tempfile.TemporaryDirectory() as folder,
    ):
        whole = snapshot.fingerprints(first, last, seconds=60)
        for table, days in whole.items():
            extraction = snapshot.extract(table, first, last, Path(folder))
            assert extraction.fingerprints == days
            rows = Counter(row["date"] for row in read(snapshot, table, str(first), str(last)).rows)
            counts = {day: int(text.partition(":")[0]) for day, text in days.items()}
            assert counts == {day: rows[day] for day in days_between(first, last)}
            for day in case.days:
                assert snapshot.fingerprints(day, day, seconds=60)[table] == {day: days[day]}


def test_the_three_tables_are_of_one_moment_and_cannot_be_written(
    shop_database: ShopDatabase,
) -> None:
    shop_database.create()
    shop_database.insert("orders", (1, None, 1, NOON, "paid"))
    day = date.fromisoformat(DAY)
    with shop_database.source().snapshot() as snapshot:
        before = snapshot.fingerprints(day, day, seconds=60)
        shop_database.insert("orders", (2, None, 1, NOON, "paid"))
        shop_database.insert("payments", (1, 1, 1, "paid", NOON))
        assert snapshot.fingerprints(day, day, seconds=60) == before
    assert fingerprints(shop_database, DAY) != before


def test_a_table_that_is_missing_is_named(shop_database: ShopDatabase) -> None:
    shop_database.create()
    shop_database.execute("drop table payments")
    with pytest.raises(SourceError, match="no table payments"):
        fingerprints(shop_database, DAY)
