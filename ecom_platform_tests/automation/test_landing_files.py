"""Changes of files: which days the sensor asks for, which not, and what it tells people."""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import os
import shutil
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import boto3
import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from ecom_platform.assets.metrics import METRICS
from ecom_platform.automation.changes import PAUSE
from ecom_platform.automation.landing_files import LandingFiles
from ecom_platform.automation.landing_state import LandingState
from ecom_platform.calendar import days_between
from ecom_platform.datasets import CLEANED, RAW
from ecom_platform.definitions import build_definitions
from ecom_platform.incidents.store import IncidentStore
from ecom_platform.lake.storage import open_storage
from ecom_platform_tests.pipeline import Pipeline
from ecom_platform_tests.platform import Platform, open_platform
from ecom_platform_tests.sources.files.file_shop import START, Row, content, put, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Ten days are closed at this moment.
NOW = datetime(2026, 1, 11, 3, tzinfo=UTC)
LAST = date(2026, 1, 10)
DAY, NEXT, OPEN = "2026-01-05", "2026-01-06", "2026-01-11"
INTERVAL = timedelta(minutes=5)
KEY = "k" * 32
DATASETS = (*RAW, *CLEANED, *(metric.dataset for metric in METRICS))
ORDERS = f"orders/date={DAY}/orders.csv"
PAYMENTS = f"payments/date={DAY}/payments.csv"
ALL = [(str(START), str(LAST))]


def rows_of(day: date | str) -> dict[str, list[Row]]:
    """Return two orders of a day with their payments, and a customer."""
    ids = (f"{day}-1", f"{day}-2")
    return {
        "orders": [
            {"id": i, "customer_id": str(day), "created_at": f"{day} 12:00:00"} for i in ids
        ],
        "customers": [{"id": str(day), "signup_date": str(day)}],
        "payments": [{"id": i, "order_id": i, "paid_at": f"{day} 13:00:00"} for i in ids],
    }


def day_files(day: date | str) -> dict[str, Any]:
    return {f"{table}/date={day}/{table}.csv": rows for table, rows in rows_of(day).items()}


def whole_files(first: date = START, last: date = LAST, *tables: str) -> dict[str, Any]:
    days = [rows_of(day) for day in days_between(first, last)]
    return {
        f"{table}.csv": [row for rows in days for row in rows[table]]
        for table in tables or ("orders", "customers", "payments")
    }


class Folder:
    """Files in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(exist_ok=True)
        self.address = root.as_uri()

    def put(self, files: dict[str, Any]) -> None:
        put(self.root, files)

    def remove(self, name: str) -> None:
        path = self.root / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


class Bucket:
    """Files in a bucket."""

    def __init__(self, name: str, scratch: Path) -> None:
        self.address = f"s3://{name}/landing/eu"
        self._name = name
        self._client: Any = boto3.client("s3")
        self._scratch = scratch / "to-upload"
        self._client.put_object(Bucket=name, Key="landing/eu/")  # what its console makes

    def put(self, files: dict[str, Any]) -> None:
        put(self._scratch, files)
        for name in files:
            data = (self._scratch / name).read_bytes()
            self._client.put_object(Bucket=self._name, Key=f"landing/eu/{name}", Body=data)

    def remove(self, name: str) -> None:
        self._client.delete_object(Bucket=self._name, Key=f"landing/eu/{name}")


@dataclass
class Watch:
    """The sensor on files, ticking by a clock of its own."""

    files: Any
    instance: dg.DagsterInstance
    options: dict[str, Any]
    now: datetime = NOW
    cursor: str | None = None
    message: str = ""
    warnings: list[str] = field(default_factory=list)

    def settings(self, **options: Any) -> Any:
        return settings(self.files.address, **{**self.options, **options})

    def tick(self, *, after: timedelta = INTERVAL, **options: Any) -> list[tuple[str, str]]:
        """Let time pass, tick, and return the ranges that are asked for."""
        self.now += after
        found = self.settings(**options)
        log = logging.getLogger("landing")
        handler = logging.Handler(logging.WARNING)
        handler.emit = lambda record: self.warnings.append(record.getMessage())
        log.addHandler(handler)
        self.warnings.clear()
        try:
            sensor = LandingFiles(found, DATASETS)
            result = sensor.tick(self.instance, self.cursor, self.now, log)
        finally:
            log.removeHandler(handler)
        self.cursor = result.cursor
        reason = result.skip_reason
        self.message = (reason.skip_message if isinstance(reason, dg.SkipReason) else reason) or ""
        requests = result.run_requests or []
        assert bool(requests) != bool(self.message)
        prefix = "dagster/asset_partition_range"
        return [
            (request.tags[f"{prefix}_start"], request.tags[f"{prefix}_end"]) for request in requests
        ]

    def publish(self, first: str, last: str = "", **options: Any) -> dict[str, str]:
        """Make raw days, as a run that was asked for does; return why some are not published."""
        days = date.fromisoformat(first), date.fromisoformat(last or first)
        return Pipeline(self.settings(**options), self.instance, layer="raw").run(*days)

    def is_idle(self, **options: Any) -> bool:
        """Tick; return whether nothing was asked for, read or waited for."""
        asked = self.tick(**options)
        return not asked and self.message.startswith("Compared 0 days of ") and (
            self.message.endswith("; none has changed.")
        )  # fmt: skip

    def run(self, first: str, last: str = "") -> None:
        """Leave a run in Dagster that is still going on."""
        create_run_for_test(
            self.instance,
            status=dg.DagsterRunStatus.STARTED,
            tags={
                "dagster/asset_partition_range_start": first,
                "dagster/asset_partition_range_end": last or first,
            },
        )

    def end_run(self) -> None:
        (run, *_) = self.instance.get_runs()
        self.instance.report_run_failed(run)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop in day folders and its lake, to be copied."""
    root = tmp_path_factory.mktemp("published")
    files = Folder(root / "shop")
    for day in days_between(START, LAST):
        files.put(day_files(day))
    options = {"lake": str(root / "lake"), "email_hmac_key": KEY}
    with dg.DagsterInstance.ephemeral() as instance:
        watch = Watch(files, instance, options)
        assert watch.publish(str(START), str(LAST)) == {}
    return root


def watched(files: Any, tmp_path: Path, **options: Any) -> Iterator[Watch]:
    options = {
        "lake": str(tmp_path / "lake"),
        "email_hmac_key": KEY,
        "source_still_minutes": 0,
        "engine_threads": 2,
    } | options
    with dg.DagsterInstance.ephemeral() as instance:
        yield Watch(files, instance, options)


@pytest.fixture
def watch(published: Path, tmp_path: Path) -> Iterator[Watch]:
    """A sensor that knows a shop and its lake."""
    shutil.copytree(published, tmp_path, dirs_exist_ok=True)
    for found in watched(Folder(tmp_path / "shop"), tmp_path):
        assert found.tick() == []
        assert found.message == "Compared 10 days of 30 files; none has changed."
        yield found


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Watch]:
    """A sensor on an empty folder and an empty lake."""
    yield from watched(Folder(tmp_path / "shop"), tmp_path)


# ------------------------------------------------------------------------ what is found


@pytest.mark.parametrize("place", ["folder", "s3"])
def test_deliveries_are_made_once_and_again_when_they_change(
    place: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    bucket = request.getfixturevalue("bucket") if place == "s3" else ""
    files: Any = Bucket(bucket, tmp_path) if bucket else Folder(tmp_path / "shop")
    for day in days_between(START, LAST):
        files.put(day_files(day))
    for watch in watched(files, tmp_path):
        # A first load is no change of what was published.
        assert watch.tick(max_changed_days=2) == ALL
        assert watch.publish(*ALL[0]) == {}
        assert watch.tick() == []
        assert watch.message == "Compared 10 days of 30 files; none has changed."
        assert watch.is_idle()

        files.put(day_files(DAY))  # again
        assert watch.tick() == []
        compared = 0 if bucket else 1  # S3's ETag is of the content
        assert watch.message == f"Compared {compared} days of 30 files; none has changed."
        assert watch.is_idle()

        files.put({ORDERS: [*rows_of(DAY)["orders"], {"id": "late"}], **day_files(OPEN)})
        assert watch.tick() == [(DAY, DAY)]
        assert watch.tick() == []
        assert watch.message.endswith("1 have changed, and are being made or have failed lately.")
        assert watch.publish(DAY) == {}
        assert watch.is_idle()

        files.remove(ORDERS)
        files.put({f"orders/date={DAY}/again.csv": rows_of(DAY)["orders"]})
        assert watch.tick() == [(DAY, DAY)]
        assert watch.publish(DAY) == {}
        assert watch.is_idle()
        assert watch.tick(after=timedelta(days=1)) == [(OPEN, OPEN)]  # it has closed by now


def test_the_same_rows_in_whatever_files_make_no_run(watch: Watch) -> None:
    rows = rows_of(DAY)["orders"]
    text = content("orders", ".csv", rows)
    folder = f"orders/date={DAY}"
    ways: list[dict[str, Any]] = [
        {"orders.csv": text},
        {"orders.csv": rows[::-1]},
        {"orders.csv.gz": gzip.compress(text)},
        {"orders.csv": rows[:1], "rest.csv": rows[1:]},
        {"part-0.parquet": rows},
        {"orders.jsonl": rows},
        {"orders.csv": text, "_SUCCESS": b""},
    ]
    for files in ways:
        watch.files.remove(folder)
        watch.files.put({f"{folder}/{name}": what for name, what in files.items()})

        assert watch.tick() == [], files
        assert watch.message.endswith("none has changed.")
        assert watch.is_idle()


def test_other_rows_make_a_run_of_exactly_their_day(watch: Watch) -> None:
    first, second = rows_of(DAY)["orders"]
    for rows in (
        [first, second | {"total_amount": "12.31"}],
        [first],
        [first, second, second],
        [],
    ):
        watch.files.put({ORDERS: rows})
        assert watch.tick() == [(DAY, DAY)], rows


def test_a_file_removed_from_a_day_is_a_change_of_it(watch: Watch) -> None:
    extra = f"orders/date={DAY}/extra.csv"
    watch.files.put({extra: [{"id": "extra"}]})
    assert watch.tick() == [(DAY, DAY)]
    assert watch.publish(DAY) == {}
    assert watch.is_idle()
    watch.files.remove(extra)
    assert watch.tick() == [(DAY, DAY)]


def test_folders_that_are_gone_change_nothing_and_are_warned_of_once(watch: Watch) -> None:
    for table in ("orders", "customers", "payments"):
        watch.files.remove(f"{table}/date={START}")
    assert watch.tick() == []
    (warning,) = watch.warnings
    assert warning.endswith(f"the lake keeps what was published of: {START}")
    assert watch.is_idle()
    assert watch.warnings == []


def test_days_that_follow_each_other_are_one_run(watch: Watch) -> None:
    for day in (DAY, NEXT, str(LAST)):
        watch.files.put({f"orders/date={day}/more.csv": [{"id": "more"}]})
    assert watch.tick() == [(DAY, NEXT), (str(LAST), str(LAST))]


def test_a_day_long_past_is_made_when_its_files_arrive(empty: Watch) -> None:
    empty.files.put(day_files(NEXT))
    assert empty.tick() == [(NEXT, NEXT)]
    assert empty.publish(NEXT) == {}
    empty.files.put(day_files(START))
    assert empty.tick() == [(str(START), str(START))]


def test_a_day_waits_for_all_its_tables(empty: Watch) -> None:
    files = day_files(DAY)
    payments = {PAYMENTS: files.pop(PAYMENTS)}
    empty.files.put({**day_files(START), **files})
    assert empty.tick() == [(str(START), str(START))]
    empty.publish(str(START))
    assert empty.tick() == []
    assert empty.message.endswith(f"{DAY} waits for payments.")
    empty.files.put(payments)
    assert empty.tick() == [(DAY, DAY)]


def test_an_idle_tick_reads_no_file_and_a_lost_cursor_has_all_compared(watch: Watch) -> None:
    path = watch.files.root / ORDERS
    facts = path.stat()
    data = path.read_bytes().replace(b"12.30", b"99.90")
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))  # nothing that a listing shows

    assert watch.is_idle()
    watch.cursor = None
    with dg.DagsterInstance.ephemeral() as watch.instance:  # Dagster's storage is lost as well
        assert watch.tick() == [(DAY, DAY)]


def test_a_lost_cursor_makes_no_run_of_what_has_not_changed(watch: Watch) -> None:
    for cursor in (None, "", "junk", "{}", '{"seen": 7}', '{"seen": {"a": "b"}}', "[]"):
        watch.cursor = cursor
        assert watch.tick() == []
        assert watch.message == "Compared 10 days of 30 files; none has changed."
        assert watch.is_idle()


def test_other_settings_have_all_compared_again(watch: Watch) -> None:
    watch.files.put({ORDERS: [{"id": "1", "created_at": f"{DAY} 23:30:00"}]})
    assert watch.tick() == [(DAY, DAY)]
    watch.publish(DAY)
    assert watch.tick(source_timezone="Europe/Berlin", max_changed_days=9) == []
    assert watch.message.startswith("10 days have changed in the source")
    assert watch.tick() == []
    assert watch.message == "Compared 10 days of 30 files; none has changed."


# ------------------------------------------------------------------------ whole tables


def test_of_whole_tables_exactly_the_days_are_made_whose_rows_changed(empty: Watch) -> None:
    files = whole_files()
    orders = files.pop("orders.csv")
    files |= {"orders/a.csv": orders[:7], "orders/b.csv": orders[7:]}
    empty.files.put(files)
    assert empty.tick(max_changed_days=2) == ALL
    assert empty.publish(*ALL[0]) == {}
    assert empty.is_idle()

    # A payment moves to another day, and a customer is new.
    changed = [row | {"paid_at": f"{NEXT} 01:00:00"} if row["id"] == f"{DAY}-1" else row
               for row in files["payments.csv"]]  # fmt: skip
    customers = [*files["customers.csv"], {"id": "new", "signup_date": "2026-01-08"}]
    empty.files.put({"payments.csv": changed, "customers.csv": customers})
    assert empty.tick() == [(DAY, NEXT), ("2026-01-08", "2026-01-08")]
    assert empty.publish(DAY, "2026-01-08") == {}
    assert empty.is_idle()


def test_a_day_without_rows_is_made_when_later_ones_have_some(empty: Watch) -> None:
    files = whole_files(START, date(2026, 1, 3))
    later = whole_files(date(2026, 1, 7), date(2026, 1, 7))
    empty.files.put({name: [*rows, *later[name]] for name, rows in files.items()})
    assert empty.tick() == [(str(START), "2026-01-07")]  # beyond, nothing was delivered yet
    assert empty.publish(str(START), "2026-01-07") == {}
    assert empty.is_idle()


def test_rows_of_a_day_that_was_not_over_are_made_when_it_is(empty: Watch) -> None:
    empty.files.put(whole_files(START, LAST + timedelta(days=1)))
    assert empty.tick() == ALL
    assert empty.publish(*ALL[0]) == {}
    assert empty.is_idle()
    assert empty.tick(after=timedelta(days=1)) == [(OPEN, OPEN)]


def test_an_unpaid_payment_follows_its_order_to_another_day(empty: Watch) -> None:
    files = whole_files()
    files["payments.csv"].append({"id": "open", "order_id": f"{DAY}-1", "paid_at": ""})
    empty.files.put(files)
    assert empty.tick() == ALL
    assert empty.publish(*ALL[0]) == {}
    assert empty.is_idle()
    empty.files.put({"orders.csv": [
        row | {"created_at": "2026-01-08 08:00:00"} if row["id"] == f"{DAY}-1" else row
        for row in files["orders.csv"]
    ]})  # fmt: skip
    assert empty.tick() == [(DAY, DAY), ("2026-01-08", "2026-01-08")]


def test_a_whole_table_that_is_broken_is_told_once_and_holds_all_days(empty: Watch) -> None:
    empty.files.put(whole_files())
    assert empty.tick() == ALL
    assert empty.publish(*ALL[0]) == {}
    assert empty.is_idle()
    empty.files.put({"orders.csv": b"id,customer_id\n1,2,3\n", "payments.csv": []})
    for _ in range(3):
        assert empty.tick() == []
        assert "Nothing is made before orders and payments can be read." in empty.message
    (reason,) = told(empty)
    assert "orders.csv, line 1: has no column `total_amount`" in reason
    empty.files.put(whole_files())
    assert empty.tick() == []
    assert empty.is_idle()


def test_files_that_a_tick_has_not_the_time_to_read_are_told_of_once(empty: Watch) -> None:
    rows = [{"id": str(number), "created_at": f"{DAY} 10:00:00"} for number in range(10_000)]
    header, _, lines = content("orders", ".csv", rows).partition(b"\n")
    millions = gzip.compress(header + b"\n") + gzip.compress(lines) * 1_000
    empty.files.put(whole_files() | {"orders.csv": b""})
    empty.files.remove("orders.csv")
    empty.files.put({"orders.csv.gz": millions})
    assert empty.tick(change_check_seconds=2) == []
    (warning,) = empty.warnings
    assert "orders.csv.gz could not be read in the time that there is" in warning
    assert empty.tick(change_check_seconds=2) == ALL  # by the sign-ups of customers
    assert empty.warnings == []


# -------------------------------------------------------------------- what is not whole yet


def test_files_count_when_they_have_stayed_the_same_for_some_minutes(watch: Watch) -> None:
    for rows in ([{"id": "1"}], [{"id": "1"}, {"id": "2"}]):
        watch.files.put({ORDERS: rows})
        assert watch.tick(source_still_minutes=10) == []
        assert watch.message.endswith("1 delivery must first stay the same for 10 minutes.")
        assert watch.tick(source_still_minutes=10) == []
    assert watch.tick(source_still_minutes=10) == [(DAY, DAY)]


def test_nothing_is_made_while_a_whole_table_is_being_replaced(empty: Watch) -> None:
    days = {k: v for k, v in day_files(START).items() if not k.startswith("customers")}
    empty.files.put({**days, **whole_files(START, START, "customers")})
    assert empty.tick(source_still_minutes=5) == []
    assert empty.tick(source_still_minutes=5) == [(str(START), str(START))]
    empty.publish(str(START))
    assert empty.tick(source_still_minutes=5) == []
    empty.files.put({f"orders/date={START}/more.csv": [{"id": "more"}]})
    assert empty.tick(source_still_minutes=5) == []
    empty.files.put(whole_files(START, LAST, "customers"))
    assert empty.tick(source_still_minutes=5) == []
    assert empty.tick(source_still_minutes=5) == [(str(START), str(START))]


def test_with_markers_a_day_waits_for_its_own(empty: Watch) -> None:
    empty.options["source_markers"] = True
    for table in ("orders", "customers", "payments"):
        empty.files.put({f"{table}/date={day}/_SUCCESS": b"" for day in (str(START), DAY)})
    empty.files.put(day_files(START) | day_files(DAY))
    empty.files.remove(f"payments/date={DAY}/_SUCCESS")
    assert empty.tick() == [(str(START), str(START))]
    assert empty.publish(str(START)) == {}
    assert empty.tick() == []
    assert empty.message.endswith(
        f"1 delivery waits: payments/{DAY} has neither _SUCCESS nor _manifest.json yet, since "
        "2026-01-11 03:05 UTC."
    )
    assert empty.warnings == []
    assert empty.tick(after=timedelta(hours=1)) == []
    (warning,) = empty.warnings
    assert warning == (
        f"payments/{DAY} has waited since 2026-01-11 03:05:00+00:00: it has neither _SUCCESS nor "
        "_manifest.json yet"
    )
    empty.files.put({f"payments/date={DAY}/_SUCCESS": b""})
    assert empty.tick() == [(DAY, DAY)]


def test_with_markers_no_run_publishes_a_day_without_one(watch: Watch) -> None:
    """As the schedule and `ecom run` ask for days that are not complete."""
    published = Path(watch.options["lake"], f"raw/orders/date={DAY}/data.parquet").read_bytes()
    watch.files.put({ORDERS: [{"id": "half"}]})
    failures = watch.publish(DAY, source_markers=True)
    assert failures[f"raw/orders {DAY}"] == (
        f"orders/date={DAY}/ has neither _SUCCESS nor _manifest.json yet"
    )
    kept = Path(watch.options["lake"], f"raw/orders/date={DAY}/data.parquet").read_bytes()
    assert kept == published


def test_a_manifest_that_is_not_met_keeps_the_day_waiting(empty: Watch) -> None:
    empty.options["source_markers"] = True
    empty.files.put(day_files(START))
    for table in ("orders", "customers"):
        empty.files.put({f"{table}/date={START}/_SUCCESS": b""})
    place = f"payments/date={START}"
    promise = {"files": [{"name": "payments.csv"}, {"name": "rest.csv"}]}
    empty.files.put({f"{place}/_manifest.json": json.dumps(promise)})
    assert empty.tick() == []
    assert "lacks rest.csv, which _manifest.json names" in empty.message
    empty.files.put({f"{place}/rest.csv": []})
    assert empty.tick() == [(str(START), str(START))]
    assert empty.publish(str(START)) == {}
    # What only reading shows is a failure of the day, told by its run, and not waited for.
    data = (empty.files.root / f"{place}/rest.csv").read_bytes()
    promise["files"][1] |= {"rows": 1, "sha256": hashlib.sha256(data).hexdigest()}
    empty.files.put({f"{place}/_manifest.json": json.dumps(promise)})
    assert empty.tick() == [(str(START), str(START))]
    failures = empty.publish(str(START))
    assert failures[f"raw/payments {START}"] == (
        f"{place}/rest.csv has 0 rows, and _manifest.json says 1"
    )
    assert empty.is_idle()


# -------------------------------------------------------------------------- what fails


def test_a_malformed_day_is_asked_for_once_and_again_when_its_files_change(watch: Watch) -> None:
    watch.files.put({ORDERS: b"id,customer_id\n1,2,3\n"})
    assert watch.tick() == [(DAY, DAY)]
    watch.run(DAY)
    assert watch.tick() == []
    assert "has no column" in watch.publish(DAY)[f"raw/orders {DAY}"]
    watch.end_run()
    for after in (INTERVAL, 2 * PAUSE, timedelta(hours=20)):
        assert watch.tick(after=after) == []
        assert watch.message.endswith("none has changed.")
    # Also when it is as it was before: until a run succeeds, Dagster has it as failed.
    for rows in (rows_of(DAY)["orders"], [{"id": "1"}]):
        watch.files.put({ORDERS: rows})
        assert watch.tick() == [(DAY, DAY)]
        watch.run(DAY)
        assert watch.tick() == []
        assert watch.publish(DAY) == {}
        watch.end_run()
        assert watch.tick() == []
        assert watch.is_idle()
        watch.files.put({ORDERS: rows})
        assert watch.tick() == []


def test_a_new_day_that_is_malformed_is_asked_for_once(empty: Watch) -> None:
    empty.files.put(day_files(START) | {f"orders/date={START}/notes.txt": b"hello"})
    assert empty.tick() == [(str(START), str(START))]
    assert "notes.txt would not be read" in empty.publish(str(START))[f"raw/orders {START}"]
    for _ in range(3):
        assert empty.tick(after=PAUSE) == []
    empty.files.remove(f"orders/date={START}/notes.txt")
    assert empty.tick() == [(str(START), str(START))]


def test_a_day_that_failed_for_another_reason_is_asked_for_again_after_a_pause(
    watch: Watch,
) -> None:
    watch.files.put({ORDERS: [{"id": "1"}]})
    assert watch.tick() == [(DAY, DAY)]
    for _ in range(3):
        assert watch.tick() == []
        assert watch.message.endswith("1 have changed, and are being made or have failed lately.")
    assert watch.tick(after=PAUSE) == [(DAY, DAY)]


def test_a_day_of_which_a_later_step_failed_is_asked_for_again_though_it_was_read(
    watch: Watch,
) -> None:
    watch.options["retention_days"] = 1  # the lake has raw days alone
    watch.files.put({ORDERS: [{"id": ""}]})
    assert watch.tick() == [(DAY, DAY)]
    day = date.fromisoformat(DAY)
    with open_platform(watch.settings(quarantine_min_rows=0)) as platform:
        watch.instance = platform.instance
        failures = platform.failures(platform.run(day, day))
        assert any("would be quarantined" in reason for reason in failures.values())
        assert watch.tick() == []
        assert watch.message.endswith("1 have changed, and are being made or have failed lately.")
        assert watch.tick(after=PAUSE) == [(DAY, DAY)]
        lenient = Platform(watch.settings(), watch.instance)
        assert lenient.run(day, day).success
        assert watch.tick(after=PAUSE) == []
        assert watch.message.endswith("none has changed.")


def test_days_that_a_run_is_making_are_left_to_it(watch: Watch) -> None:
    watch.files.put({f"orders/date={day}/more.csv": [{"id": "more"}] for day in (DAY, NEXT)})
    watch.run(DAY)
    assert watch.tick() == [(NEXT, NEXT)]
    assert watch.tick() == []
    watch.end_run()
    assert watch.tick() == [(DAY, DAY)]


# ------------------------------------------------------------------- what people are told


def told(watch: Watch) -> list[str]:
    """Return what the incidents say that people are yet to be told of."""
    with TemporaryDirectory() as folder:
        storage = open_storage(watch.settings().lake)
        state = IncidentStore(storage, Path(folder)).read()
    return [found.reason for one in state.incidents for found in one.days.values()]


def test_too_many_changed_days_are_not_made_again_but_new_ones_are(watch: Watch) -> None:
    watch.options |= {"max_changed_days": 3}
    for day in list(days_between(START, LAST))[:5]:
        watch.files.put({f"orders/date={day}/more.csv": [{"id": "more"}]})
    for _ in range(2):
        assert watch.tick() == []
        assert watch.message.startswith("5 days have changed in the source")
    watch.files.put(day_files(OPEN))
    assert watch.tick(after=timedelta(days=1)) == [(OPEN, OPEN)]
    (reason,) = told(watch)
    assert reason.startswith("5 days have changed in the source")
    assert len(watch.tick(max_changed_days=10)) == 1
    assert told(watch) == []


def test_unknown_names_are_told_once_and_new_ones_again(watch: Watch) -> None:
    watch.files.put({"customer.csv": b"id\n", "_tmp/x": b"", ".DS_Store": b""})
    for _ in range(3):
        assert watch.is_idle()
    assert told(watch) == ["customer.csv belongs to no table."]
    watch.files.put({"refunds/a.csv": b"id\n", "orders/date=2062-01-05/a.csv": []})
    for _ in range(2):
        assert watch.is_idle()
    assert told(watch) == [
        "orders/date=2062-01-05 is of a day to come.\nrefunds/ belongs to no table."
    ]


def test_a_bad_day_folder_is_told_and_nothing_is_made_before_it_is_mended(watch: Watch) -> None:
    watch.files.put({"orders/date=2026-02-30/a.csv": [{}], PAYMENTS: []})
    for _ in range(3):
        assert watch.tick() == []
        assert watch.message.endswith("Nothing is made before orders can be read.")
    assert told(watch) == [
        "orders/date=2026-02-30/a.csv is in no layout of orders, and keeps orders from being read."
    ]
    watch.files.remove("orders/date=2026-02-30")
    assert watch.tick() == [(DAY, DAY)]


# ---------------------------------------------------------------------- where and how it is


def test_files_have_this_sensor_and_databases_the_other(tmp_path: Path) -> None:
    def sensors(source: str) -> list[str]:
        found = settings(source, lake=str(tmp_path / "lake"))
        return [sensor.name for sensor in build_definitions(found).sensors or []]

    before, after = ["incidents", "health"], ["downstream_refresh"]
    for source, follower in (
        ("s3://shop/landing", "landing_files"),
        (f"file://{tmp_path}", "landing_files"),
        ("postgresql://shop@localhost/shop", "source_changes"),
        ("mysql://shop@localhost/shop", "source_changes"),
    ):
        assert sensors(source) == [*before, follower, *after]


def test_the_real_sensor_and_real_runs_bring_the_lake_up_to_date(
    published: Path, tmp_path: Path
) -> None:
    """At the real time, through Dagster's own evaluation of the sensor."""
    shutil.copytree(published, tmp_path, dirs_exist_ok=True)
    files = Folder(tmp_path / "shop")
    options = {
        "lake": str(tmp_path / "lake"),
        "email_hmac_key": KEY,
        "source_still_minutes": 0,
        "retention_days": 1,
    }
    with open_platform(settings(files.address, **options)) as platform:
        sensor = platform.definitions.resolve_sensor_def("landing_files")
        assert sensor.default_status is dg.DefaultSensorStatus.STOPPED
        cursor: str | None = None

        def tick() -> list[tuple[date, date]]:
            nonlocal cursor
            context = dg.build_sensor_context(
                platform.instance, cursor=cursor, sensor_name="landing_files"
            )
            data = sensor.evaluate_tick(context)
            cursor = data.cursor
            ranges = [
                tuple(
                    date.fromisoformat(request.tags[f"dagster/asset_partition_range_{end}"])
                    for end in ("start", "end")
                )
                for request in data.run_requests or []
            ]
            for (first, last), request in zip(ranges, data.run_requests or [], strict=True):
                assert platform.failures(platform.run(first, last, tags=dict(request.tags))) == {}
            return ranges  # pyright: ignore[reportReturnType]

        assert tick() == []
        files.put({ORDERS: [*rows_of(DAY)["orders"], {"id": "late", "created_at": f"{DAY} 08:00"}]})
        day = date.fromisoformat(DAY)
        assert tick() == [(day, day)]
        assert tick() == []
        revenue = platform.rows(
            "metrics/total_orders",
            f"SELECT total_orders FROM dataset WHERE date = '{DAY}' AND region = 'all'",
        )
        assert revenue == [(3,)]


def test_the_cursor_stays_small(watch: Watch) -> None:
    state = LandingState.load(watch.cursor)
    assert len(state.seen) == 30
    assert len(watch.cursor or "") < 30 * 8 + 600
