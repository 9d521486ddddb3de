"""Which rows of a PostgreSQL shop a day has, and what the doctor says of its tables."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings

from ecom_platform_tests.oracle import read_instant
from ecom_platform_tests.shop_writers import with_finite_amounts, write_shop
from ecom_platform_tests.shops import Case, cases
from ecom_platform_tests.sources.postgres_database import Database
from ecom_platform_tests.sources.shop_database import ShopDatabase, read

if TYPE_CHECKING:
    from collections.abc import Iterable

BERLIN = "Europe/Berlin"
SAO_PAULO = "America/Sao_Paulo"


def ids(rows: Iterable[dict[str, Any]]) -> list[Any]:
    return [row["id"] for row in rows]


def dates(rows: Iterable[dict[str, Any]]) -> dict[Any, str]:
    return {row["id"]: row["date"].isoformat() for row in rows}


# ------------------------------------------------------------------- the day of a row


def test_an_order_is_read_on_its_business_day_only(shop_database: ShopDatabase) -> None:
    shop_database.create()
    shop_database.insert("orders", (1, None, 1, "2024-03-01 22:59:59.999999+00"))
    shop_database.insert("orders", (2, None, 1, "2024-03-01 23:00:00+00"))
    shop_database.insert("orders", (3, None, 1, "2024-03-02 22:59:59.999999+00"))
    shop_database.insert("orders", (4, None, 1, "2024-03-02 23:00:00+00"))
    assert dates(shop_database.read("orders", "2024-03-02", timezone=BERLIN)) == {
        2: "2024-03-02",
        3: "2024-03-02",
    }
    assert dates(shop_database.read("orders", "2024-03-01", "2024-03-03", timezone=BERLIN)) == {
        1: "2024-03-01",
        2: "2024-03-02",
        3: "2024-03-02",
        4: "2024-03-03",
    }


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        (BERLIN, "2024-03-31", 23),
        (BERLIN, "2024-10-27", 25),
        (BERLIN, "2024-10-28", 24),
        (SAO_PAULO, "2018-11-04", 23),  # begins at one o'clock
        (SAO_PAULO, "2018-02-17", 25),  # ends with an hour before midnight, twice
        ("America/Havana", "2024-11-03", 25),  # has its first hour twice
        ("Australia/Lord_Howe", "2024-04-07", 24.5),
    ],
)
def test_a_day_has_as_many_hours_as_its_clocks_showed(
    shop_database: ShopDatabase, zone: str, day: str, hours: float
) -> None:
    shop_database.create()
    begin = datetime.fromisoformat(f"{day}T00:00+00:00") - timedelta(days=2)
    times = [begin + n * timedelta(minutes=30) for n in range(4 * 48 + 1)]
    shop_database.copy("orders", [(n, None, 1, at, None) for n, at in enumerate(times)])
    rows = shop_database.read("orders", day, timezone=zone, start_date=date(2018, 1, 1))
    assert len(rows) == 2 * hours
    assert {row["created_at"].astimezone(ZoneInfo(zone)).date().isoformat() for row in rows} == {
        day
    }


def test_times_without_a_zone_are_read_in_the_source_timezone(shop_database: ShopDatabase) -> None:
    shop_database.create(orders_created_at="naive")
    shop_database.insert("orders", (1, None, 1, "2024-07-01 00:30:00"))
    rows = shop_database.read("orders", "2024-06-30", source_timezone=BERLIN)
    assert [row["created_at"] for row in rows] == [datetime(2024, 6, 30, 22, 30, tzinfo=UTC)]
    assert shop_database.read("orders", "2024-07-01", source_timezone=BERLIN) == []


def test_a_time_that_clocks_skipped_or_showed_twice_is_its_later_reading(
    shop_database: ShopDatabase,
) -> None:
    shop_database.create(orders_created_at="naive")
    shop_database.insert("orders", (1, None, 1, "2024-03-31 02:30:00"))
    shop_database.insert("orders", (2, None, 1, "2024-10-27 02:30:00"))
    rows = shop_database.read("orders", "2024-01-01", "2024-12-31", source_timezone=BERLIN)
    assert [row["created_at"] for row in rows] == [
        datetime(2024, 3, 31, 1, 30, tzinfo=UTC),
        datetime(2024, 10, 27, 1, 30, tzinfo=UTC),
    ]


def test_a_time_in_a_midnight_that_was_skipped_is_not_lost(shop_database: ShopDatabase) -> None:
    shop_database.create(orders_created_at="naive")
    shop_database.insert("orders", (1, None, 1, "2018-11-04 00:30:00"))
    options: dict[str, Any] = {
        "timezone": SAO_PAULO, "source_timezone": SAO_PAULO, "start_date": date(2018, 1, 1),
    }  # fmt: skip
    (row,) = shop_database.read("orders", "2018-11-04", **options)
    assert row["created_at"] == datetime(2018, 11, 4, 3, 30, tzinfo=UTC)


def test_a_day_that_its_island_skipped_is_not_lost(shop_database: ShopDatabase) -> None:
    shop_database.create(orders_created_at="naive")
    shop_database.insert("orders", (1, None, 1, "2011-12-30 12:00:00"))
    options: dict[str, Any] = {"source_timezone": "Pacific/Apia", "start_date": date(2011, 1, 1)}
    whole = shop_database.read("orders", "2011-12-27", "2012-01-02", **options)
    (day,) = dates(whole).values()
    assert shop_database.read("orders", day, **options) == whole


def test_a_date_is_midnight_in_the_source_timezone(shop_database: ShopDatabase) -> None:
    shop_database.create(orders_created_at="date", payments_paid_at="date")
    shop_database.insert("orders", (1, None, 1, "2024-07-01"), (2, None, 1, "2024-07-02"))
    shop_database.insert("payments", (1, 1, 1, "paid", "2024-07-01"))
    (order,) = shop_database.read("orders", "2024-06-30", source_timezone=BERLIN)
    assert order["created_at"] == datetime(2024, 6, 30, 22, 0, tzinfo=UTC)
    (payment,) = shop_database.read("payments", "2024-06-30", source_timezone=BERLIN)
    assert payment["paid_at"] == payment["order_created_at"] == order["created_at"]
    assert ids(
        shop_database.read("orders", "2024-07-01", timezone=BERLIN, source_timezone=BERLIN)
    ) == [1]


def test_orders_without_a_time_belong_to_the_first_day(database: Database) -> None:
    database.create()
    database.insert("orders", (1, None, 1, None), (2, None, 1, "infinity"))
    database.insert("orders", (3, None, 1, "-infinity"), (4, None, 1, "0044-03-15 12:00+00 BC"))
    database.insert("orders", (5, None, 1, "10000-01-01 00:00+00"), (6, None, 1, "2024-01-01"))
    rows = database.read("orders", "2024-01-01")
    assert set(dates(rows).values()) == {"2024-01-01"}
    assert {row["id"]: row["created_at_text"] for row in rows} == {
        1: None,
        2: "infinity",
        3: "-infinity",
        4: "0044-03-15 12:00:00+00 BC",
        5: "10000-01-01 00:00:00+00",
        6: None,
    }
    assert [row["id"] for row in rows if row["created_at"] is not None] == [6]
    assert database.read("orders", "2024-01-02", "2024-12-31") == []
    assert ids(database.read("orders", "2024-01-01", "2024-12-31")) == ids(rows)


def test_orders_before_the_first_day_are_outside_of_the_lake(shop_database: ShopDatabase) -> None:
    shop_database.create()
    shop_database.insert("orders", (1, None, 1, "2023-12-31 23:59:59+00"))
    shop_database.insert("payments", (1, 1, 1, "pending", None), (2, 1, 1, "paid", "2023-12-31"))
    shop_database.insert("payments", (3, 1, 1, "paid", "2024-02-01"))
    assert shop_database.read("orders", "2024-01-01", "2024-12-31") == []
    assert dates(shop_database.read("payments", "2024-01-01", "2024-12-31")) == {3: "2024-02-01"}


@pytest.mark.parametrize("kind", ["date", "timestamp", "timestamptz"])
def test_customers_of_before_belong_to_the_first_day(database: Database, kind: str) -> None:
    database.create(customers_signup_date=kind)
    database.insert("customers", (1, None, None, "2019-05-01"), (2, None, None, None))
    database.insert("customers", (3, None, None, "infinity"), (4, None, None, "2024-01-01"))
    database.insert("customers", (5, None, None, "2024-01-02"), (6, None, None, "0044-03-15 BC"))
    rows = database.read("customers", "2024-01-01")
    assert ids(rows) == [1, 2, 3, 4, 6]
    assert set(dates(rows).values()) == {"2024-01-01"}
    assert [row["signup_date"] for row in rows] == [
        date(2019, 5, 1), None, None, date(2024, 1, 1), None,
    ]  # fmt: skip
    assert [row["signup_date_text"] is None for row in rows] == [True, True, False, True, False]
    assert rows[2]["signup_date_text"] == "infinity"
    assert dates(database.read("customers", "2024-01-02", "2024-12-31")) == {5: "2024-01-02"}


def test_a_sign_up_time_is_the_business_day_it_was(shop_database: ShopDatabase) -> None:
    shop_database.create(customers_signup_date="instant")
    shop_database.insert("customers", (1, None, None, "2024-06-30 22:30+00"))
    (row,) = shop_database.read("customers", "2024-07-01", timezone=BERLIN)
    assert row["signup_date"] == date(2024, 7, 1)
    assert shop_database.read("customers", "2024-06-30", timezone=BERLIN) == []


def test_a_payment_moves_from_its_orders_day_to_the_day_it_is_paid(
    shop_database: ShopDatabase,
) -> None:
    shop_database.create()
    shop_database.insert("orders", (7, None, 1, "2024-03-01 12:00+00"))
    shop_database.insert("payments", (1, 7, 1, "pending", None))
    assert ids(shop_database.read("payments", "2024-03-01")) == [1]
    shop_database.execute("update payments set paid_at = %s", "2024-03-05 12:00+00")
    assert shop_database.read("payments", "2024-03-01", "2024-03-04") == []
    assert dates(shop_database.read("payments", "2024-03-05")) == {1: "2024-03-05"}


def test_a_payment_that_nothing_dates_belongs_to_the_first_day(shop_database: ShopDatabase) -> None:
    shop_database.create()
    shop_database.insert("orders", (7, None, 1, None), (8, None, 1, "2024-03-01 12:00+00"))
    shop_database.insert("payments", (1, 7, 1, "pending", None), (2, 99, 1, "pending", None))
    shop_database.insert("payments", (3, None, 1, "pending", None), (4, 8, 1, "paid", None))
    assert dates(shop_database.read("payments", "2024-01-01")) == dict.fromkeys(
        (1, 2, 3), "2024-01-01"
    )
    assert dates(shop_database.read("payments", "2024-03-01")) == {4: "2024-03-01"}


def test_a_payment_of_an_unreadable_time_is_filed_as_if_it_had_none(database: Database) -> None:
    database.create()
    database.insert("orders", (8, None, 1, "2024-03-01 12:00+00"))
    database.insert("payments", (4, 8, 1, "paid", "infinity"))
    (unreadable,) = database.read("payments", "2024-03-01")
    assert (unreadable["paid_at"], unreadable["paid_at_text"]) == (None, "infinity")


def test_an_empty_table_and_an_empty_day_have_no_files_and_no_totals(
    shop_database: ShopDatabase,
) -> None:
    shop_database.create()
    with shop_database.source().snapshot() as snapshot:
        for table in ("orders", "customers", "payments"):
            assert read(snapshot, table, "2024-01-01", "2024-12-31") == ([], {}, [])
    shop_database.insert("orders", (1, None, 1, "2024-03-01"))
    with shop_database.source().snapshot() as snapshot:
        assert read(snapshot, "orders", "2024-03-02") == ([], {}, [])


@hypothesis_settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(case=cases(typed=True))
def test_any_shop_is_read_whole_each_row_on_its_day(
    shop_database: ShopDatabase, case: Case
) -> None:
    case = replace(case, shop=with_finite_amounts(case.shop))
    write_shop(case.shop, shop_database)
    options = {name: case.options[name] for name in ("timezone", "source_timezone", "start_date")}
    business, source = (ZoneInfo(case.options[name]) for name in ("timezone", "source_timezone"))
    start = case.options["start_date"]
    regions = {str(row.id): row.region for row in case.shop.customers if row.id is not None}
    orders = {str(row.id): row for row in case.shop.orders if row.id is not None}

    def day_of(time: Any) -> date:
        instant = read_instant(time, source)
        return start if instant is None else instant.astimezone(business).date()

    def parent_of_payment(row: Any) -> Any:
        return orders.get(str(row.order_id))

    expected: dict[str, Counter[Any]] = {
        "orders": Counter(
            (row.id, row.status, None if row.customer_id is None else str(row.customer_id) in
             regions, regions.get(str(row.customer_id)), day_of(row.created_at))
            for row in case.shop.orders
        ),
        "customers": Counter(
            (row.id, row.email, max(row.signup_date or start, start)) for row in case.shop.customers
        ),
        "payments": Counter(
            (row.id, row.status, bool(parent), regions.get(str(parent.customer_id)) if parent else
             None, day_of(row.paid_at or (parent and parent.created_at)))
            for row in case.shop.payments for parent in [parent_of_payment(row)]
        ),
    }  # fmt: skip
    columns = {
        "orders": ("id", "status", "customer_found", "customer_region", "date"),
        "customers": ("id", "email", "date"),
        "payments": ("id", "status", "order_found", "customer_region", "date"),
    }
    with shop_database.source(**options).snapshot() as snapshot:
        for table, names in columns.items():
            wanted = {row: count for row, count in expected[table].items() if row[-1] in case.days}
            whole = read(snapshot, table, str(case.days[0]), str(case.days[-1]))
            single = [row for day in case.days for row in read(snapshot, table, str(day)).rows]
            for rows in (whole.rows, single):
                found = Counter(tuple(row[name] for name in names) for row in rows)
                assert _with_text_ids(found) == _with_text_ids(wanted)
            assert {day: totals.rows for day, totals in whole.totals.items()} == dict(
                Counter(row["date"] for row in whole.rows)
            )


def _with_text_ids(rows: dict[Any, int]) -> dict[Any, int]:
    return {
        (row[0] if isinstance(row[0], int) else row[0] and str(row[0]), *row[1:]): count
        for row, count in rows.items()
    }


# --------------------------------------------------------------------------- the doctor


def test_the_doctor_learns_what_is_there(database: Database) -> None:
    database.create()
    database.insert("customers", (1, None, None, "2020-01-01"), (2, None, None, "infinity"))
    database.insert("orders", (1, 1, 1, "2024-03-01 12:00+00"), (2, 1, 1, "2024-03-05 13:00+00"))
    database.execute(
        "create index on orders (created_at); create index on payments (paid_at);"
        "create index on payments (order_id); create index on customers (signup_date);"
        "alter table orders rename created_at to placed_at; analyze"
    )
    assert database.source(columns={"orders.created_at": "placed_at"}).check() == [
        (
            "orders: table orders, about 2 rows (id bigint, customer_id bigint, total_amount "
            "numeric(12,2), placed_at timestamp with time zone, status text); placed_at from "
            "2024-03-01 12:00:00+00 to 2024-03-05 13:00:00+00"
        ),
        (
            "customers: table customers, about 2 rows (id bigint, email text, region text, "
            "signup_date date); signup_date from 2020-01-01 to 2020-01-01"
        ),
        (
            "Warning, table customers: rows without a readable signup_date: 1, such as `infinity`. "
            "Give these rows a time in the source."
        ),
        (
            "payments: table payments, about 1 rows (id bigint, order_id bigint, amount "
            "numeric(12,2), status text, paid_at timestamp with time zone); paid_at is never set"
        ),
    ]


def test_the_doctor_warns_of_what_makes_reading_slow_or_incomplete(database: Database) -> None:
    database.create(orders_id="bigint", payments_id="bigint")
    database.execute(
        "create role limited_reader login; grant select on all tables in schema public to "
        "limited_reader; alter table customers enable row level security"
    )
    source = Database(database.url.replace("//postgres@", "//limited_reader@")).source()
    warnings = [line for line in source.check() if line.startswith("Warning")]
    database.execute("drop owned by limited_reader; drop role limited_reader")
    assert warnings == [
        "Warning, table orders: no index begins with created_at, so a day reads the whole table.",
        (
            "Warning, table orders: no index proves its ids unique, "
            "so to look up an order takes longer."
        ),
        (
            "Warning, table customers: no index begins with signup_date, so a day reads the whole "
            "table."
        ),
        "Warning, table customers: row-level security may hide rows from the database user.",
        "Warning, table payments: no index begins with paid_at, so a day reads the whole table.",
        "Warning, table payments: no index begins with order_id, so a day reads the whole table.",
    ]


def test_the_doctor_finds_nothing_wrong_with_a_view(database: Database) -> None:
    database.create()
    for table in ("orders", "customers", "payments"):
        database.execute(f"create view v_{table} as select * from {table}")
    tables = {table: f"v_{table}" for table in ("orders", "customers", "payments")}
    facts = database.source(tables=tables).check()
    assert [line.split(",")[0] for line in facts if not line.startswith("Warning")] == [
        "orders: table v_orders", "customers: table v_customers", "payments: table v_payments",
    ]  # fmt: skip
