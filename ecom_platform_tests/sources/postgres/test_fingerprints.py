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
from ecom_platform.errors import SourceError, SourceTooSlowError
from ecom_platform.sources.base import NO_ROWS
from ecom_platform_tests.shop_writers import write_shop
from ecom_platform_tests.shops import Case, cases
from ecom_platform_tests.sources.postgres_database import Database, read

if TYPE_CHECKING:
    from ecom_platform.sources.base import Fingerprints

EPOCH = date(1970, 1, 1)
DAY = "2024-03-01"
PAID = "2024-03-07"
NOON = "2024-03-01 12:00+00"
BERLIN = "Europe/Berlin"
ZERO_UUID = "00000000-0000-0000-0000-000000000000"

many_examples = hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def fingerprints(database: Database, first: str, last: str = "", **options: Any) -> Fingerprints:
    days = date.fromisoformat(first), date.fromisoformat(last or first)
    with database.source(**options).snapshot() as snapshot:
        return snapshot.fingerprints(*days, seconds=60)


def days_that_differ(before: Fingerprints, after: Fingerprints) -> dict[str, list[str]]:
    """Return table -> the days that are others."""
    differing = {
        table: [str(day) for day in days if days[day] != after[table][day]]
        for table, days in before.items()
    }
    return {table: days for table, days in differing.items() if days}


MONEY = ["NULL", "0", "1", "-1", "10", "100", "0.01", "-0.01", "12.5", "'NaN'"]
IDS = {
    "bigint": ["NULL", "0", "1", "-1", "4294967296", "-4294967296", "9223372036854775807"],
    "integer": ["NULL", "0", "1", "-1", "2147483647"],
    "uuid": ["NULL", f"'{ZERO_UUID}'", f"'{ZERO_UUID[:-1]}1'", f"'1{ZERO_UUID[1:]}'"],
    "text": ["NULL", "''", "' '", "'7'", "'007'", "'NULL'"],
    "numeric": ["NULL", "0", "7", "-7", "70", "9007199254740993"],
}
TEXTS = ["NULL", "''", "'paid'", "'Paid'", "'paid '", "'päid'", "'NULL'"]
TIMES = [
    "NULL", "'1970-01-01 00:00'", "'1970-01-01 00:00:00.000001'", "'1970-01-01 01:11:34.967296'",
    "'1970-01-02 00:00'", "'infinity'", "'-infinity'", "'12000-01-01'", "'12000-01-02'",
]  # fmt: skip
DATES = [
    "NULL", "'1970-01-01'", "'1970-01-02'", "'1969-12-31'", "'infinity'", "'-infinity'",
    "'300000-01-01'",
]  # fmt: skip
VALUES = [
    *((column, kind, values) for kind, values in IDS.items() for column in ("orders_id",)),
    *(
        (column, kind, values)
        for kind, values in IDS.items()
        for column in ("orders_customer_id", "payments_order_id")
    ),
    ("customers_id", "uuid", IDS["uuid"]),
    ("payments_id", "text", IDS["text"]),
    ("orders_total_amount", "numeric(12,2)", MONEY),
    ("orders_total_amount", "numeric", [*MONEY, "1.005", "'infinity'", "'-infinity'"]),
    ("orders_total_amount", "double precision", [*MONEY, "'infinity'", "'-infinity'"]),
    ("orders_total_amount", "money", MONEY[:-1]),
    ("orders_total_amount", "integer", ["NULL", "0", "1", "-1"]),
    ("payments_amount", "numeric(12,2)", MONEY),
    ("orders_status", "text", TEXTS),
    ("payments_status", "varchar(9)", TEXTS),
    ("customers_email", "text", TEXTS),
    ("customers_region", "text", TEXTS),
    ("orders_created_at", "timestamptz", TIMES),
    ("orders_created_at", "timestamp", TIMES),
    ("payments_paid_at", "timestamptz", TIMES),
    ("customers_signup_date", "date", DATES),
    ("customers_signup_date", "timestamptz", TIMES),
]


@pytest.mark.parametrize(("column", "kind", "values"), VALUES)
def test_every_two_values_of_a_column_are_told_apart(
    database: Database, column: str, kind: str, values: list[str]
) -> None:
    # Other types than `create` makes, without keys, so that ids may be NULL too.
    table, _, name = column.partition("_")
    plain = dict.fromkeys(("customers_id", "orders_id", "payments_id"), "bigint")
    database.create(**{**plain, column: kind})
    database.execute(f"insert into {table} (id) values (null)")
    seen: Counter[str] = Counter()
    for value in values:
        database.execute(f"update {table} set {name} = {value}")
        found = fingerprints(database, "1970-01-01", "1970-01-02", start_date=EPOCH)[table]
        assert sorted(fingerprint == NO_ROWS for fingerprint in found.values()) == [False, True]
        seen.update(fingerprint for fingerprint in found.values() if fingerprint != NO_ROWS)
    assert len(seen) == len(values)


def test_a_wider_integer_is_not_another_one(database: Database) -> None:
    database.create(orders_customer_id="integer")
    database.insert("orders", (1, 7, 1, NOON, "paid"), (2, None, 1, NOON, "paid"))
    before = fingerprints(database, DAY)
    database.execute("alter table orders alter customer_id type bigint")
    assert fingerprints(database, DAY) == before


@pytest.mark.parametrize("rows", [[(1, 2), (1, 2)], [(1, 2), (2, 1)], [(0, None), (None, 0)]])
def test_rows_do_not_cancel_each_other(database: Database, rows: list[tuple[Any, ...]]) -> None:
    database.create(orders_id="bigint")
    seen = {NO_ROWS}
    for count in (1, 2, 3, 4):
        database.insert("orders", *[(*row, 1, NOON, "paid") for row in rows])
        found = fingerprints(database, DAY)["orders"][date.fromisoformat(DAY)]
        assert found.startswith(f"{count * len(rows)}:")
        seen.add(found.partition(":")[2])
    assert len(seen) == 5


def test_values_that_change_places_are_other_rows(database: Database) -> None:
    database.create()
    database.insert("orders", (1, 5, 10, NOON, "paid"), (2, 6, 20, NOON, "open"))
    before = fingerprints(database, DAY)
    database.execute("update orders set status = case status when 'paid' then 'open' "
                     "else 'paid' end")  # fmt: skip
    assert days_that_differ(before, fingerprints(database, DAY)) == {"orders": [DAY]}


def test_a_payment_that_is_paid_changes_the_day_it_leaves_and_the_one_it_joins(
    database: Database,
) -> None:
    database.create()
    database.insert("orders", (1, None, 10, NOON, "open"))
    database.insert("payments", (1, 1, 10, "pending", None))
    before = fingerprints(database, "2024-02-28", "2024-03-10")
    database.execute("update payments set status = 'paid', paid_at = '2024-03-07 12:00+00'")
    after = fingerprints(database, "2024-02-28", "2024-03-10")
    assert days_that_differ(before, after) == {"payments": [DAY, "2024-03-07"]}


@pytest.mark.parametrize(
    ("change", "differ"),
    [
        ("update customers set region = 'south'", {"customers": ["2024-01-05"]}),
        ("insert into customers values (2)", {"customers": ["2024-01-01"], "orders": [DAY]}),
        (
            "delete from customers",
            {"customers": ["2024-01-05"], "orders": [DAY], "payments": [DAY, PAID]},
        ),
        ("update orders set customer_id = 3 where id = 1",
         {"orders": [DAY], "payments": [DAY, PAID]}),
        ("update orders set total_amount = 11, status = 'sent'", {"orders": [DAY]}),
        ("update orders set created_at = created_at + interval '1 hour' where id = 1",
         {"orders": [DAY], "payments": [DAY, PAID]}),
        (f"insert into orders values (3, null, 1, '{NOON}')",
         {"orders": [DAY], "payments": [PAID]}),
    ],
)  # fmt: skip
def test_what_a_row_takes_from_its_parents_is_part_of_its_fingerprint_but_the_region(
    database: Database, change: str, differ: dict[str, list[str]]
) -> None:
    database.create()
    database.insert("customers", (1, None, "north", "2024-01-05"))
    database.insert("orders", (1, 1, 10, NOON, "open"), (2, 2, 10, NOON, "open"))
    database.insert(
        "payments",
        (1, 1, 5, "pending", None),
        (2, 1, 5, "paid", f"{PAID} 12:00+00"),
        (3, 3, 5, "paid", f"{PAID} 12:00+00"),
    )
    before = fingerprints(database, "2024-01-01", "2024-03-10")
    database.execute(change)
    after = fingerprints(database, "2024-01-01", "2024-03-10")
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
def test_a_row_counts_on_its_business_day(database: Database, moved: str, days: list[str]) -> None:
    database.create()
    span = ("2024-01-01", "2024-12-31")
    before = fingerprints(database, *span, timezone=BERLIN)
    database.insert("orders", (1, None, 1, moved, "paid"))
    after = fingerprints(database, *span, timezone=BERLIN)
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


def stored(database: Database, rows: list[tuple[Any, ...]]) -> Fingerprints:
    """Fill orders with nothing else than some rows, and return their fingerprints."""
    database.execute("truncate orders")
    database.copy("orders", rows)
    return fingerprints(database, "2024-03-30", "2024-04-01", start_date=date(2024, 3, 30))


@many_examples
@given(one=ROWS, other=ROWS)
def test_other_rows_have_another_fingerprint_and_the_same_in_any_order_the_same(
    database: Database, one: list[tuple[Any, ...]], other: list[tuple[Any, ...]]
) -> None:
    assume(Counter(one) != Counter(other))
    database.create(orders_id="bigint", orders_customer_id="text")
    first = stored(database, one)
    assert stored(database, one[::-1]) == first
    assert stored(database, other) != first
    assert not one or stored(database, [*one, one[0]]) != first


@many_examples
@given(case=cases(typed=True))
def test_any_day_has_one_fingerprint_however_it_is_asked_for(
    database: Database, case: Case
) -> None:
    write_shop(case.shop, database)
    names = ("timezone", "source_timezone", "start_date")
    options = {name: case.options[name] for name in names}
    first, last = case.days[0], case.days[-1]
    with database.source(**options).snapshot() as snapshot, tempfile.TemporaryDirectory() as folder:
        whole = snapshot.fingerprints(first, last, seconds=60)
        for table, days in whole.items():
            extraction = snapshot.extract(table, first, last, Path(folder))
            assert extraction.fingerprints == days
            rows = Counter(row["date"] for row in read(snapshot, table, str(first), str(last)).rows)
            counts = {day: int(text.partition(":")[0]) for day, text in days.items()}
            assert counts == {day: rows[day] for day in days_between(first, last)}
            for day in case.days:
                assert snapshot.fingerprints(day, day, seconds=60)[table] == {day: days[day]}


def test_a_database_that_takes_too_long_is_stopped(database: Database) -> None:
    database.create()
    database.execute("insert into orders select n, n, 1, %s::timestamptz, 'paid' "
                     "from generate_series(1, 200000) as n", NOON)  # fmt: skip
    day = date.fromisoformat(DAY)
    with (
        database.source().snapshot() as snapshot,
        pytest.raises(SourceTooSlowError, match="takes more than 0"),
    ):
        snapshot.fingerprints(day, day, seconds=0.01)


def test_the_three_tables_are_of_one_moment_and_cannot_be_written(database: Database) -> None:
    database.create()
    database.insert("orders", (1, None, 1, NOON, "paid"))
    day = date.fromisoformat(DAY)
    with database.source().snapshot() as snapshot:
        before = snapshot.fingerprints(day, day, seconds=60)
        database.insert("orders", (2, None, 1, NOON, "paid"))
        database.insert("payments", (1, 1, 1, "paid", NOON))
        assert snapshot.fingerprints(day, day, seconds=60) == before
    assert fingerprints(database, DAY) != before


def test_a_table_that_is_missing_is_named(database: Database) -> None:
    database.create()
    database.execute("drop table payments")
    with pytest.raises(SourceError, match="no table payments"):
        fingerprints(database, DAY)
