"""One snapshot for three tables, streamed, only read, and nothing left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from datetime import date
from typing import TYPE_CHECKING, Any

import pymysql
import pytest

from ecom_platform.errors import SourceError, SourceTooSlowError, SourceUnavailableError
from ecom_platform_tests.sources.shop_database import read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ecom_platform_tests.sources.mariadb_database import MariaDatabase

DAY = "2024-03-01"
YEAR = ("2024-01-01", "2024-12-31")
ROWS = 40_000


@pytest.fixture
def shop(maria: MariaDatabase) -> MariaDatabase:
    """A shop with orders evenly over 2024, each with a payment."""
    maria.create()
    maria.execute("insert into customers values (1, null, 'north', '2020-01-01')")
    maria.execute(
        "insert into orders select seq, 1, seq / 100, '2024-01-01' + interval "
        f"(seq - 1) * {366 * 86_400 // ROWS} second, 'done' from seq_1_to_{ROWS}"
    )
    maria.execute(
        "insert into payments select id, id, total_amount, 'paid', created_at from orders"
    )
    return maria


def connections(database: MariaDatabase) -> list[int]:
    """Return the connections to the database, except our own."""
    found = database.execute(
        "select id from information_schema.processlist where db = database() "
        "and id <> connection_id()"
    )
    return [number for (number,) in found]


def wait_for_none(database: MariaDatabase) -> None:
    deadline = time.monotonic() + 10
    while connections(database):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_all_tables_are_as_they_were_when_the_snapshot_was_opened(shop: MariaDatabase) -> None:
    with shop.source().snapshot() as snapshot:
        shop.execute("update customers set region = 'south'")
        shop.execute("delete from payments where id % 2 = 0")
        shop.execute("update orders set total_amount = 0, customer_id = null")
        shop.execute("insert into orders values (0, null, 1, '2024-06-01', 'late')")
        orders = read(snapshot, "orders", *YEAR)
        assert len(connections(shop)) == 1
        shop.execute("delete from customers")
        shop.execute("delete from orders")
        payments = read(snapshot, "payments", *YEAR)
        customers = read(snapshot, "customers", *YEAR)
    assert [row["id"] for row in orders.rows] == list(range(1, ROWS + 1))
    assert {row["customer_region"] for row in orders.rows} == {"north"}
    assert sum(row["total_amount"] for row in orders.rows) == sum(
        total.amount or 0 for total in orders.totals.values()
    )
    assert [row["id"] for row in payments.rows] == list(range(1, ROWS + 1))
    assert {row["customer_region"] for row in payments.rows} == {"north"}
    assert [row["region"] for row in customers.rows] == ["north"]
    assert shop.read("orders", *YEAR) == []
    wait_for_none(shop)


def test_a_long_snapshot_while_another_connection_writes(shop: MariaDatabase) -> None:
    """Without a pause, and in each transaction an order with its payment."""
    stop = threading.Event()
    written = 0

    def write() -> None:
        nonlocal written
        with shop.connect() as connection, connection.cursor() as cursor:
            while not stop.is_set():
                number = ROWS + 1 + written
                cursor.execute("begin")
                cursor.execute(f"insert into orders values ({number}, 1, 1, '{DAY}', 'new')")
                cursor.execute(
                    f"insert into payments values ({number}, {number}, 1, 'paid', '{DAY}')"
                )
                cursor.execute("update customers set region = concat('r', %s)", [written])
                cursor.execute("commit")
                written += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(2):
            with shop.source().snapshot() as snapshot:
                before = written
                orders = read(snapshot, "orders", *YEAR).rows
                payments = read(snapshot, "payments", *YEAR).rows
                (customer,) = read(snapshot, "customers", *YEAR).rows
            assert [row["id"] for row in orders] == [row["id"] for row in payments]
            assert all(row["order_found"] for row in payments)
            regions = {row["customer_region"] for row in [*orders, *payments]}
            assert regions == {customer["region"]}
            assert written > before
    finally:
        stop.set()
        writer.join()


@pytest.mark.parametrize("change", ["truncate customers", "alter table orders add extra int"])
def test_a_table_cannot_be_changed_behind_the_snapshot(shop: MariaDatabase, change: str) -> None:
    with shop.source().snapshot() as snapshot:
        with pytest.raises(pymysql.OperationalError, match="Lock wait timeout"):
            shop.execute(f"set statement lock_wait_timeout = 1 for {change}")
        assert len(read(snapshot, "customers", "2024-01-01").rows) == 1
    wait_for_none(shop)


def test_rows_are_written_in_groups_of_a_few_megabytes(shop: MariaDatabase) -> None:
    shop.execute("update orders set status = repeat('x', 250)")
    with shop.source().snapshot() as snapshot:
        (groups,) = read(snapshot, "orders", *YEAR).row_groups
    assert sum(groups) == ROWS
    assert len(groups) >= 3
    assert max(groups) < 16_000


def test_a_session_can_only_read_and_ends_when_it_is_forgotten(maria: MariaDatabase) -> None:
    maria.create()
    names = ("tx_read_only", "tx_isolation", "time_zone", "max_statement_time", "wait_timeout")
    ones = " union all ".join(
        f"select {n} as id, @@session.{name} as status" for n, name in enumerate(names)
    )
    maria.execute(
        "create function setting(number int) returns varchar(99) deterministic "
        f"return (select status from ({ones}) as settings where id = number)"
    )
    maria.insert("orders", *[(n, None, 1, DAY) for n in range(len(names))])
    maria.execute(
        "create view shown as select id, customer_id, total_amount, created_at, "
        "setting(id) as status from orders"
    )
    rows = maria.read("orders", DAY, tables={"orders": "shown"}, source_statement_timeout=77)
    assert [row["status"] for row in rows[1:]] == [
        "REPEATABLE-READ", "+00:00", "77", "3600",
    ]  # fmt: skip


def test_a_view_that_writes_is_refused(maria: MariaDatabase) -> None:
    maria.create()
    maria.insert("orders", (1, None, 1, DAY))
    maria.execute(
        "create function note() returns int begin insert into customers (id) values (1); "
        "return 1; end"
    )
    maria.execute(
        "create view noting as "
        "select id, customer_id, note() as total_amount, created_at, status from orders"
    )
    with pytest.raises(SourceError, match="READ ONLY transaction") as caught:
        maria.read("orders", DAY, tables={"orders": "noting"})
    assert not caught.value.transient
    assert maria.execute("select count(*) from customers") == [(0,)]


@pytest.fixture
def slow(maria: MariaDatabase) -> MariaDatabase:
    """A shop whose orders, in the view `slow`, take twenty seconds to read."""
    maria.create()
    maria.execute(f"insert into orders select seq, null, 1, '{DAY}', null from seq_1_to_2000")
    maria.execute(
        "create view slow as select id + sleep(0.01) as id, customer_id, total_amount, "
        "created_at, status from orders"
    )
    return maria


def read_slowly(database: MariaDatabase, timeout: int = 900) -> None:
    options: dict[str, Any] = {"tables": {"orders": "slow"}, "source_statement_timeout": timeout}
    database.read("orders", DAY, **options)


def while_reading(database: MariaDatabase, act: Callable[[], object]) -> threading.Thread:
    """Do something once the slow orders are being read."""

    def wait_and_act() -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if database.execute(
                "select 1 from information_schema.processlist where db = database() "
                "and state = 'User sleep'"
            ):
                act()
                return
            time.sleep(0.02)

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    return thread


def end_all(database: MariaDatabase) -> None:
    for number in connections(database):
        database.execute(f"kill {number}")


def test_a_connection_that_is_lost_while_reading_may_be_tried_again(slow: MariaDatabase) -> None:
    ended = while_reading(slow, lambda: end_all(slow))
    with pytest.raises(SourceUnavailableError) as caught:
        read_slowly(slow)
    ended.join()
    assert "killed" in caught.value.message or "was lost" in caught.value.message


def test_a_connection_that_was_lost_between_tables_may_be_tried_again(
    shop: MariaDatabase,
) -> None:
    with shop.source().snapshot() as snapshot:
        read(snapshot, "customers", *YEAR)
        end_all(shop)
        wait_for_none(shop)
        for _ in range(2):
            with pytest.raises(SourceUnavailableError) as caught:
                read(snapshot, "orders", *YEAR)
            assert "What to do" in str(caught.value)


def test_a_statement_that_takes_too_long_is_ended_by_the_server(slow: MariaDatabase) -> None:
    with pytest.raises(SourceUnavailableError, match="max_statement_time") as caught:
        read_slowly(slow, timeout=1)
    assert "ECOM_SOURCE_STATEMENT_TIMEOUT" in caught.value.hint


def test_fingerprints_that_take_too_long_are_stopped(slow: MariaDatabase) -> None:
    day = date.fromisoformat(DAY)
    with slow.source(tables={"orders": "slow"}).snapshot() as snapshot:
        started = time.monotonic()
        with pytest.raises(SourceTooSlowError, match="takes more than 0"):
            snapshot.fingerprints(day, day, seconds=0.2)
        assert time.monotonic() - started < 5


def test_a_scratch_folder_that_is_gone_leaves_nothing_at_work(
    shop: MariaDatabase, tmp_path: Path
) -> None:
    days = date(2024, 1, 1), date(2024, 12, 31)
    with pytest.raises(FileNotFoundError, match="gone"), shop.source().snapshot() as snapshot:
        snapshot.extract("orders", *days, tmp_path / "gone")
    wait_for_none(shop)


def test_an_interrupted_run_does_not_leave_the_database_at_work(slow: MariaDatabase) -> None:
    code = (
        "import signal, sys\n"
        "from ecom_platform_tests.sources.mariadb_database import MariaDatabase\n"
        # Which shells have their background jobs ignore.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "MariaDatabase(sys.argv[1]).read('orders', '2024-03-01', tables={'orders': 'slow'})"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, slow.url],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    interrupted = while_reading(slow, lambda: process.send_signal(2))
    _, errors = process.communicate(timeout=60)
    interrupted.join()
    assert "KeyboardInterrupt" in errors
    wait_for_none(slow)


def test_one_day_of_a_big_table_is_looked_up_by_its_indexes(shop: MariaDatabase) -> None:
    for table, column in (
        ("orders", "created_at"), ("payments", "paid_at"), ("payments", "order_id"),
        ("customers", "signup_date"),
    ):  # fmt: skip
        shop.execute(f"create index on_{column} on {table} ({column})")
    shop.execute("insert into customers select seq, null, 'x', '2023-01-01' from seq_2_to_5000")
    shop.execute("update payments set paid_at = null where id % 10 = 0")
    shop.execute("analyze table orders, payments, customers")

    def read_in_passing() -> int:
        ((_, count),) = shop.execute("show global status like 'Handler_read_rnd_next'")
        return int(count)

    with shop.source().snapshot() as snapshot:
        before = read_in_passing()
        for table in ("orders", "customers", "payments"):
            rows = read(snapshot, table, DAY).rows
            assert (len(rows) > 100) == (table != "customers")
            snapshot.fingerprints(date.fromisoformat(DAY), date.fromisoformat(DAY), seconds=60)
    # Those of temporary tables, of the catalog and of the status are among them.
    assert read_in_passing() - before < 10_000
