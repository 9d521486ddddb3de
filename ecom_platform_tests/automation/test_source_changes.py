"""Changes of the database: which days the sensor asks for, which not, and at what price."""

from __future__ import annotations

import logging
import os
import shutil
import time
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import psycopg
import pytest
from dagster._core.test_utils import create_run_for_test
from pyarrow import parquet

from ecom_platform.assets.metrics import METRICS
from ecom_platform.automation.changes import PAUSE
from ecom_platform.automation.database_watch import DatabaseState
from ecom_platform.automation.source_changes import SourceChanges
from ecom_platform.calendar import days_between
from ecom_platform.datasets import CLEANED, RAW
from ecom_platform.definitions import build_definitions
from ecom_platform.errors import SourceTooSlowError, SourceUnavailableError
from ecom_platform.incidents.store import IncidentStore
from ecom_platform.lake.storage import open_storage
from ecom_platform_tests.pipeline import Pipeline, open_lake
from ecom_platform_tests.platform import Platform, open_platform
from ecom_platform_tests.sources.postgres_database import Database
from ecom_platform_tests.sources.shop_database import START, ShopDatabase

if TYPE_CHECKING:
    from collections.abc import Iterator

#: 40 days are closed at this moment; the last four are compared at every tick.
NOW = datetime(2024, 2, 10, 3, tzinfo=UTC)
LAST = date(2024, 2, 9)
LOOKBACK = 4
RECENT = "2024-02-07"
OLD = "2024-01-20"
INTERVAL = timedelta(minutes=5)
KEY = "k" * 32
DATASETS = (*RAW, *CLEANED, *(metric.dataset for metric in METRICS))

ALL = (
    "cleaned/orders", "cleaned/customers", "cleaned/payments", "quarantine/orders",
    "quarantine/customers", "quarantine/payments", "metrics/total_revenue",
    "metrics/total_orders", "metrics/total_customers", "metrics/payment_status",
    "metrics/average_order_value", "metrics/customer_retention_rate",
)  # fmt: skip


def fill(database: ShopDatabase, first: date, last: date) -> None:
    """Make a shop with a customer, an order and its payment on each day.

    Every tenth payment is pending, and the 38th is of another day's order.
    """
    database.create()
    days = list(days_between(first, last))
    for number, day in enumerate(days):
        database.insert("customers", (number, f"c{number}@example.invalid", "north", day))
        database.insert("orders", (number, number, 10 + number, f"{day} 12:00+00", "done"))
        paid = f"{day} 13:00+00" if number % 10 else None
        status, order = "paid" if paid else "pending", 19 if number == 38 else number
        database.insert("payments", (number, order, 10 + number, status, paid))


@pytest.fixture(scope="module")
def published(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of all days of the shop, to be copied."""
    name = f"published_{os.getpid()}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    database = Database(postgres.replace("/postgres?", f"/{name}?"))
    fill(database, START, LAST)
    lake = tmp_path_factory.mktemp("published") / "lake"
    settings = database.settings(lake=str(lake), email_hmac_key=KEY)
    with dg.DagsterInstance.ephemeral() as instance:
        assert Pipeline(settings, instance).run(START, LAST) == {}
    return lake


@dataclass
class Watch:
    """The sensor on a shop, ticking by a clock of its own."""

    database: ShopDatabase
    instance: dg.DagsterInstance
    options: dict[str, Any]
    now: datetime = NOW
    cursor: str | None = None
    message: str = ""
    keys: list[str] = field(default_factory=list)

    def tick(self, *, after: timedelta = INTERVAL, **options: Any) -> list[tuple[str, str]]:
        """Let time pass, tick, and return the ranges that are asked for."""
        self.now += after
        settings = self.database.settings(**{**self.options, **options})
        changes = SourceChanges(settings, DATASETS)
        result = changes.tick(self.instance, self.cursor, self.now, logging.getLogger("tick"))
        self.cursor = result.cursor
        reason = result.skip_reason
        self.message = (reason.skip_message if isinstance(reason, dg.SkipReason) else reason) or ""
        requests = result.run_requests or []
        assert bool(requests) != bool(self.message)
        self.keys += [str(request.run_key) for request in requests]
        assert {request.tags["ecom/cause"] for request in requests} <= {"late data"}
        prefix = "dagster/asset_partition_range"
        return [
            (request.tags[f"{prefix}_start"], request.tags[f"{prefix}_end"]) for request in requests
        ]

    def publish(self, first: str, last: str = "") -> None:
        """Make days, as a run that was asked for does."""
        days = date.fromisoformat(first), date.fromisoformat(last or first)
        pipeline = Pipeline(self.database.settings(**self.options), self.instance)
        assert pipeline.run(*days) == {}

    def run(self, first: str, last: str = "", *assets: str) -> None:
        """Leave a run in Dagster that is still going on."""
        keys = frozenset(dg.AssetKey(asset.split("/")) for asset in assets)
        create_run_for_test(
            self.instance,
            status=dg.DagsterRunStatus.STARTED,
            tags={
                "dagster/asset_partition_range_start": first,
                "dagster/asset_partition_range_end": last or first,
            },
            asset_selection=keys or None,
        )

    def change(self, *days: str) -> None:
        for day in days:
            self.database.execute("update orders set total_amount = total_amount + 1 "
                                  f"where created_at::date = '{day}'")  # fmt: skip


@pytest.fixture
def watch(database: Database, published: Path, tmp_path: Path) -> Iterator[Watch]:
    fill(database, START, LAST)
    lake = tmp_path / "lake"
    shutil.copytree(published, lake)
    options = {"lake": str(lake), "email_hmac_key": KEY, "lookback_days": LOOKBACK}
    with dg.DagsterInstance.ephemeral() as instance:
        yield Watch(database, instance, options)


# ------------------------------------------------------------------------ what is found


def test_nothing_is_asked_for_when_nothing_has_changed(watch: Watch) -> None:
    for _ in range(3):
        assert watch.tick() == []
        assert watch.message == "Compared 5 days; none has changed."


@pytest.mark.parametrize(
    ("change", "days"),
    [
        ("insert into orders values (900, 1, 5, '2024-02-07 23:59:59+00', 'late')", [RECENT]),
        ("delete from orders where id = 37", [RECENT]),
        ("delete from payments where id = 37", [RECENT]),
        ("delete from customers where id = 37", [RECENT]),
        ("update orders set id = 901 where id = 37", [RECENT]),
        ("update orders set customer_id = 1 where id = 37", [RECENT]),
        # The payments of what is changed in January look up their order, and its customer.
        ("update orders set customer_id = 2 where id = 19", ["2024-02-08"]),
        ("delete from customers where id = 19", ["2024-02-08"]),
        ("delete from orders where id = 19", ["2024-02-08"]),
        ("update orders set customer_id = null where id = 37", [RECENT]),
        ("update orders set total_amount = -total_amount where id = 37", [RECENT]),
        ("update orders set status = 'void' where id = 37", [RECENT]),
        ("update orders set created_at = created_at + '1 microsecond' where id = 37", [RECENT]),
        ("update customers set id = 902 where id = 37", [RECENT]),
        ("update customers set email = 'new@example.invalid' where id = 37", [RECENT]),
        ("update customers set region = 'south' where id = 37", [RECENT]),
        ("update customers set signup_date = signup_date + 1 where id = 37",
         [RECENT, "2024-02-08"]),
        ("update payments set id = 903 where id = 37", [RECENT]),
        ("update payments set order_id = 1 where id = 37", [RECENT]),
        ("update payments set amount = 0 where id = 37", [RECENT]),
        ("update payments set status = 'refunded' where id = 37", [RECENT]),
        ("update payments set paid_at = paid_at - '2 days'::interval where id = 38",
         ["2024-02-06", "2024-02-08"]),
        # The unpaid payment of an order of January is looked for there by the rotation.
        ("update payments set paid_at = '2024-02-07 08:00+00', status = 'paid' where id = 30",
         [RECENT]),
    ],
)  # fmt: skip
def test_each_change_of_a_row_is_found_at_the_next_tick(
    watch: Watch, change: str, days: list[str]
) -> None:
    watch.database.execute(change)
    asked = {
        day.isoformat()
        for first, last in watch.tick()
        for day in days_between(date.fromisoformat(first), date.fromisoformat(last))
    }
    assert asked == set(days)


def test_what_it_asks_for_makes_the_lake_what_one_made_anew_would_be(
    shop_database: ShopDatabase, tmp_path: Path
) -> None:
    """Through the real sensor and real runs, at the real time."""
    today = datetime.now(UTC).date()
    first, last = today - timedelta(days=12), today - timedelta(days=1)
    fill(shop_database, first, last)
    orphans, parents = first + timedelta(days=6), first + timedelta(days=1)
    shop_database.insert("orders", (800, 800, 9, f"{orphans} 07:00+00", "done"))
    shop_database.insert("payments", (800, 800, 9, "paid", f"{orphans} 08:00+00"),
                    (801, 801, 9, "paid", f"{orphans} 08:00+00"))  # fmt: skip
    settings = shop_database.settings(
        lake=str(tmp_path / "lake"), start_date=first, email_hmac_key=KEY, change_check_hours=1
    )
    with open_platform(settings) as platform:
        assert platform.failures(platform.run(first, last)) == {}
        changed = [first, parents, orphans, last - timedelta(days=4), last]
        shop_database.insert("customers", (800, None, "south", parents))
        shop_database.insert("orders", (801, 800, 9, f"{parents} 07:00+00", "done"))
        shop_database.insert("orders", (900, 1, 50, f"{changed[0]} 07:00+00", "late"))
        shop_database.execute("delete from payments where id = 1")
        shop_database.execute("update customers set region = 'south' where id = 7")
        # Pending since the day of its order, which it leaves.
        shop_database.execute(f"update payments set status = 'paid', paid_at = '{last} 18:00+00' "
                         "where id = 0")  # fmt: skip
        sensor = platform.definitions.resolve_sensor_def("source_changes")
        assert sensor.default_status is dg.DefaultSensorStatus.STOPPED
        context = dg.build_sensor_context(platform.instance, sensor_name="source_changes")
        requests = sensor.evaluate_tick(context).run_requests or []
        asked: set[date] = set()
        for request in requests:
            start, end = (
                date.fromisoformat(request.tags[f"dagster/asset_partition_range_{name}"])
                for name in ("start", "end")
            )
            asked |= set(days_between(start, end))
            assert platform.failures(platform.run(start, end, tags=dict(request.tags))) == {}
        assert asked == set(changed)
        assert not sensor.evaluate_tick(context).run_requests

    anew = shop_database.settings(
        lake=str(tmp_path / "anew"), start_date=first, email_hmac_key=KEY, change_check_hours=1
    )
    with dg.DagsterInstance.ephemeral() as instance:
        assert Pipeline(anew, instance).run(first, last) == {}
    for day in changed:
        with open_lake(settings, ALL, day, day) as ours, open_lake(anew, ALL, day, day) as new:
            for dataset in ALL:
                query = f"SELECT * FROM {dataset.replace('/', '.')} ORDER BY ALL"
                assert ours.sql(query).fetchall() == new.sql(query).fetchall(), (dataset, day)


def test_a_late_hour_counts_for_the_business_day(watch: Watch) -> None:
    watch.options["timezone"] = "America/Sao_Paulo"
    watch.publish("2024-02-06", "2024-02-08")
    watch.database.insert("orders", (900, 1, 5, "2024-02-08 02:59:59+00", "late"))
    days = [(first, last) for first, last in watch.tick() if last < "2024-02-09"]
    assert days == [(RECENT, RECENT)]


def test_days_that_follow_each_other_are_one_run(watch: Watch) -> None:
    watch.change("2024-02-06", "2024-02-07", "2024-02-09")
    assert watch.tick() == [("2024-02-06", "2024-02-07"), ("2024-02-09", "2024-02-09")]


def test_days_that_were_never_published_are_the_schedules(watch: Watch) -> None:
    lake = Path(watch.options["lake"])
    for table in ("orders", "customers", "payments"):
        shutil.rmtree(lake / f"raw/{table}/date=2024-02-06")
    watch.change("2024-02-06", RECENT)
    assert watch.tick() == [(RECENT, RECENT)]
    shutil.rmtree(lake)
    assert watch.tick() == []


def test_a_day_published_without_a_fingerprint_is_made_once_more(watch: Watch) -> None:
    file = Path(watch.options["lake"]) / f"raw/orders/date={RECENT}/data.parquet"
    rows = parquet.read_table(file, partitioning=None)
    parquet.write_table(rows.replace_schema_metadata({}), file)
    assert watch.tick() == [(RECENT, RECENT)]
    watch.publish(RECENT)
    assert watch.tick() == []


# -------------------------------------------------------------------------- the rotation


def hours_until_found(watch: Watch, day: str, hours: int) -> float:
    """Tick until a changed day is asked for; return the hours it took."""
    watch.tick(after=timedelta(minutes=30), change_check_hours=hours)
    begun = watch.now
    while watch.now < begun + timedelta(hours=hours):
        asked = watch.tick(after=timedelta(minutes=30), change_check_hours=hours)
        if asked:
            assert asked == [(day, day)]
            return (watch.now - begun) / timedelta(hours=1)
        assert int(watch.message.split()[1]) <= LOOKBACK + 36 / hours / 2 + 1
    raise AssertionError(day)


@pytest.mark.parametrize("day", ["2024-01-01", "2024-01-20", "2024-02-05"])
def test_every_older_day_is_compared_within_the_set_hours(watch: Watch, day: str) -> None:
    watch.change(day)
    assert hours_until_found(watch, day, hours=6) <= 6
    watch.publish(day)
    watch.change(day)
    assert hours_until_found(watch, day, hours=6) <= 6


def test_after_missed_ticks_the_next_catches_up(watch: Watch) -> None:
    assert watch.tick() == []
    watch.change(OLD, "2024-01-02")
    assert watch.tick(after=timedelta(days=3)) == [("2024-01-02", "2024-01-02"), (OLD, OLD)]


@pytest.mark.parametrize("cursor", [None, "", "junk", "{}", '{"position": 7}', "[]"])
def test_a_lost_cursor_only_begins_the_rotation_anew(watch: Watch, cursor: str | None) -> None:
    for _ in range(3):
        watch.tick(after=timedelta(hours=2))
    watch.cursor = cursor
    assert watch.tick() == []
    watch.change(OLD)
    assert hours_until_found(watch, OLD, hours=6) <= 6


def test_a_lost_dagster_storage_loses_nothing(watch: Watch) -> None:
    watch.change(RECENT)
    with dg.DagsterInstance.ephemeral() as instance:
        watch.instance, watch.cursor = instance, None
        assert watch.tick() == [(RECENT, RECENT)]


def test_another_start_or_lookback_does_not_confuse_the_rotation(watch: Watch) -> None:
    watch.tick()
    watch.change("2024-01-03")
    assert watch.tick(after=timedelta(hours=5)) == [("2024-01-03", "2024-01-03")]
    # Earlier customers are now filed under the first day.
    assert watch.tick(start_date=date(2024, 2, 1)) == [("2024-02-01", "2024-02-01")]
    assert watch.tick(start_date=date(2024, 2, 8)) == [("2024-02-08", "2024-02-08")]
    assert watch.tick(lookback_days=3660) == [("2024-01-03", "2024-01-03")]
    assert watch.tick(start_date=date(2025, 1, 1)) == []
    assert watch.message == "No day is over yet."


# ---------------------------------------------------------------------------- the price


def slow_down(database: Database, seconds: float) -> dict[str, Any]:
    """Make the database think about each order; return the settings that read it so."""
    database.execute(
        "create function slowly(text) returns text stable language plpgsql as "
        f"'begin perform pg_sleep({seconds}); return $1; end';"
        "create view slow_orders as select id, customer_id, total_amount, created_at, "
        "slowly(status) as status from orders"
    )
    return {"tables": {"orders": "slow_orders"}}


def test_a_slow_database_is_asked_for_less_at_once_and_still_for_all(watch: Watch) -> None:
    watch.tick()
    options = slow_down(watch.database, 0.05)  # twice for each order
    watch.change(OLD)
    sizes: list[int] = []
    asked: list[tuple[str, str]] = []
    for _ in range(8):
        begun = time.monotonic()
        # All 36 older days, which would take 4 seconds, are due at each tick.
        asked += watch.tick(
            after=timedelta(hours=1), change_check_hours=1, change_check_seconds=3, **options
        )
        assert time.monotonic() - begun < 5
        sizes.append(DatabaseState.load(watch.cursor).days_at_once)
        if asked:
            break
    assert asked == [(OLD, OLD)]
    assert sizes[0] == 35 // 4  # what could not be done at once


def test_recent_days_that_take_too_long_fail_the_tick(watch: Watch) -> None:
    options = slow_down(watch.database, 0.5)
    begun = time.monotonic()
    with pytest.raises(SourceTooSlowError, match="2024-02-06 to 2024-02-09"):
        watch.tick(change_check_seconds=2, **options)
    assert time.monotonic() - begun < 3


def test_a_source_that_does_not_answer_fails_the_tick(watch: Watch) -> None:
    with pytest.raises(SourceUnavailableError):
        watch.tick(source="postgresql://shop:hush@127.0.0.1:1/shop")


# ----------------------------------------------------------------------- what is waited for


def test_a_day_that_failed_is_asked_for_again_after_a_pause(watch: Watch) -> None:
    watch.tick()
    watch.change(RECENT, OLD)
    assert watch.tick(after=timedelta(days=1)) == [(OLD, OLD), (RECENT, RECENT)]
    for _ in range(3):
        assert watch.tick() == []
        assert watch.message.endswith("2 have changed, and are being made or have failed lately.")
    assert watch.tick(after=PAUSE) == [(OLD, OLD), (RECENT, RECENT)]
    assert len(set(watch.keys)) == 4


def test_a_day_of_which_a_later_step_failed_is_asked_for_again_though_it_was_read(
    watch: Watch,
) -> None:
    watch.tick()
    watch.database.execute(f"update payments set amount = null where paid_at::date = '{OLD}'")
    assert watch.tick(after=timedelta(days=1)) == [(OLD, OLD)]
    strict = watch.database.settings(**watch.options, quarantine_min_rows=0)
    day = date.fromisoformat(OLD)
    with open_platform(strict) as platform:
        watch.instance = platform.instance
        failures = platform.failures(platform.run(day, day))
        assert any("would be quarantined" in reason for reason in failures.values())
        assert watch.tick() == []
        assert watch.message.endswith("1 have changed, and are being made or have failed lately.")
        assert watch.tick(after=PAUSE) == [(OLD, OLD)]
        watch.run(OLD)
        assert watch.tick(after=2 * PAUSE) == []
        (run, *_) = watch.instance.get_runs()
        watch.instance.report_run_failed(run)
        assert watch.tick() == [(OLD, OLD)]
        lenient = Platform(watch.database.settings(**watch.options), watch.instance)
        assert lenient.run(day, day).success
        assert watch.tick(after=PAUSE) == []
        assert watch.message.endswith("none has changed.")


def test_a_day_that_changes_again_is_asked_for_at_once(watch: Watch) -> None:
    watch.change(RECENT)
    assert watch.tick() == [(RECENT, RECENT)]
    watch.change(RECENT)
    assert watch.tick() == [(RECENT, RECENT)]
    watch.publish(RECENT)
    assert watch.tick() == []
    watch.database.execute("update orders set total_amount = total_amount - 1 where id = 37")
    assert watch.tick() == [(RECENT, RECENT)]
    watch.publish(RECENT)
    assert watch.tick() == []
    watch.change(RECENT)  # back to what it was asked for before
    assert watch.tick() == [(RECENT, RECENT)]
    assert len(set(watch.keys)) == 4


@pytest.mark.parametrize("selection", [(), ("raw/orders", "metrics/total_orders")])
def test_days_that_a_run_is_making_are_left_to_it(watch: Watch, selection: tuple[str, ...]) -> None:
    watch.change("2024-02-06", "2024-02-07", "2024-02-08")
    watch.run("2024-02-01", "2024-02-07", *selection)
    assert watch.tick() == [("2024-02-08", "2024-02-08")]
    assert watch.tick() == []
    (run,) = watch.instance.get_runs()
    watch.instance.report_run_failed(run)
    assert watch.tick() == [("2024-02-06", "2024-02-07")]


def test_an_older_day_that_a_run_was_making_is_compared_when_that_has_ended(watch: Watch) -> None:
    watch.tick()
    watch.change(OLD)
    watch.run(OLD)
    assert watch.tick(after=timedelta(days=1)) == []
    (run,) = watch.instance.get_runs()
    watch.instance.report_run_failed(run)
    assert watch.tick() == [(OLD, OLD)]


def test_a_run_that_does_not_read_the_source_is_not_waited_for(watch: Watch) -> None:
    watch.change(RECENT)
    watch.run(RECENT, RECENT, "metrics/total_orders")
    assert watch.tick() == [(RECENT, RECENT)]


# ----------------------------------------------------------------------------- the brake


def test_too_many_changed_days_are_not_made_again_and_are_one_incident(
    watch: Watch, tmp_path: Path
) -> None:
    def incidents() -> list[str]:
        state = IncidentStore(open_storage(watch.options["lake"]), tmp_path).read()
        return [next(iter(one.days.values())).reason for one in state.incidents if not one.closed]

    watch.options["max_changed_days"] = 10
    watch.database.execute("update orders set status = status || '!'")
    for _ in range(3):
        assert watch.tick() == []
        # Seen whole, though a tick has a share of one older day.
        assert watch.message == (
            "40 days have changed in the source, more than ECOM_MAX_CHANGED_DAYS=10; none "
            "of them is made again: 2024-01-01 to 2024-02-09."
        )
    (told,) = incidents()
    assert told.startswith(watch.message)
    assert "raise ECOM_MAX_CHANGED_DAYS" in told
    watch.database.execute("update orders set status = 'done'")
    assert watch.tick() == []
    assert watch.message.endswith("none has changed.")
    assert incidents() == []


def test_raising_the_setting_releases_the_brake(watch: Watch) -> None:
    watch.database.execute("update orders set status = status || '!'")
    assert watch.tick(max_changed_days=10) == []
    assert watch.tick(max_changed_days=100) == [("2024-01-01", "2024-02-09")]
    watch.publish("2024-01-01", "2024-02-09")
    watch.change(RECENT)
    assert watch.tick(max_changed_days=10) == [(RECENT, RECENT)]  # what was allowed is done with


def test_a_change_of_all_history_is_stopped_though_it_comes_to_light_in_drops(
    watch: Watch,
) -> None:
    watch.database.execute("update orders set status = 'x' where id % 3 = 0 and id < 36")
    asked = 0
    for _ in range(30):
        for first, last in watch.tick(
            after=timedelta(minutes=30), max_changed_days=6, change_check_hours=12
        ):
            asked += 1
            watch.publish(first, last)
    assert asked == 6
    assert watch.message.startswith("7 days have changed")


def test_days_that_a_backfill_is_making_do_not_set_the_brake(watch: Watch) -> None:
    watch.database.execute("update orders set status = status || '!'")
    watch.run("2024-01-01", "2024-02-08")
    assert watch.tick(max_changed_days=10) == [("2024-02-09", "2024-02-09")]


# ------------------------------------------------------------------------ where it is


def test_files_have_no_such_sensor(tmp_path: Path, database: Database) -> None:
    def sensors(source: str) -> list[str]:
        settings = database.settings(source=source, lake=str(tmp_path / "lake"))
        return [sensor.name for sensor in build_definitions(settings).sensors or []]

    assert "source_changes" not in sensors(f"file://{tmp_path}")
    assert "source_changes" in sensors(database.url)


def test_the_cursor_stays_small(watch: Watch) -> None:
    watch.database.execute("update orders set status = status || '!'")
    watch.tick(max_changed_days=100)
    assert len(watch.cursor or "") < 40 * 100 + 500
