"""Contracts of a day: each broken one stops exactly that day, says why, and the old day stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest

from ecom_platform.datasets import Column, Dataset, Type
from ecom_platform.engines.duckdb import text
from ecom_platform.errors import LakeError
from ecom_platform.lake.tables import Rows
from ecom_platform_tests.lake.shelf import DAYS, NO_SALES, SALES, Run, sales

if TYPE_CHECKING:
    from pathlib import Path

FIRST, SECOND, THIRD = DAYS

ID, REGION, AMOUNT, SOLD_AT, DAY, PIECES, SHARE, GIFT = SALES.columns
STRICT = replace(
    SALES,
    columns=(
        ID,
        replace(REGION, required=True, accepted=("north", "south", "it's {odd}")),
        AMOUNT,
        replace(SOLD_AT, required=True),
        DAY,
        PIECES,
        SHARE,
        GIFT,
        Column("note", Type.TEXT, "Free text"),
        Column("buyer", Type.ID, "Who"),
        Column("email", Type.TEXT, "Address", pii=True),
    ),
)


def good(day: str, number: int = 1) -> str:
    """Return a good row of a day, as SQL."""
    return f"{number}, 'north', 1, '{day} 12:00:00Z'"


def strict(*rows: str, change: str = "") -> str:
    """Return a query over good rows of each day, of which some columns are changed."""
    every = sales(*(good(day) for day in DAYS), *rows)
    note = (
        f"SELECT *, NULL::VARCHAR AS note, 1 AS buyer, 'a@example.invalid' AS email FROM ({every})"
    )
    return f"SELECT * REPLACE ({change}) FROM ({note})" if change else note


def on_second(column: str, value: str) -> str:
    """Return SQL that changes a column on the second day."""
    return f"CASE WHEN date = '{SECOND}' THEN {value} ELSE {column} END AS {column}"


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (strict(change=on_second("id", "NULL")), "1 rows have no id"),
        (strict(change=on_second("region", "NULL")), "1 rows have no region"),
        (strict(change=on_second("sold_at", "NULL")), "1 rows have no sold_at"),
        (strict(good(SECOND), good(SECOND)), "2 rows repeat the key (id)"),
        (
            strict(change=on_second("region", "'North'")),
            "1 rows have a region that is none of north, south, it's {odd}",
        ),
        (
            strict(change=on_second("note", "'mail Ann.Lee+x@mail.example.invalid, please'")),
            "1 rows hold an e-mail address in note",
        ),
        (
            strict(change="CASE WHEN date = '2024-01-02' THEN 'a@example.invalid' "
                   "ELSE id::VARCHAR END AS buyer"),
            "1 rows hold an e-mail address in buyer",
        ),
        (
            strict(change=on_second("sold_at", "'2024-01-01 23:59:59.999999Z'::TIMESTAMPTZ")),
            "1 rows have a sold_at of another day",
        ),
        (
            strict(change=on_second("sold_at", "'2024-01-03 00:00:00Z'::TIMESTAMPTZ")),
            "1 rows have a sold_at of another day",
        ),
    ],
)  # fmt: skip
def test_a_broken_contract_stops_exactly_its_day(address: str, query: str, reason: str) -> None:
    before = Run(address, dataset=STRICT)
    assert before.publish(strict(), DAYS).bad_days == {}
    old = {day: before.stat(day) for day in DAYS}

    # The other days differ from what is there, so that they are published anew.
    report = Run(address, dataset=STRICT).publish(f"SELECT * REPLACE (7 AS pieces) FROM ({query})")

    assert report.bad_days == {SECOND: reason}
    assert list(report.published) == [FIRST, THIRD]
    after = {day: before.stat(day) for day in DAYS}
    assert after[SECOND] == old[SECOND]
    assert after[FIRST].etag != old[FIRST].etag
    assert after[THIRD].etag != old[THIRD].etag


def test_all_broken_contracts_of_a_day_are_said_at_once(tmp_path: Path) -> None:
    no_region, address = on_second("region", "NULL"), on_second("note", "'x@example.invalid'")
    query = strict(change=f"{no_region}, {address}")
    report = Run(str(tmp_path), dataset=STRICT).publish(query)
    assert report.bad_days == {
        SECOND: "1 rows have no region; 1 rows hold an e-mail address in note"
    }


def test_a_reason_never_holds_the_address_that_was_found(tmp_path: Path) -> None:
    query = strict(change=on_second("note", "'ann@example.invalid'"))
    report = Run(str(tmp_path), dataset=STRICT).publish(query)
    assert "@" not in report.bad_days[SECOND]


@pytest.mark.parametrize("value", ["@", "a@b", "2 @ 3.50", "@ann", "x@y.", "user@host"])
def test_what_is_no_address_may_be_published(tmp_path: Path, value: str) -> None:
    query = strict(change=on_second("note", text(value)))
    assert Run(str(tmp_path), dataset=STRICT).publish(query).bad_days == {}


def test_an_address_may_be_where_the_declaration_says_so(tmp_path: Path) -> None:
    assert Run(str(tmp_path), dataset=STRICT).publish(strict()).bad_days == {}


@pytest.mark.parametrize("nulls", ["note", "buyer", "email", "amount", "day", "share"])
def test_what_is_not_required_may_be_null(tmp_path: Path, nulls: str) -> None:
    query = strict(change=f"NULL AS {nulls}")
    assert Run(str(tmp_path), dataset=STRICT).publish(query).bad_days == {}


def test_a_key_of_several_columns_is_one_key(tmp_path: Path) -> None:
    pairs = replace(SALES, key=("region", "id"))
    query = sales(
        f"1, 'north', 1, '{FIRST}'",
        f"1, 'south', 1, '{FIRST}'",
        f"1, 'north', 1, '{SECOND}'",
        f"2, 'south', 1, '{SECOND}'",
        f"2, 'south', 2, '{SECOND}'",
    )
    report = Run(str(tmp_path), dataset=pairs).publish(query)
    assert report.bad_days == {SECOND: "1 rows repeat the key (region, id)"}


def test_rows_without_a_key_do_not_count_as_repeating_it(tmp_path: Path) -> None:
    report = Run(str(tmp_path)).publish(sales(f"NULL, 'x', 1, '{FIRST}'"))
    assert report.bad_days == {FIRST: "1 rows have no id"}


@pytest.mark.parametrize(
    ("timezone", "instant", "day"),
    [
        # The clocks of Berlin go from 2 to 3 on 31 March and from 3 to 2 on 27 October.
        ("Europe/Berlin", "2024-03-30 22:59:59.999999Z", "2024-03-30"),
        ("Europe/Berlin", "2024-03-30 23:00:00Z", "2024-03-31"),
        ("Europe/Berlin", "2024-03-31 21:59:59.999999Z", "2024-03-31"),
        ("Europe/Berlin", "2024-03-31 22:00:00Z", "2024-04-01"),
        ("Europe/Berlin", "2024-10-26 22:00:00Z", "2024-10-27"),
        ("Europe/Berlin", "2024-10-27 22:59:59.999999Z", "2024-10-27"),
        ("Europe/Berlin", "2024-10-27 23:00:00Z", "2024-10-28"),
        ("America/New_York", "2024-03-11 03:59:59.999999Z", "2024-03-10"),
        ("America/New_York", "2024-11-04 04:59:59.999999Z", "2024-11-03"),
        # Havana's clocks skip midnight: its 10 March begins at 1:00, which is 05:00 UTC.
        ("America/Havana", "2024-03-10 04:59:59.999999Z", "2024-03-09"),
        ("America/Havana", "2024-03-10 05:00:00Z", "2024-03-10"),
        # And have midnight twice on 3 November.
        ("America/Havana", "2024-11-03 04:30:00Z", "2024-11-03"),
        ("America/Havana", "2024-11-03 05:30:00Z", "2024-11-03"),
        ("Asia/Kathmandu", "2024-05-04 18:14:59.999999Z", "2024-05-04"),
        ("Asia/Kathmandu", "2024-05-04 18:15:00Z", "2024-05-05"),
        ("Pacific/Kiritimati", "2024-05-04 10:00:00Z", "2024-05-05"),
    ],
)
def test_a_row_belongs_to_the_day_of_the_business_timezone(
    tmp_path: Path, timezone: str, instant: str, day: str
) -> None:
    """Filed there it is published; filed under the day before or after it stops that day."""
    run = Run(str(tmp_path), timezone=timezone)
    row = sales(f"1, 'x', 1, '{instant}'")
    for filed, is_good in ((0, True), (-1, False), (1, False)):
        under = str(date.fromisoformat(day) + timedelta(days=filed))
        report = run.publish(f"SELECT * REPLACE (DATE '{under}' AS date) FROM ({row})", [under])
        reason = {under: "1 rows have a sold_at of another day"}
        assert report.bad_days == ({} if is_good else reason)


def test_people_older_than_the_lake_are_filed_under_its_first_day(tmp_path: Path) -> None:
    people = Dataset(
        "cleaned",
        "people",
        "People.",
        "one row per person",
        (Column("id", Type.ID, "Who"), Column("signup_date", Type.DATE, "Since when")),
        key=("id",),
        dated_by="signup_date",
    )
    query = """
        SELECT id, signup_date::DATE AS signup_date, date::DATE AS date FROM (VALUES
            (1, '1999-12-31', '2024-01-01'), (2, '2024-01-01', '2024-01-01'),
            (3, NULL, '2024-01-01'), (4, '2023-12-31', '2024-01-02'), (5, NULL, '2024-01-02'),
            (6, '2024-01-03', '2024-01-03')
        ) AS people(id, signup_date, date)
    """
    report = Run(str(tmp_path), dataset=people).publish(query)
    assert report.bad_days == {SECOND: "1 rows have a signup_date of another day"}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("SELECT * EXCLUDE (amount) FROM result", "the column amount is missing, declared DECIMAL"),
        ("SELECT *, 1 AS profit FROM result", "the column profit is not declared"),
        (
            "SELECT * REPLACE (amount::DOUBLE AS amount) FROM result",
            "the column amount is DOUBLE, declared DECIMAL(18,2)",
        ),
        (
            "SELECT * REPLACE (amount::DECIMAL(18, 3) AS amount) FROM result",
            "the column amount is DECIMAL(18,3), declared DECIMAL(18,2)",
        ),
        (
            "SELECT * REPLACE (sold_at::TIMESTAMP AS sold_at) FROM result",
            "the column sold_at is TIMESTAMP, declared TIMESTAMP WITH TIME ZONE",
        ),
        (
            "SELECT * REPLACE (id::DOUBLE AS id) FROM result",
            "the column id is DOUBLE, declared ID",
        ),
        (
            "SELECT * REPLACE (date + 5 AS date) FROM result",
            "1 rows are of 2024-01-06, which was not asked for",
        ),
        ("SELECT * REPLACE (NULL::DATE AS date) FROM result", "1 rows are of no day"),
    ],
)
def test_a_result_that_is_not_as_declared_publishes_nothing(
    address: str, change: str, problem: str
) -> None:
    """Whatever made these rows is wrong for every day."""
    run = Run(address)
    run.publish(sales(good(FIRST)))
    old = {day: run.stat(day) for day in DAYS}
    with run.engine.connect() as connection:
        connection.execute(f"CREATE TABLE result AS {typed(sales(good(FIRST)))}")
        connection.execute(f"CREATE TABLE changed AS {change}")
        with pytest.raises(LakeError) as error:
            run.lake.publish(SALES, Rows(connection, "changed"), DAYS, "v1")
    assert error.value.message.startswith("metrics/sales: ")
    assert problem in error.value.message
    assert error.value.hint
    assert {day: run.stat(day) for day in DAYS} == old


def test_tables_that_are_published_together_are_good_together(address: str) -> None:
    """A quarantine that breaks a contract keeps its cleaned day from being published."""
    beside = replace(SALES, name="returns")
    run = Run(address)
    run.lake.remember([SALES, beside])

    def publish(main: str, other: str) -> dict[str, str]:
        with run.engine.connect() as connection:
            connection.execute(f"CREATE TABLE main AS {typed(main)}")
            connection.execute(f"CREATE TABLE other AS {typed(other)}")
            rows = Rows(connection, "main", beside={beside: "other"})
            report = run.lake.publish(SALES, rows, DAYS, "v1")
            assert all(list(found) == [SALES, beside] for found in report.published.values())
            return report.bad_days

    assert publish(sales(good(FIRST)), NO_SALES) == {}
    old = run.storage.etags("metrics")
    assert len(old) == 6
    bad = publish(sales(good(FIRST, 2)), sales(good(FIRST), good(FIRST)))
    assert bad == {FIRST: "1 rows repeat the key (id)"}
    assert run.storage.etags("metrics") == old


def typed(query: str) -> str:
    """Return a query with the declared types."""
    return f"""
        SELECT * REPLACE (
            id::BIGINT AS id, amount::DECIMAL(18, 2) AS amount, pieces::BIGINT AS pieces,
            share::DOUBLE AS share
        ) FROM ({query})
    """
