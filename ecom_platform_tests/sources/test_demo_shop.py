from __future__ import annotations

import math
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from itertools import chain, islice, pairwise
from statistics import median
from typing import TYPE_CHECKING, Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import psycopg
import pyarrow as pa
import pytest

from ecom_platform.errors import SettingsError, SourceError, SourceUnavailableError
from ecom_platform.settings import DEFAULT_PAYMENT_STATUSES, SOURCE_COLUMNS
from ecom_platform.sources.demo_shop import DemoShop, load_demo_shop
from ecom_platform.sources.demo_shop.demand import REGIONS, plan
from ecom_platform.sources.demo_shop.dirt import RATES
from ecom_platform.sources.demo_shop.life import PART_ROWS
from ecom_platform.sources.demo_shop.rows import customer_rows, order_rows
from ecom_platform.sources.embedded_postgres import embedded_postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

BERLIN = "Europe/Berlin"
#: Five months with Black Friday, Christmas and a day of 25 hours.
SHOP = DemoShop(date(2025, 9, 1), date(2026, 1, 31), orders=60_000, timezone=BERLIN)
TINY = DemoShop(date(2025, 3, 1), date(2025, 3, 20), orders=2_000)

#: Orders with a date of their own, as a row of business day and id.
DATED = (
    "SELECT (created_at AT TIME ZONE 'Europe/Berlin')::date AS day, * FROM orders "
    "WHERE created_at BETWEEN '2025-01-01' AND '2027-01-01'"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with embedded_postgres(tmp_path_factory.mktemp("server")) as dsn:
        yield dsn


@contextmanager
def fresh_database(server: str, name: str) -> Iterator[str]:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    yield server.replace("/postgres?", f"/{name}?")


@pytest.fixture(scope="module")
def shop(server: str) -> Iterator[psycopg.Connection]:
    """The big shop, to read from."""
    with fresh_database(server, "shop") as dsn:
        load_demo_shop(dsn, SHOP)
        with psycopg.connect(dsn, autocommit=True) as connection:
            yield connection


@pytest.fixture
def database(server: str) -> Iterator[str]:
    """A database of the test's own."""
    with fresh_database(server, f"own_{uuid4().hex}") as dsn:
        yield dsn


def all_of(connection: psycopg.Connection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query.encode()).fetchall()


def one(connection: psycopg.Connection, query: str) -> Any:
    return all_of(connection, query)[0][0]


def stored_bytes(dsn: str) -> dict[str, bytes]:
    """Return each table as it lies on the disk, from the first row to the last."""
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor:
        tables = {}
        for table in SOURCE_COLUMNS:
            with cursor.copy(f"COPY {table} TO STDOUT".encode()) as copy:
                tables[table] = b"".join(copy)
        return tables


def test_the_same_values_give_the_same_rows_to_the_byte(database: str) -> None:
    load_demo_shop(database, TINY)
    first = stored_bytes(database)
    load_demo_shop(database, TINY)
    assert stored_bytes(database) == first


def test_another_seed_is_another_shop(database: str) -> None:
    load_demo_shop(database, TINY)
    first = stored_bytes(database)
    load_demo_shop(database, DemoShop(TINY.first_day, TINY.last_day, TINY.orders, seed=2))
    assert all(rows != first[table] for table, rows in stored_bytes(database).items())


def test_the_tables_have_the_columns_of_the_source_schema(shop: psycopg.Connection) -> None:
    columns = all_of(
        shop,
        "SELECT table_name, column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = 'public' ORDER BY ordinal_position",
    )
    instant = "timestamp with time zone"
    types = {
        "orders": ("bigint", "bigint", "numeric", instant, "text"),
        "customers": ("bigint", "text", "text", "date"),
        "payments": ("bigint", "bigint", "numeric", "text", instant),
    }
    for table, names in SOURCE_COLUMNS.items():
        found = [(name, type_) for of, name, type_ in columns if of == table]
        assert found == list(zip(names, types[table], strict=True))


def test_what_a_shop_searches_by_is_indexed(shop: psycopg.Connection) -> None:
    indexes = all_of(shop, "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public'")
    found = {f"{table}{definition.rpartition(' ')[2]}" for table, definition in indexes}
    assert found == {
        "customers(id)",
        "orders(id)",
        "orders(customer_id)",
        "orders(created_at)",
        "payments(id)",
        "payments(order_id)",
        "payments(paid_at)",
    }


def test_the_rows_reported_are_the_rows_stored(database: str) -> None:
    rows = load_demo_shop(database, TINY)
    with psycopg.connect(database) as connection:
        assert rows == {table: one(connection, f"SELECT count(*) FROM {table}") for table in rows}


@pytest.mark.parametrize("orders", [5_000, 10_000, 1_000_000, 100_000_000])
def test_there_are_as_many_orders_as_asked_for(orders: int) -> None:
    demand = plan(DemoShop(SHOP.first_day, SHOP.last_day, orders))
    assert demand.orders.sum() == pytest.approx(orders, rel=4 / math.sqrt(orders))


def test_every_business_day_has_orders_and_no_other_day_has(shop: psycopg.Connection) -> None:
    days = [day for (day,) in all_of(shop, f"SELECT DISTINCT day FROM ({DATED}) ORDER BY 1")]
    count = (SHOP.last_day - SHOP.first_day).days + 1
    assert days == [SHOP.first_day + timedelta(days=n) for n in range(count)]


def test_orders_arrive_in_the_order_of_their_numbers(shop: psycopg.Connection) -> None:
    instants = [at for (at,) in all_of(shop, f"SELECT created_at FROM ({DATED}) ORDER BY id")]
    assert all(earlier <= later for earlier, later in pairwise(instants))


def test_orders_fill_a_day_of_25_hours_to_its_end(shop: psycopg.Connection) -> None:
    latest = one(
        shop,
        f"SELECT max(created_at AT TIME ZONE 'Europe/Berlin') FROM ({DATED}) "
        "WHERE day = '2025-10-26'",
    )
    assert latest.hour == 23


def test_evenings_are_busier_than_nights(shop: psycopg.Connection) -> None:
    by_hour = dict(
        all_of(
            shop,
            "SELECT extract(hour FROM created_at AT TIME ZONE 'Europe/Berlin')::int, count(*) "
            f"FROM ({DATED}) GROUP BY 1",
        )
    )
    assert by_hour[20] > 5 * by_hour[3]


def orders_by_day(shop: psycopg.Connection) -> dict[date, int]:
    return dict(all_of(shop, f"SELECT day, count(*) FROM ({DATED}) GROUP BY 1 ORDER BY 1"))


def test_saturdays_are_quieter_than_mondays(shop: psycopg.Connection) -> None:
    orders = orders_by_day(shop)
    monday, saturday = (
        median(count for day, count in orders.items() if day.weekday() == weekday)
        for weekday in (0, 5)
    )
    assert 0.6 < saturday / monday < 0.95


def test_black_friday_stands_out_and_christmas_is_quiet(shop: psycopg.Connection) -> None:
    orders = orders_by_day(shop)
    december = median(count for day, count in orders.items() if day.month == 12)
    assert orders[date(2025, 11, 28)] > 1.5 * december
    assert orders[date(2025, 12, 25)] < 0.7 * december


def test_some_customers_come_back_and_most_do_not(shop: psycopg.Connection) -> None:
    returning = one(
        shop,
        "SELECT avg((orders >= 2)::int)::float FROM (SELECT count(*) AS orders FROM "
        f"({DATED}) WHERE day > '2026-01-31'::date - 90 AND customer_id < 1e12 "
        "GROUP BY customer_id)",
    )
    assert 0.2 < returning < 0.4


def test_a_tenth_of_the_customers_places_a_good_share_of_the_orders(
    shop: psycopg.Connection,
) -> None:
    counts = [
        count
        for (count,) in all_of(
            shop,
            f"SELECT count(*) FROM ({DATED}) WHERE customer_id IS NOT NULL "
            "GROUP BY customer_id ORDER BY 1 DESC",
        )
    ]
    assert 0.25 < sum(counts[: len(counts) // 10]) / sum(counts) < 0.5


def test_most_customers_order_on_the_day_they_sign_up_and_none_before(
    shop: psycopg.Connection,
) -> None:
    waits = (
        "SELECT c.id, min(o.day) - c.signup_date AS days FROM customers c "
        f"LEFT JOIN ({DATED}) o ON o.customer_id = c.id "
        "WHERE c.signup_date BETWEEN '2025-09-01' AND '2026-01-31' GROUP BY 1"
    )
    assert one(shop, f"SELECT min(days) FROM ({waits})") == 0
    share = "avg(coalesce(days = 0, false)::int)::float"
    assert 0.85 < one(shop, f"SELECT {share} FROM ({waits})") < 0.95
    assert one(shop, "SELECT count(*) FROM customers WHERE signup_date < '2025-09-01'") > 10_000


def test_a_few_orders_in_a_hundred_are_of_guests(shop: psycopg.Connection) -> None:
    share = one(shop, "SELECT avg((customer_id IS NULL)::int)::float FROM orders")
    assert 0.03 < share < 0.05


def test_regions_differ_in_size_and_in_baskets(shop: psycopg.Connection) -> None:
    found = all_of(
        shop,
        "SELECT region, count(DISTINCT c.id), percentile_cont(0.5) WITHIN GROUP "
        "(ORDER BY total_amount) FROM customers c JOIN orders o ON o.customer_id = c.id "
        "WHERE trim(region) <> '' GROUP BY 1 ORDER BY 2 DESC",
    )
    assert {region for region, _, _ in found} == {region.name for region in REGIONS}
    assert found[0][1] > 5 * found[-1][1]
    baskets = {region: float(basket) for region, _, basket in found}
    assert baskets["Latin America"] < 0.8 * baskets["North America"]


def test_addresses_lead_nowhere(shop: psycopg.Connection) -> None:
    pattern = r"^ ?[a-zA-Z]+[0-9]+@[eE][xX][aA][mM][pP][lL][eE]\.[iI][nN][vV][aA][lL][iI][dD] ?$"
    assert one(shop, f"SELECT count(*) FROM customers WHERE email !~ '{pattern}'") == 0
    assert one(shop, "SELECT count(*) - count(DISTINCT email) FROM customers WHERE email > ''") == 0


def test_nothing_is_paid_after_the_last_day_ends(shop: psycopg.Connection) -> None:
    closing = datetime(2026, 2, 1, tzinfo=ZoneInfo(BERLIN))
    latest = one(shop, "SELECT max(paid_at) FROM payments")
    assert closing - timedelta(hours=1) < latest <= closing


def test_pending_payments_are_those_of_the_last_days(shop: psycopg.Connection) -> None:
    pending = dict(
        all_of(
            shop,
            "SELECT o.day, avg((p.paid_at IS NULL)::int)::float FROM payments p "
            f"JOIN ({DATED}) o ON o.id = p.order_id GROUP BY 1",
        )
    )
    assert 0.1 < pending[date(2026, 1, 31)] < 0.25
    assert 0.005 < pending[date(2026, 1, 27)] < 0.06
    assert not any(share for day, share in pending.items() if day < date(2026, 1, 16))


def test_payment_words_are_many_spelled_variously_and_nearly_all_known(
    shop: psycopg.Connection,
) -> None:
    spelled = [word for (word,) in all_of(shop, "SELECT DISTINCT status FROM payments")]
    known = {word: kind for kind, words in DEFAULT_PAYMENT_STATUSES.items() for word in words}
    kinds = {known[word.strip().lower()] for word in spelled if word.strip().lower() in known}
    assert kinds == set(DEFAULT_PAYMENT_STATUSES)
    assert len({word.strip().lower() for word in spelled} & set(known)) > 20
    assert {"completed", "Completed", "COMPLETED", " completed "} <= set(spelled)


def test_a_payment_without_a_date_is_pending_and_no_other(shop: psycopg.Connection) -> None:
    words = ", ".join(f"'{word}'" for word in DEFAULT_PAYMENT_STATUSES["pending"])
    pending = f"lower(trim(status)) IN ({words})"
    unknown = "lower(trim(status)) IN ('manual_review', 'escalated', '???')"
    assert one(shop, f"SELECT count(*) FROM payments WHERE {pending} AND paid_at IS NOT NULL") == 0
    assert (
        one(
            shop,
            f"SELECT count(*) FROM payments WHERE NOT {pending} AND paid_at IS NULL "
            f"AND NOT {unknown}",
        )
        == 0
    )


def test_completed_orders_are_paid_in_full(shop: psycopg.Connection) -> None:
    words = ", ".join(f"'{word}'" for word in DEFAULT_PAYMENT_STATUSES["failed"])
    exact = one(
        shop,
        "WITH paid AS (SELECT order_id, sum(amount) AS amount FROM payments "
        f"WHERE lower(trim(status)) NOT IN ({words}) GROUP BY 1) "
        "SELECT avg((paid.amount = o.total_amount)::int)::float FROM orders o "
        "JOIN paid ON paid.order_id = o.id WHERE lower(trim(o.status)) = 'completed'",
    )
    assert 0.99 < exact < 1  # but for the dirty ones


def test_some_orders_are_paid_in_two_and_some_after_a_failure(shop: psycopg.Connection) -> None:
    words = ", ".join(f"'{word}'" for word in DEFAULT_PAYMENT_STATUSES["failed"])
    attempts = (
        f"SELECT order_id, count(*) FILTER (WHERE lower(trim(status)) IN ({words})) AS failed, "
        "count(*) AS made FROM payments GROUP BY 1"
    )
    split, retried = all_of(
        shop,
        "SELECT avg((failed = 0 AND made = 2)::int)::float, "
        f"avg((failed = 1 AND made = 2)::int)::float FROM ({attempts})",
    )[0]
    assert 0.02 < split < 0.06
    assert 0.03 < retried < 0.08


def test_orders_are_in_every_state_and_older_ones_are_settled(shop: psycopg.Connection) -> None:
    latest = dict(all_of(shop, f"SELECT lower(trim(status)), max(day) FROM ({DATED}) GROUP BY 1"))
    assert {"completed", "shipped", "processing", "pending", "returned", "cancelled"} <= set(latest)
    open_ = "lower(trim(status)) IN ('pending', 'processing', 'shipped')"
    assert one(shop, f"SELECT min(day) FROM ({DATED}) WHERE {open_}") > date(2025, 12, 31)


ORPHAN = 10**12

DIRT = {
    "orders": {
        "orphan_customer": f"customer_id > {ORPHAN}",
        "nan_amount": "total_amount = 'NaN'",
        "null_amount": "total_amount IS NULL",
        "negative_amount": "total_amount < 0",
        "many_decimals": "total_amount <> round(total_amount, 2)",
        "null_created_at": "created_at IS NULL",
        "absurd_created_at": "NOT created_at BETWEEN '2025-01-01' AND '2027-01-01'",
        "unknown_status": "status IN ('manual_review', 'escalated', '???')",
    },
    "payments": {
        "orphan_order": f"order_id > {ORPHAN}",
        "nan_amount": "amount = 'NaN'",
        "null_amount": "amount IS NULL",
        "negative_amount": "amount < 0",
        "many_decimals": "amount <> round(amount, 2)",
        "unknown_status": "status IN ('manual_review', 'escalated', '???')",
    },
    "customers": {
        "blank_region": "coalesce(trim(region), '') = ''",
        "null_signup_date": "signup_date IS NULL",
        "null_email": "email IS NULL",
        "untidy_email": "email <> lower(trim(email))",
    },
}


@pytest.mark.parametrize(("table", "kind"), [(t, k) for t, kinds in RATES.items() for k in kinds])
def test_each_kind_of_dirt_is_there_at_its_rate(
    shop: psycopg.Connection, table: str, kind: str
) -> None:
    if kind == "exact_duplicate":
        counted = f"SELECT count(*) - count(DISTINCT {table}) FROM {table}"
    else:
        counted = f"SELECT count(*) FROM {table} WHERE {DIRT[table][kind]}"
    expected = RATES[table][kind] * one(shop, f"SELECT count(*) FROM {table}")
    found = one(shop, counted)
    assert found > 0
    assert abs(found - expected) < 4 * math.sqrt(expected) + 1


def test_orphans_name_customers_and_orders_that_do_not_exist(shop: psycopg.Connection) -> None:
    nobody = one(
        shop,
        "SELECT count(*) FROM orders o WHERE customer_id IS NOT NULL "
        "AND NOT EXISTS (SELECT FROM customers c WHERE c.id = o.customer_id)",
    )
    assert nobody == one(
        shop, f"SELECT count(*) FROM orders WHERE {DIRT['orders']['orphan_customer']}"
    )
    nothing = one(
        shop,
        "SELECT count(*) FROM payments p "
        "WHERE NOT EXISTS (SELECT FROM orders o WHERE o.id = p.order_id)",
    )
    assert nothing == one(
        shop, f"SELECT count(*) FROM payments WHERE {DIRT['payments']['orphan_order']}"
    )


def test_seen_later_the_shop_has_the_same_payments_with_more_of_them_settled() -> None:
    demand, (_, closing) = plan(TINY), TINY.calendar.bounds(TINY.last_day, TINY.last_day)

    def payments(now: datetime) -> dict[Any, Any]:
        batches = [rows.batch for rows in order_rows(TINY, demand, now) if rows.table == "payments"]
        table = pa.concat_tables(
            pa.Table.from_batches([b]) for b in batches if b["paid_at"].type != pa.string()
        )
        return dict(zip(table["id"].to_pylist(), table["paid_at"].to_pylist(), strict=True))

    today, later = payments(closing), payments(closing + timedelta(days=5))
    assert today.keys() == later.keys()
    assert all(later[number] == paid for number, paid in today.items() if paid)
    pending, still = (sum(paid is None for paid in some.values()) for some in (today, later))
    assert 0 < still < pending / 2


def test_memory_does_not_grow_with_the_number_of_orders() -> None:
    crowded = DemoShop(date(2025, 5, 1), date(2025, 5, 2), orders=400_000)
    demand, (_, closing) = (
        plan(crowded),
        crowded.calendar.bounds(crowded.last_day, crowded.last_day),
    )
    largest = dict.fromkeys(SOURCE_COLUMNS, 0)
    for rows in chain(
        islice(customer_rows(crowded, demand), 5), order_rows(crowded, demand, closing)
    ):
        largest[rows.table] = max(largest[rows.table], len(rows.batch))
    assert 0.8 * PART_ROWS < largest["orders"] < 1.01 * PART_ROWS
    assert largest["payments"] < 1.2 * PART_ROWS
    assert 0.5 * PART_ROWS < largest["customers"] <= PART_ROWS


def test_progress_rises_to_the_number_of_orders(database: str) -> None:
    seen: list[tuple[int, int]] = []
    rows = load_demo_shop(database, TINY, progress=lambda sent, total: seen.append((sent, total)))
    sent = [orders for orders, _ in seen]
    assert sent == sorted(sent)
    assert sent[-1] == rows["orders"]
    assert {total for _, total in seen} == {int(plan(TINY).orders.sum())}


def test_a_load_that_breaks_off_leaves_the_shop_as_it_was(database: str) -> None:
    class StopHereError(Exception):
        pass

    def stop(_sent: int, _total: int) -> None:
        raise StopHereError

    load_demo_shop(database, TINY)
    before = stored_bytes(database)
    with pytest.raises(StopHereError):
        load_demo_shop(database, SHOP, progress=stop)
    assert stored_bytes(database) == before


def test_tables_that_no_demo_has_made_are_left_alone(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("CREATE TABLE payments AS SELECT 1 AS real_money")
    with pytest.raises(SourceError, match="payments") as caught:
        load_demo_shop(database, TINY)
    assert "Nothing was changed" in caught.value.message
    with psycopg.connect(database) as connection:
        assert one(connection, "SELECT real_money FROM payments") == 1
        assert one(connection, "SELECT to_regclass('orders') IS NULL")


def test_a_database_that_refuses_says_why(database: str) -> None:
    load_demo_shop(database, TINY)
    with psycopg.connect(database) as connection:
        connection.execute("CREATE VIEW report AS SELECT * FROM orders")
    with pytest.raises(SourceError, match="depend on it"):
        load_demo_shop(database, TINY)


def test_a_database_that_does_not_answer_keeps_its_password_secret() -> None:
    with pytest.raises(SourceUnavailableError) as caught:
        load_demo_shop("postgresql://shop:pa55word@127.0.0.1:1/shop", TINY)
    assert "pa55word" not in str(caught.value)


def test_a_shop_without_a_day_or_with_hardly_an_order_is_refused() -> None:
    with pytest.raises(SettingsError, match="2025-03-02"):
        DemoShop(date(2025, 3, 2), date(2025, 3, 1))
    with pytest.raises(SettingsError, match="999 orders"):
        DemoShop(date(2025, 3, 1), date(2025, 3, 2), orders=999)
