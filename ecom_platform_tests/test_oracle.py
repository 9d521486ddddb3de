"""The oracle against answers computed by hand; real and made-up shops are in `test_shops.py`."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from hypothesis import settings as hypothesis_settings

from ecom_platform.settings import Settings
from ecom_platform_tests.oracle import (
    Counts,
    Customer,
    Order,
    Payment,
    Shop,
    clean,
    metrics,
    metrics_of,
    read_amount,
    read_instant,
)

relaxed = hypothesis_settings(deadline=None, max_examples=50)
REAL_SHOPS = Path(__file__).parents[2] / "shared" / "data"

MONDAY, TUESDAY, WEDNESDAY = date(2024, 1, 1), date(2024, 1, 2), date(2024, 1, 3)
SHOP = Shop(
    orders=[
        Order("1", "ann", "10.00", "2024-01-01 09:00:00", "completed"),
        Order("2", "ann", "20.00", "2024-01-01 21:00:00", "completed"),
        Order("3", "bob", "30.00", "2024-01-01 10:00:00", " Cancelled "),
        Order("4", None, "5.00", "2024-01-01 11:00:00", None),
        Order("5", "bob", "7.00", "2024-01-02 00:00:00", "completed"),
        Order("6", "eve", "8.00", "2024-01-02 23:59:59.999999", "shipped"),
        Order("7", "gone", "9.00", "2024-01-02 12:00:00", "shipped"),
        Order("8", "ann", "1.00", "2023-12-31 23:59:59", "completed"),
    ],
    customers=[
        Customer("ann", "ann@example.invalid", " North", "2023-05-05"),
        Customer("bob", "bob@example.invalid", "South ", None),
        Customer("eve", "eve@example.invalid", "All", "2024-01-02"),
    ],
    payments=[
        Payment("1", "1", "6.00", " PAID ", "2024-01-01 09:01:00"),
        Payment("2", "1", "4.00", "succeeded", "2024-01-02 09:00:00"),
        Payment("3", "2", "20.00", "authorized", None),
        Payment("4", "3", "-30.00", "captured", "2024-01-01 12:00:00"),
        Payment("5", "5", "7.00", "chargeback", "2024-01-02 13:00:00"),
        Payment("6", "nowhere", "3.00", "settled", "2024-01-02 14:00:00"),
        Payment("7", "6", "0.005", "completed", "2024-01-02 15:00:00"),
        Payment("8", "8", "99.00", "completed", None),
        Payment("9", None, "2.00", "who knows", None),
    ],
)


def settings(**options: Any) -> Settings:
    """Return settings that do not depend on the environment's `.env`."""
    start: dict[str, Any] = {"start_date": MONDAY}
    return Settings(_env_file=None, **start | options)


def money(text: str) -> Decimal:
    """Return an exact amount."""
    return Decimal(text)


def orders_at(*times: str | datetime | None, **options: Any) -> list[tuple[str, str]]:
    """Return (id, day) of the clean orders among some that were placed at these times."""
    orders = [Order(str(number), None, "1", at, "new") for number, at in enumerate(times)]
    cleaned = clean(Shop(orders, [], []), settings(**options))
    return [(order.id, str(order.day)) for order in cleaned.orders]


def test_revenue_is_what_was_received_by_the_day_it_was_paid() -> None:
    assert metrics(SHOP, settings(), [MONDAY, TUESDAY])["total_revenue"] == {
        (MONDAY, "all"): {"total_revenue": money("-24.00")},
        (MONDAY, "North"): {"total_revenue": money("6.00")},
        (MONDAY, "South"): {"total_revenue": money("-30.00")},
        (MONDAY, "unknown"): {"total_revenue": money("0.00")},
        (TUESDAY, "all"): {"total_revenue": money("7.01")},
        (TUESDAY, "North"): {"total_revenue": money("4.00")},
        (TUESDAY, "South"): {"total_revenue": money("0.00")},
        (TUESDAY, "unknown"): {"total_revenue": money("3.00")},
        (TUESDAY, "all (region)"): {"total_revenue": money("0.01")},
    }


def test_payment_status_holds_every_payment_of_the_day_once() -> None:
    assert metrics(SHOP, settings(), [MONDAY, TUESDAY, WEDNESDAY])["payment_status"] == {
        (MONDAY, "all", "completed"): {"payments": 2, "amount": money("-24.00")},
        (MONDAY, "all", "pending"): {"payments": 1, "amount": money("20.00")},
        (MONDAY, "all", "other"): {"payments": 1, "amount": money("2.00")},
        (MONDAY, "North", "completed"): {"payments": 1, "amount": money("6.00")},
        (MONDAY, "North", "pending"): {"payments": 1, "amount": money("20.00")},
        (MONDAY, "South", "completed"): {"payments": 1, "amount": money("-30.00")},
        (MONDAY, "unknown", "other"): {"payments": 1, "amount": money("2.00")},
        (TUESDAY, "all", "completed"): {"payments": 3, "amount": money("7.01")},
        (TUESDAY, "all", "refunded"): {"payments": 1, "amount": money("7.00")},
        (TUESDAY, "North", "completed"): {"payments": 1, "amount": money("4.00")},
        (TUESDAY, "South", "refunded"): {"payments": 1, "amount": money("7.00")},
        (TUESDAY, "unknown", "completed"): {"payments": 1, "amount": money("3.00")},
        (TUESDAY, "all (region)", "completed"): {"payments": 1, "amount": money("0.01")},
    }


def test_orders_count_in_every_status_and_guests_are_no_customers() -> None:
    tables = metrics(SHOP, settings(), [MONDAY, TUESDAY])
    assert tables["total_orders"] == {
        (MONDAY, "all"): {"total_orders": 4, "void_orders": 1},
        (MONDAY, "North"): {"total_orders": 2, "void_orders": 0},
        (MONDAY, "South"): {"total_orders": 1, "void_orders": 1},
        (MONDAY, "unknown"): {"total_orders": 1, "void_orders": 0},
        (TUESDAY, "all"): {"total_orders": 3, "void_orders": 0},
        (TUESDAY, "South"): {"total_orders": 1, "void_orders": 0},
        (TUESDAY, "all (region)"): {"total_orders": 1, "void_orders": 0},
        (TUESDAY, "unknown"): {"total_orders": 1, "void_orders": 0},
    }
    assert tables["total_customers"] == {
        (MONDAY, "all"): {"total_customers": 2},
        (MONDAY, "North"): {"total_customers": 1},
        (MONDAY, "South"): {"total_customers": 1},
        (MONDAY, "unknown"): {"total_customers": 0},
        (TUESDAY, "all"): {"total_customers": 3},
        (TUESDAY, "South"): {"total_customers": 1},
        (TUESDAY, "all (region)"): {"total_customers": 1},
        (TUESDAY, "unknown"): {"total_customers": 1},
    }


def test_an_average_needs_orders_and_its_regions_are_those_of_both_inputs() -> None:
    averages = {
        (region, *row.values())
        for (_, region), row in metrics(SHOP, settings(), [TUESDAY])["average_order_value"].items()
    }
    assert averages == {
        ("all", money("7.01"), 3, 7.01 / 3),
        ("North", money("4.00"), 0, None),
        ("South", money("0.00"), 1, 0.0),
        ("unknown", money("3.00"), 1, 3.0),
        ("all (region)", money("0.01"), 1, 0.01),
    }


def test_retention_counts_orders_not_days_and_leaves_out_void_ones_and_guests() -> None:
    retention = metrics(SHOP, settings(), [MONDAY, TUESDAY])["customer_retention_rate"]
    assert {key: tuple(row.values()) for key, row in retention.items()} == {
        (MONDAY, "all"): (1, 1, 1.0),
        (MONDAY, "North"): (1, 1, 1.0),
        (TUESDAY, "all"): (4, 1, 0.25),
        (TUESDAY, "North"): (1, 1, 1.0),
        (TUESDAY, "South"): (1, 0, 0.0),
        (TUESDAY, "all (region)"): (1, 0, 0.0),
        (TUESDAY, "unknown"): (1, 0, 0.0),
    }


@pytest.mark.parametrize(("days", "expected"), [(2, (1, 0, 0.0)), (3, (1, 1, 1.0))])
def test_the_retention_window_includes_both_its_ends(
    days: int, expected: tuple[int, int, float]
) -> None:
    orders = [
        Order(day, "ann", "1", f"2024-01-0{day} 12:00:00", "completed") for day in ("1", "3", "4")
    ]
    retention = metrics(
        Shop(orders, [], []), settings(retention_days=days), [WEDNESDAY, date(2024, 1, 6)]
    )["customer_retention_rate"]
    assert tuple(retention[WEDNESDAY, "all"].values()) == expected
    assert retention[date(2024, 1, 6), "all"]["active_customers"] == (1 if days == 3 else 0)


def test_a_customer_who_moved_is_counted_where_they_ordered_last() -> None:
    before = clean(SHOP, settings())
    moved = Shop(SHOP.orders, [Customer("ann", None, "West", None)], [])
    again = Order("9", "ann", "1.00", "2024-01-03 09:00:00", "completed")
    after = clean(moved._replace(orders=[again]), settings())
    both = before._replace(orders=after.orders + before.orders)
    retention = metrics_of(both, settings(), [TUESDAY, WEDNESDAY])["customer_retention_rate"]
    assert (TUESDAY, "North") in retention
    assert (WEDNESDAY, "North") not in retention
    assert tuple(retention[WEDNESDAY, "West"].values()) == (1, 1, 1.0)
    assert tuple(retention[WEDNESDAY, "all"].values()) == (4, 1, 0.25)


def test_a_day_without_anything_has_a_row_of_zeros_for_all_but_no_payment_status() -> None:
    assert metrics(Shop([], [], []), settings(), [MONDAY]) == {
        "total_revenue": {(MONDAY, "all"): {"total_revenue": 0}},
        "total_orders": {(MONDAY, "all"): {"total_orders": 0, "void_orders": 0}},
        "total_customers": {(MONDAY, "all"): {"total_customers": 0}},
        "payment_status": {},
        "average_order_value": {
            (MONDAY, "all"): {
                "total_revenue": 0,
                "total_orders": 0,
                "average_order_value": None,
            }
        },
        "customer_retention_rate": {
            (MONDAY, "all"): {
                "active_customers": 0,
                "repeat_customers": 0,
                "customer_retention_rate": None,
            }
        },
    }


def test_several_payments_of_one_order_do_not_multiply_it() -> None:
    day = metrics(SHOP, settings(), [MONDAY])
    assert day["total_orders"][MONDAY, "North"]["total_orders"] == 2
    assert day["average_order_value"][MONDAY, "North"]["average_order_value"] == 3.0


def test_every_source_row_is_clean_or_quarantined_or_a_duplicate() -> None:
    good = Order("1", None, "1.00", "2024-01-02 10:00:00", "completed")
    shop = Shop(
        orders=[
            good,
            good,
            good,
            Order("2", None, "1.00", "2024-01-02 10:00:00", "completed"),
            Order("2", None, "1.01", "2024-01-02 10:00:00", "completed"),
            Order("2", None, "1.01", "2024-01-02 10:00:00", "completed"),
            Order(None, None, "1.00", "2024-01-02 10:00:00", "completed"),
            Order("3", None, "$12", "2024-01-02 10:00:00", "completed"),
            Order("4", None, "1.00", "2024-02-30 10:00:00", "completed"),
            Order("5", None, "1.00", None, "completed"),
            Order("6", None, "1.00", "2023-12-31 10:00:00", "completed"),
        ],
        customers=[],
        payments=[
            Payment("1", "1", "1.00", "paid", None),
            Payment("2", "5", "1.00", "paid", None),
            Payment("3", None, "1.00", "paid", "2024-02-30 10:00:00"),
            Payment("4", "1", "1.00", "paid", "soon"),
            Payment("5", "1", None, "paid", "2024-01-02 10:00:00"),
            Payment("6", "1", "1.00", "paid", "2024-01-02 10:00:00"),
            Payment("6", "1", "1.00", "paid", "2024-01-03 10:00:00"),
            Payment("7", "6", "1.00", "paid", None),
        ],
    )
    assert clean(shop, settings()).counts == {
        ("orders", MONDAY): Counts(cleaned=0, quarantined=2, duplicates=0),
        ("orders", TUESDAY): Counts(cleaned=2, quarantined=3, duplicates=3),
        ("payments", MONDAY): Counts(cleaned=1, quarantined=1, duplicates=0),
        ("payments", TUESDAY): Counts(cleaned=2, quarantined=2, duplicates=0),
        ("payments", WEDNESDAY): Counts(cleaned=1, quarantined=0, duplicates=0),
    }


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ("0.005", "0.01"),
        ("-0.005", "-0.01"),
        ("1.015", "1.02"),
        ("2.675", "2.68"),
        ("0.0049999999999999999999", "0.00"),
        ("-0.004", "0.00"),
        ("9999999999999999.994", "9999999999999999.99"),
        ("9999999999999999.995", None),
        ("-10000000000000000", None),
        ("1e30", None),
        ("NaN", None),
        ("Infinity", None),
        ("$12", None),
        ("1_000", None),
        ("١٢", None),
        ("", None),
    ],
)
def test_amounts_are_rounded_half_up_to_cents_or_refused(text: str, cents: str | None) -> None:
    assert read_amount(text) == (None if cents is None else money(cents))


def test_a_day_belongs_to_the_business_timezone() -> None:
    auckland = {"timezone": "Pacific/Auckland", "start_date": date(2024, 4, 6)}
    # Clocks go back on 2024-04-07 at 03:00: that day lasts 25 hours, to 12:00 UTC.
    assert orders_at(
        "2024-04-06 10:59:59.999999", "2024-04-06 11:00:00", "2024-04-07 11:59:59",
        "2024-04-07 12:00:00", "2024-04-07T23:30:00+12:00", "2024-04-07 00:30:00+14:00", **auckland,
    ) == [
        ("0", "2024-04-06"), ("5", "2024-04-06"), ("1", "2024-04-07"), ("2", "2024-04-07"),
        ("4", "2024-04-07"), ("3", "2024-04-08"),
    ]  # fmt: skip


def test_naive_timestamps_are_wall_clock_times_of_the_source() -> None:
    options = {"timezone": "UTC", "source_timezone": "Asia/Kolkata"}
    assert orders_at(
        "2024-01-02 05:29:59", "2024-01-02 05:30:00", datetime(2024, 1, 2, 5, 30),  # noqa: DTZ001
        "2024-01-02T05:30:00Z", **options,
    ) == [
        ("0", "2024-01-01"), ("1", "2024-01-02"), ("2", "2024-01-02"), ("3", "2024-01-02"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wall", "zone", "instant"),
    [
        ("2024-11-03 01:30:00", "America/New_York", datetime(2024, 11, 3, 6, 30, tzinfo=UTC)),
        ("2024-03-10 02:30:00", "America/New_York", datetime(2024, 3, 10, 7, 30, tzinfo=UTC)),
        ("2018-11-04 00:30:00", "America/Sao_Paulo", datetime(2018, 11, 4, 3, 30, tzinfo=UTC)),
        ("2018-02-17 23:30:00", "America/Sao_Paulo", datetime(2018, 2, 18, 2, 30, tzinfo=UTC)),
    ],
)
def test_a_time_that_exists_twice_or_never_is_read_as_databases_do(
    wall: str, zone: str, instant: datetime, postgres: str
) -> None:
    with psycopg.connect(postgres) as connection:
        query = "select %s::timestamp at time zone %s"
        assert connection.execute(query, (wall, zone)).fetchone() == (instant,)
    assert read_instant(wall, ZoneInfo(zone)) == instant


@pytest.mark.parametrize(
    "text", ["2024-02-30 10:00:00", "0000-00-00 00:00:00", "2024-01-01 24:00:00", "2024", "now", ""]
)
def test_a_time_that_cannot_be_is_unreadable(text: str) -> None:
    assert read_instant(text, ZoneInfo("UTC")) is None
