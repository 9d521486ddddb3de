"""A range of days with bad ones among them: what is published, what stays, what is said."""

from __future__ import annotations

import re
import shutil
import socket
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import dagster as dg
import pytest

from ecom_platform.assets.metrics import METRICS
from ecom_platform.datasets import CLEANED, QUARANTINE, RAW
from ecom_platform.lake.failures import MAX_RETRIES
from ecom_platform.lake.storage import open_storage
from ecom_platform.settings import Settings
from ecom_platform_tests.platform import Platform, open_platform

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from ecom_platform_tests.sources.postgres_database import Database

FIRST, LAST = date(2026, 3, 1), date(2026, 3, 30)
DAYS = [FIRST + timedelta(days=offset) for offset in range(30)]
#: Its orders have no amounts, so that too many rows would be quarantined; its file is cut.
DIRTY, BROKEN = date(2026, 3, 10), date(2026, 3, 20)
RETENTION_DAYS = 5
ROWS = 8

DATASETS = {d.path: d for d in (*RAW, *CLEANED, *QUARANTINE, *(m.dataset for m in METRICS))}
#: What is made of orders, and so has no such day where the orders have none.
OF_ORDERS = {
    "cleaned/orders", "metrics/total_orders", "metrics/total_customers",
    "metrics/average_order_value", "metrics/customer_retention_rate",
}  # fmt: skip
OF_PAYMENTS = {"cleaned/payments", "metrics/total_revenue", "metrics/payment_status"}
HEADERS = {
    "orders": "id,customer_id,total_amount,created_at,status",
    "customers": "id,email,region,signup_date",
    "payments": "id,order_id,amount,status,paid_at",
}


def write_day(shop: Path, day: date, amount: str, *, rows: int = ROWS) -> None:
    """Write the three files of a day: some orders, each paid at once."""
    numbers = [f"{day:%m%d}{n}" for n in range(rows)]
    tables = {
        "orders": [f"o{n},c{n[-1]},{amount},{day}T12:00:00,paid" for n in numbers],
        "customers": [f"c{n},c{n}@example.invalid,EU,{day}" for n in range(ROWS)]
        if day == FIRST
        else [],
        "payments": [f"p{n},o{n},{amount},paid,{day}T12:05:00" for n in numbers],
    }
    for table, lines in tables.items():
        folder = shop / table / f"date={day}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "part.csv").write_text("\n".join([HEADERS[table], *lines]) + "\n")


def cut(shop: Path, day: date) -> None:
    """Leave the orders' file of a day in the middle of a row."""
    file = shop / "orders" / f"date={day}" / "part.csv"
    file.write_text(file.read_text()[:-20])


def settings_of(shop: Path, lake: str, **options: Any) -> Settings:
    """Return settings that read a shop's files."""
    return Settings(  # pyright: ignore[reportCallIssue]
        _env_file=None,  # pyright: ignore[reportCallIssue]
        source=shop.as_uri(),  # pyright: ignore[reportArgumentType]
        lake=lake,
        start_date=FIRST,
        retention_days=RETENTION_DAYS,
        retry_seconds=0,
        **options,
    )


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Thirty good days."""
    folder = tmp_path / "shop"
    for day in DAYS:
        write_day(folder, day, "10.00")
    return folder


@pytest.fixture
def platform(tmp_path: Path, shop: Path) -> Iterator[Platform]:
    """A platform on these days, with a lake in a folder."""
    with open_platform(settings_of(shop, str(tmp_path / "lake"))) as opened:
        yield opened


def versions(platform: Platform) -> dict[tuple[str, str], str]:
    """Return (dataset, day) -> version of everything in the lake."""
    return {
        (path.split("/date=")[0], path.split("/date=")[1][:10]): etag
        for path, etag in open_storage(platform.settings.lake).etags("").items()
    }


def contents(platform: Platform) -> dict[str, str]:
    """Return path -> what its rows are, whatever their order and whoever wrote them."""
    storage = open_storage(platform.settings.lake)
    found = {path: storage.stat(path) for path in storage.etags("")}
    return {path: facts.metadata["ecom-content"] for path, facts in found.items() if facts}


def files(platform: Platform, days: Iterable[date]) -> dict[Path, bytes]:
    """Return the bytes of some days' partitions, of all datasets."""
    return {
        file: file.read_bytes()
        for day in days
        for file in Path(platform.settings.lake).glob(f"*/*/date={day}/data.parquet")
    }


def statuses(*failed: date, first: date = FIRST, last: date = LAST) -> dict[str, str]:
    """Return day -> status, where some days have failed and the others not."""
    return {
        str(day): "FAILED" if day in failed else "MATERIALIZED"
        for day in DAYS
        if first <= day <= last
    }


def materialized(platform: Platform, result: dg.JobExecutionResult) -> list[tuple[str, str]]:
    """Return (dataset, day) of each materialization that a run has recorded."""
    records = platform.instance.get_records_for_run(
        result.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
    ).records
    events = [record.event_log_entry.get_dagster_event() for record in records]
    return [(str(e.asset_key.to_user_string()), str(e.partition)) for e in events if e.asset_key]


def restarts(platform: Platform, result: dg.JobExecutionResult) -> dict[str, int]:
    """Return step -> how often it was tried again in a run."""
    found: dict[str, int] = {}
    for record in platform.instance.get_records_for_run(
        result.run_id, of_type=dg.DagsterEventType.STEP_RESTARTED
    ).records:
        step = str(record.event_log_entry.get_dagster_event().step_key)
        found[step] = found.get(step, 0) + 1
    return found


def test_two_bad_days_of_thirty_fail_alone_and_are_repaired_alone(
    platform: Platform, shop: Path, tmp_path: Path
) -> None:
    assert platform.failures(platform.run(FIRST, LAST)) == {}
    first = versions(platform)
    kept = files(platform, (DIRTY, BROKEN))
    assert len(first) == 30 * len(DATASETS)

    # The shop delivers all days again, and two of them wrong.
    for day in DAYS:
        write_day(shop, day, "20.00", rows=ROWS - 1)
    write_day(shop, DIRTY, "twenty")
    cut(shop, BROKEN)
    result = platform.run(FIRST, LAST)

    bad = {name: {DIRTY, BROKEN} for name in OF_ORDERS} | {"raw/orders": {BROKEN}}
    bad |= {name: {DIRTY} for name in OF_PAYMENTS}
    for dataset in DATASETS:
        if not dataset.startswith("quarantine/"):
            expected = statuses(*bad.get(dataset, ()))
            assert platform.statuses(dataset, FIRST, LAST) == expected, dataset
    good = [(name, str(day)) for name in DATASETS for day in DAYS if day not in bad.get(name, ())]
    recorded = materialized(platform, result)
    assert sorted(key for key in recorded if not key[0].startswith("quarantine/")) == sorted(
        key for key in good if not key[0].startswith("quarantine/")
    )

    # The old partitions of the bad days are what they were, to the byte; all others are new.
    now = versions(platform)
    for file, content in kept.items():
        dataset = "/".join(file.parts[-4:-2])
        day = date.fromisoformat(file.parent.name[5:])
        if day in bad.get(dataset, ()):
            assert file.read_bytes() == content, file
    for dataset in (
        "raw/orders",
        "cleaned/orders",
        "metrics/total_revenue",
        "metrics/total_orders",
    ):
        same = {day for day in DAYS if now[dataset, str(day)] == first[dataset, str(day)]}
        assert same == bad[dataset]
    revenue = platform.rows(
        "metrics/total_revenue",
        "SELECT CAST(total_revenue AS VARCHAR), list(date ORDER BY date) FROM dataset "
        "WHERE region = 'all' GROUP BY ALL ORDER BY ALL",
    )
    assert revenue == [("140.00", [day for day in DAYS if day != DIRTY]), ("80.00", [DIRTY])]

    failures = platform.failures(result)
    raw, cleaned = failures["raw__orders"].splitlines(), failures["clean_orders"].splitlines()
    assert raw[0].startswith("1 of 30 days of raw/orders were not published")
    assert re.match(rf"{BROKEN}: orders/date={BROKEN}/part.csv", raw[1])
    assert cleaned[0].startswith("2 of 30 days of cleaned/orders were not published")
    assert cleaned[1].startswith(
        f"{DIRTY}: 8 of 8 rows would be quarantined, more than ECOM_QUARAN"
    )
    assert cleaned[2] == f"{BROKEN}: raw/orders of this day failed in this run"
    assert failures["metrics__total_orders"].splitlines()[1:] == [
        f"{day}: cleaned/orders of this day failed in this run" for day in (DIRTY, BROKEN)
    ]
    assert not any("@" in text for text in failures.values())

    # The two are repaired, and nothing else is run.
    for day in (DIRTY, BROKEN):
        write_day(shop, day, "20.00", rows=ROWS - 1)
        assert platform.failures(platform.run(day, day)) == {}
    for dataset in DATASETS:
        assert platform.statuses(dataset, FIRST, LAST) == statuses(), dataset
    after = versions(platform)
    assert {day for (_, day), etag in after.items() if now[_, day] != etag} == {
        str(DIRTY), str(BROKEN)
    }  # fmt: skip
    scratch = Platform(settings_of(shop, str(tmp_path / "from scratch")), platform.instance)
    assert scratch.run(FIRST, LAST).success
    assert contents(platform) == contents(scratch)


def test_the_same_holds_for_a_lake_in_s3(tmp_path: Path, shop: Path, bucket: str) -> None:
    last = DAYS[5]
    with open_platform(settings_of(shop, f"s3://{bucket}/lake")) as platform:
        assert platform.failures(platform.run(FIRST, last)) == {}
        before = versions(platform)
        for day in DAYS[:6]:
            write_day(shop, day, "20.00")
        write_day(shop, DAYS[1], "twenty")
        cut(shop, DAYS[4])
        assert not platform.run(FIRST, last).success
        after = versions(platform)
        for dataset in ("cleaned/orders", "metrics/average_order_value"):
            same = {
                day for day in DAYS[:6] if after[dataset, str(day)] == before[dataset, str(day)]
            }
            assert same == {DAYS[1], DAYS[4]}
            assert platform.statuses(dataset, FIRST, last) == statuses(DAYS[1], DAYS[4], last=last)
        for day in (DAYS[1], DAYS[4]):
            write_day(shop, day, "20.00")
            assert platform.failures(platform.run(day, day)) == {}
        scratch = Platform(settings_of(shop, str(tmp_path / "folder")), platform.instance)
        assert scratch.run(FIRST, last).success
        assert contents(platform) == contents(scratch)


def test_a_range_of_bad_days_only_publishes_nothing(platform: Platform, shop: Path) -> None:
    last = DAYS[2]
    for day in DAYS[:3]:
        write_day(shop, day, "ten")
    failures = platform.failures(platform.run(FIRST, last))
    assert failures["clean_orders"].startswith("3 of 3 days of cleaned/orders were not published")
    assert not (Path(platform.settings.lake) / "cleaned" / "orders").exists()
    assert not (Path(platform.settings.lake) / "quarantine" / "orders").exists()
    assert platform.statuses("raw/orders", FIRST, last) == statuses(last=last)
    for dataset in OF_ORDERS:
        assert platform.statuses(dataset, FIRST, last) == statuses(*DAYS, last=last)
    # What does not need the orders goes on.
    assert platform.statuses("cleaned/customers", FIRST, last) == statuses(last=last)


def test_a_source_that_cannot_be_read_at_all_fails_every_day_and_keeps_all(
    platform: Platform, shop: Path
) -> None:
    last = DAYS[2]
    assert platform.run(FIRST, last).success
    before = versions(platform)
    shutil.rmtree(shop / "orders")
    result = platform.run(FIRST, last)
    assert "has no files of orders" in platform.failures(result)["raw__orders"]
    assert restarts(platform, result) == {}
    for dataset in ("raw/orders", *OF_ORDERS):
        assert platform.statuses(dataset, FIRST, last) == statuses(*DAYS, last=last)
    assert platform.statuses("cleaned/customers", FIRST, last) == statuses(last=last)
    assert versions(platform) == before


def retention(platform: Platform) -> dict[date, tuple[int, int]]:
    """Return day -> (active customers, those who came again)."""
    return {
        day: (active, repeat)
        for day, active, repeat in platform.rows(
            "metrics/customer_retention_rate",
            "SELECT date, active_customers, repeat_customers FROM dataset WHERE region = 'all'",
        )
    }


def test_retention_uses_the_last_good_version_of_a_bad_day_it_looks_back_on(
    platform: Platform, shop: Path
) -> None:
    last, bad = DAYS[9], DAYS[3]
    assert platform.run(FIRST, last).success
    assert retention(platform)[DAYS[5]] == (8, 8)
    for day in DAYS[:10]:
        write_day(shop, day, "10.00", rows=1)
    cut(shop, bad)
    result = platform.run(FIRST, last)

    dataset = "metrics/customer_retention_rate"
    assert platform.statuses(dataset, FIRST, last) == statuses(bad, last=last)
    assert platform.failures(result)["metrics__customer_retention_rate"].splitlines()[1:] == [
        f"{bad}: cleaned/orders of this day failed in this run"
    ]
    found = retention(platform)
    assert found[bad] == (8, 8)  # as it was
    assert found[DAYS[2]] == (1, 1)
    # Five days from the bad one on see its eight customers, of whom one came again.
    assert [found[day] for day in DAYS[4:8]] == [(8, 1)] * 4
    assert found[DAYS[8]] == (1, 1)

    write_day(shop, bad, "10.00", rows=1)
    assert platform.run(bad, DAYS[7]).success
    assert set(retention(platform).values()) == {(1, 0), (1, 1)}


def test_retention_does_not_guess_days_that_were_never_computed(
    platform: Platform, shop: Path
) -> None:
    last, bad = DAYS[9], DAYS[3]
    cut(shop, bad)
    result = platform.run(FIRST, last)
    dataset = "metrics/customer_retention_rate"
    needing = DAYS[3 : 3 + RETENTION_DAYS]
    assert platform.statuses(dataset, FIRST, last) == statuses(*needing, last=last)
    first, *others = platform.failures(result)["metrics__customer_retention_rate"].splitlines()[1:]
    assert first == f"{bad}: cleaned/orders of this day failed in this run"
    assert others == [
        f"{day}: cleaned/orders was never computed for {bad}; materialize it first"
        for day in needing[1:]
    ]
    write_day(shop, bad, "10.00")
    assert platform.run(bad, needing[-1]).success
    assert platform.statuses(dataset, FIRST, last) == statuses(last=last)
    assert set(retention(platform).values()) == {(8, 0), (8, 8)}


class FlakyServer:
    """A port before a database that closes its first connections, as a server does that starts.

    Args:
        refusals: How many it closes.
        target: The socket of the database.
    """

    def __init__(self, refusals: int, target: str) -> None:
        self.refusals = refusals
        self.refused = 0
        self.accepted = 0
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            if self.refused < self.refusals:
                self.refused += 1
                client.close()
                continue
            self.accepted += 1
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._target)
            for source, sink in ((client, server), (server, client)):
                Thread(target=_copy, args=(source, sink), daemon=True).start()

    def close(self) -> None:
        """Accept no more connections."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    """Copy bytes until one side is closed, then close the other."""
    with source:
        try:
            while data := source.recv(1 << 16):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:  # the other side is gone
            return


@contextmanager
def flaky(database: Database, refusals: int) -> Generator[tuple[str, FlakyServer]]:
    """Put a flaky port before a database; yield the database's address there."""
    parts = urlsplit(database.url)
    folder, name = parse_qs(parts.query)["host"][0], parts.path.strip("/")
    server = FlakyServer(refusals, f"{folder}/.s.PGSQL.5432")
    options = "sslmode=disable&gssencmode=disable"
    try:
        yield f"postgresql://postgres@127.0.0.1:{server.port}/{name}?{options}", server
    finally:
        server.close()


def shop_in(database: Database) -> None:
    """Put an order of each of two days into a database."""
    database.create()
    database.insert("customers", (1, "a@example.invalid", "EU", FIRST))
    for number, day in enumerate(DAYS[:2]):
        database.insert("orders", (number, 1, "10.00", f"{day} 12:00+00", "paid"))
        database.insert("payments", (number, number, "10.00", "paid", f"{day} 12:05+00"))


def test_a_failure_that_passes_is_retried_and_the_run_succeeds(
    tmp_path: Path, database: Database
) -> None:
    shop_in(database)
    with flaky(database, 1) as (address, server):
        settings = database.settings(
            source=address, lake=str(tmp_path / "lake"), start_date=FIRST, retry_seconds=0
        )
        with open_platform(settings) as platform:
            result = platform.run(FIRST, DAYS[1])
            assert platform.failures(result) == {}
            assert sum(restarts(platform, result).values()) == 1
            assert server.refused == 1
            assert platform.statuses("metrics/total_revenue", FIRST, DAYS[1]) == statuses(
                last=DAYS[1]
            )


def test_a_failure_that_does_not_pass_is_given_up_after_the_retries(
    tmp_path: Path, database: Database
) -> None:
    shop_in(database)
    with flaky(database, 1000) as (address, server):
        settings = database.settings(
            source=address, lake=str(tmp_path / "lake"), start_date=FIRST, retry_seconds=0
        )
        with open_platform(settings) as platform:
            result = platform.run(FIRST, DAYS[1], "raw/orders")
            assert restarts(platform, result) == {"raw__orders": MAX_RETRIES}
            assert server.refused == 1 + MAX_RETRIES
            assert server.accepted == 0
            assert "cannot be connected to" in platform.failures(result)["raw__orders"]


def test_a_failure_that_would_repeat_itself_is_not_retried(
    tmp_path: Path, database: Database
) -> None:
    shop_in(database)
    database.execute("drop table payments")
    with flaky(database, 0) as (address, server):
        settings = database.settings(
            source=address, lake=str(tmp_path / "lake"), start_date=FIRST, retry_seconds=0
        )
        with open_platform(settings) as platform:
            result = platform.run(FIRST, DAYS[1])
            assert restarts(platform, result) == {}
            assert list(platform.failures(result)) == ["raw__payments"]
            assert "payments" in platform.failures(result)["raw__payments"]
            assert server.accepted < 1 + MAX_RETRIES + 1
            assert platform.statuses("metrics/total_orders", FIRST, DAYS[1]) == statuses(
                last=DAYS[1]
            )
            assert platform.statuses("metrics/total_revenue", FIRST, DAYS[1]) == statuses(
                *DAYS, last=DAYS[1]
            )
