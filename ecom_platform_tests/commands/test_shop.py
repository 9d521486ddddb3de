"""`ecom shop live` on the demo's own PostgreSQL: what it does there, and what never."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import dagster as dg
import psycopg
import pytest

from ecom_platform.automation.downstream import DOWNSTREAM_REFRESH
from ecom_platform.automation.source_changes import SOURCE_CHANGES
from ecom_platform.commands.demo import read_environment, write_environment
from ecom_platform.settings import DEFAULT_PAYMENT_STATUSES, load_settings
from ecom_platform.sources.demo_shop import DemoShop, load_demo_shop
from ecom_platform.sources.demo_shop.life import ORDER_WORDS
from ecom_platform.sources.embedded_postgres import start_postgres, stop_postgres
from ecom_platform_tests.commands.harness import Done
from ecom_platform_tests.platform import open_platform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecom_platform_tests.commands.conftest import Call
    from ecom_platform_tests.platform import Platform
    from ecom_platform_tests.sources.postgres_database import Database

DAYS = 40
COMPLETED = DEFAULT_PAYMENT_STATUSES["completed"]
LINE = re.compile(
    r"\d\d:\d\d:\d\d  (?P<what>.+?)\s+order (?P<order>[\d,]+)\s+(?P<amount>[\d,.]+)"
    r"   revenue of (?P<days>20.+)"
)
FAST = ("--speed", "6000", "--for", "2")

REVENUE = """
    SELECT paid_at::date, sum(round(amount, 2)) FROM (SELECT DISTINCT * FROM payments) AS payments
    WHERE lower(trim(status)) = ANY(%s) AND amount <> 'NaN' AND paid_at::date < current_date
    GROUP BY 1
"""
#: An order that was paid, in one or two payments, of another sum than its total.
UNEQUAL = """
    SELECT id FROM orders JOIN LATERAL (
        SELECT sum(amount) AS paid FROM payments
        WHERE order_id = orders.id AND lower(trim(payments.status)) = ANY(%s)
    ) AS paid ON paid IS NOT NULL
    WHERE paid <> total_amount AND id = ANY(%s)
"""
#: What no event may leave behind, of the orders %s, the new ones of which are after %s.
TOUCHED = (
    "WITH touched AS (SELECT unnest(%s::bigint[]) AS id), known AS (SELECT %s::bigint AS last) "
)
WRONG = (
    """SELECT 1 FROM payments JOIN touched ON touched.id = order_id
    LEFT JOIN orders ON orders.id = order_id WHERE orders.id IS NULL""",
    """SELECT 1 FROM known, orders JOIN touched USING (id)
    LEFT JOIN customers ON customers.id = customer_id
    WHERE orders.id > last AND customer_id IS NOT NULL AND customers.id IS NULL""",
    "SELECT 1 FROM payments JOIN touched ON touched.id = order_id WHERE paid_at > now()",
    """SELECT 1 FROM payments JOIN touched ON touched.id = order_id
    GROUP BY payments.id HAVING count(DISTINCT payments::text) > 1""",
)


@pytest.fixture(scope="module")
def server() -> Iterator[Path]:
    """The folder of a demo whose database runs; nothing was computed yet."""
    with TemporaryDirectory(prefix="ecom-shop-", ignore_cleanup_errors=True) as name:
        yield Path(name)
        stop_postgres(Path(name) / "postgres")


@pytest.fixture
def shop(server: Path) -> Path:
    """The folder of a demo of an untouched shop."""
    last = datetime.now(UTC).date() - timedelta(days=1)
    address = start_postgres(server / "postgres")
    first = last - timedelta(days=DAYS - 1)
    load_demo_shop(address, DemoShop(first, last, orders=4000))
    write_environment(server, address, first)
    return server


@pytest.fixture
def rows(shop: Path) -> Iterator[psycopg.Connection]:
    address = start_postgres(shop / "postgres")
    with psycopg.connect(address, autocommit=True) as connection:
        yield connection


def events(done: Done) -> list[dict[str, str]]:
    assert done.code == 0, done.err
    return [found.groupdict() for found in map(LINE.match, done.out.splitlines()) if found]


def test_it_goes_on_as_a_shop_does_and_every_row_stays_consistent(
    shop: Path, rows: psycopg.Connection, command: Call
) -> None:
    today, before = datetime.now(UTC).date(), dict(rows.execute(REVENUE, [COMPLETED]).fetchall())
    [[last]] = rows.execute("SELECT max(id) FROM orders").fetchall()
    spoilt = rows.execute(UNEQUAL, [COMPLETED, [*range(last + 1)]]).fetchall()

    done = command("shop", "live", *FAST, "--folder", str(shop))

    happened = events(done)
    kinds = {event["what"] for event in happened}
    assert kinds == {
        "new order", "paid", "paid, reported late", "paid after weeks", "shipped", "arrived",
        "returned, refunded", "cancelled", "amount corrected", "deleted",
    }  # fmt: skip
    assert 150 < len(happened) < 250
    new = [int(e["order"].replace(",", "")) for e in happened if e["what"] == "new order"]
    assert new == [*range(last + 1, last + 1 + len(new))]
    found = rows.execute("SELECT id FROM orders WHERE created_at::date = %s", [today]).fetchall()
    assert sorted(number for (number,) in found) == new
    touched = {int(event["order"].replace(",", "")) for event in happened}
    for question in WRONG:
        assert rows.execute(TOUCHED + question, [[*touched], last]).fetchall() == []
    assert set(rows.execute(UNEQUAL, [COMPLETED, [*touched]]).fetchall()) <= set(spoilt)
    words = {w for (w,) in rows.execute("SELECT DISTINCT lower(trim(status)) FROM orders")}
    assert words <= {*ORDER_WORDS, "manual_review", "escalated", "???"}
    words = {w for (w,) in rows.execute("SELECT DISTINCT lower(trim(status)) FROM payments")}
    known = {word for words in DEFAULT_PAYMENT_STATUSES.values() for word in words}
    assert words <= {*known, "manual_review", "escalated", "???"}

    # What it says of closed days is what has changed.
    said: dict[str, Decimal] = {}
    for event in happened:
        for day in event["days"].split(", "):
            name, _, change = day.partition(" ")
            said[name] = said.get(name, Decimal()) + Decimal(change.replace(",", "") or 0)
    after = dict(rows.execute(REVENUE, [COMPLETED]).fetchall())
    changed = {str(day): after[day] - before[day] for day in after if after[day] != before[day]}
    closed = {day: change for day, change in said.items() if change and day != str(today)}
    assert changed == closed
    assert len(changed) > 10
    assert str(today - timedelta(days=1)) in changed
    assert min(changed) < str(today - timedelta(days=14))
    summary = dict(re.findall(r"│ (20\S+) +│ +\d+ │ +(\S+) │", done.out.replace(",", "")))
    assert {day: Decimal(summary[day]) for day in closed} == closed


def test_the_same_seed_is_the_same_future_and_another_another(shop: Path, command: Call) -> None:
    def future(seed: str) -> list[dict[str, str]]:
        found = events(
            command("shop", "live", *FAST[:3], "1", "--seed", seed, "--folder", str(shop))
        )
        address = read_environment(shop)["ECOM_SOURCE"]
        first = datetime.fromisoformat(read_environment(shop)["ECOM_START_DATE"]).date()
        load_demo_shop(address, DemoShop(first, first + timedelta(days=DAYS - 1), orders=4000))
        return found

    once = future("7")
    assert once == future("7")
    assert once != future("8")


def test_ctrl_c_ends_it_with_its_summary(shop: Path) -> None:
    interruptible = (
        "import signal\nfrom ecom_platform.cli.main import main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\nmain()"
    )
    # As fast as it can: Ctrl-C comes while the database works.
    process = subprocess.Popen(
        [sys.executable, "-c", interruptible, "shop", "live", "--speed", "6000", "--folder", shop],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    lines = [process.stdout.readline() for _ in range(4)]
    process.send_signal(signal.SIGINT)
    try:
        rest, _ = process.communicate(timeout=60)
    finally:
        process.kill()  # who does not end holds the shop's lock

    assert process.returncode == 0
    printed = "".join(lines) + rest
    happened = events(Done(0, printed, ""))
    assert len(happened) >= 3
    assert f"{len(happened)} events. What they touched:" in printed
    assert "revenue changed by" in printed


def test_where_there_is_no_demo_nothing_is_made(tmp_path: Path, command: Call) -> None:
    done = command("shop", "live", "--folder", str(tmp_path / "none"))

    assert done.code == 1
    assert f"There is no demo in {tmp_path / 'none'}" in done.err
    assert not (tmp_path / "none").exists()


def test_a_shop_that_is_not_the_demos_is_never_written_to(
    shop: Path, rows: psycopg.Connection, database: Database, command: Call
) -> None:
    database.create()
    foreign = (
        (shop / "demo.env").read_text().replace(read_environment(shop)["ECOM_SOURCE"], database.url)
    )
    (shop / "demo.env").write_text(foreign)
    done = command("shop", "live", *FAST, "--folder", str(shop))
    assert done.code == 1
    assert "is not the demo's own database. Nothing was changed." in done.err

    write_environment(shop, start_postgres(shop / "postgres"), datetime.now(UTC).date())
    rows.execute("COMMENT ON TABLE payments IS 'the real ones'")
    done = command("shop", "live", *FAST, "--folder", str(shop))
    assert done.code == 1
    assert "of this database are not a demo's. Nothing was changed." in done.err
    rows.execute("DROP TABLE payments")  # for the next test, a database like new
    with psycopg.connect(database.url) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (0,)


def test_two_cannot_go_on_with_one_shop(
    shop: Path, rows: psycopg.Connection, command: Call
) -> None:
    rows.execute("SELECT pg_advisory_lock(x'6C697665'::int)")

    done = command("shop", "live", *FAST, "--folder", str(shop))

    assert done.code == 1
    assert "is going on already" in done.err


def test_what_happens_in_the_shop_is_the_next_figure_that_dagster_shows(
    shop: Path,
    rows: psycopg.Connection,
    command: Call,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name, value in read_environment(shop).items():
        monkeypatch.setenv(name, str(tmp_path) if name == "DAGSTER_HOME" else value)
    monkeypatch.setenv("ECOM_LAKE", str(tmp_path / "lake"))
    monkeypatch.setenv("ECOM_LOOKBACK_DAYS", str(DAYS))
    settings = load_settings()
    days = settings.calendar.closed_range(settings.start_date, settings.calendar.last_closed())
    before = dict(rows.execute(REVENUE, [COMPLETED]).fetchall())
    with open_platform(settings) as platform:
        assert platform.run(days[0], days[-1]).success
        live = "shop", "live", "--speed", "1800", "--for", "1", "--folder", str(shop)
        assert events(command(*live))
        for sensor in (SOURCE_CHANGES, DOWNSTREAM_REFRESH):
            requests = tick(platform, sensor)
            assert requests
            for request in requests:
                first, last = (
                    date.fromisoformat(request.tags[f"dagster/asset_partition_range_{end}"])
                    for end in ("start", "end")
                )
                chosen = ["/".join(key.path) for key in request.asset_selection or ()]
                assert platform.run(first, last, *chosen, tags=request.tags).success
        assert tick(platform, SOURCE_CHANGES) == []

    after = dict(rows.execute(REVENUE, [COMPLETED]).fetchall())
    period = "--from", str(days[0]), "--to", str(days[-1])
    shown = command("show", "total_revenue", *period, "--region", "all", "--format", "json")
    figures = json.loads(shown.out, parse_float=Decimal)
    # What was spoilt is cleaned, or not counted: the change is the same.
    told = command("restatements", "--metric", "total_revenue", *period, "--format", "json")
    restated = {
        row["date"]: (Decimal(row["old"]), Decimal(row["new"]))
        for row in json.loads(told.out)
        if row["region"] == "all"
    }
    assert {day: new - old for day, (old, new) in restated.items()} == {
        str(day): after[day] - before[day] for day in after if after[day] != before[day]
    }
    assert {row["date"]: row["total_revenue"] for row in figures} == {
        str(day): revenue for day, revenue in after.items()
    }
    assert len(restated) > 3


def tick(platform: Platform, name: str) -> list[dg.RunRequest]:
    """Let a sensor look, and return what it asks for."""
    repository = platform.definitions.get_repository_def()
    context = dg.build_sensor_context(
        instance=platform.instance, repository_def=repository, sensor_name=name
    )
    found = repository.get_sensor_def(name).evaluate_tick(context)
    return list(found.run_requests or [])
