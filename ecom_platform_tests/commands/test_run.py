"""`ecom run` as users start it: what is published, printed and recorded, and how it ends."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import boto3
import dagster as dg
import pytest

from ecom_platform.assets.metrics import METRICS
from ecom_platform.commands.outcome import INTERRUPTED
from ecom_platform_tests.commands.harness import ecom, objects, recorded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ecom_platform_tests.commands.harness import Done
    from ecom_platform_tests.sources.mariadb_database import MariaDatabase

    Call = Callable[..., Done]

DAYS = ("--from", "2024-03-01", "--to", "2024-03-02")
EMAIL = "someone@example.invalid"
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COMMAND = (sys.executable, "-c", "from ecom_platform.cli.main import main; main()")


@pytest.fixture
def shop(lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of files with two days, as the source of the environment."""
    del lake
    files = {
        "orders/date=2024-03-01/part.csv": "1,1,10.00,2024-03-01T10:00:00Z,shipped",
        "orders/date=2024-03-02/part.csv": "2,1,12.00,2024-03-02T10:00:00Z,shipped",
        "customers.csv": f"1,{EMAIL},North,2024-03-01",
        "payments.csv": "1,1,10.00,paid,2024-03-01T10:05:00Z",
    }
    headers = {
        "orders": "id,customer_id,total_amount,created_at,status",
        "customers": "id,email,region,signup_date",
        "payments": "id,order_id,amount,status,paid_at",
    }
    for name, row in files.items():
        file = tmp_path / "shop" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{headers[re.split('[./]', name)[0]]}\n{row}\n")
    monkeypatch.setenv("ECOM_SOURCE", (tmp_path / "shop").as_uri())
    monkeypatch.setenv("ECOM_RETRY_SECONDS", "0")
    return tmp_path / "shop"


def test_a_shop_in_mariadb_is_published_and_shown(lake: Path, maria: MariaDatabase) -> None:
    del lake
    maria.create(orders_id="bigint unsigned auto_increment primary key", payments_paid_at="naive")
    maria.insert("customers", (1, EMAIL, "Norrköping", "2024-03-01"))
    maria.insert("orders", (1, 1, "10.10", "2024-03-01 10:00:00"), (2, 1, "1", "2024-03-01 11:00"))
    maria.insert("payments", (1, 1, "10.10", "paid", "2024-03-02 00:30:00"), (2, 2, "1", "new"))
    options = {"ECOM_SOURCE": maria.url, "ECOM_SOURCE_TIMEZONE": "Europe/Berlin"}
    done = ecom("run", *DAYS, **options)
    assert done.code == 0, done.err
    shown = ecom("show", "total_revenue", *DAYS, "--format", "csv", **options)
    assert shown.out.splitlines()[1:] == [
        "2024-03-01,all,10.10", "2024-03-01,Norrköping,10.10", "2024-03-02,all,0.00",
    ]  # fmt: skip


@pytest.mark.usefixtures("shop")
def test_a_range_is_published_and_a_day_of_it_again(lake: Path) -> None:
    done = ecom("run", *DAYS)

    assert (done.code, done.out) == (0, "")
    published, checked, page = done.err.splitlines()
    assert published == "✓ 2 days, 2024-03-01 to 2024-03-02, published."
    assert re.fullmatch(r"  (\d+) of \1 checks passed\.", checked)
    assert page == "  No page is made of it yet. Make it: ecom pages"
    before = objects(lake)
    assert {f"{metric.dataset.path}/date=2024-03-02/data.parquet" for metric in METRICS} < {*before}

    done = ecom("run", "--from", "2024-03-02", "--to", "2024-03-02")

    assert (done.code, done.err.splitlines()[0]) == (0, "✓ 2024-03-02 published.")
    assert objects(lake) == before


def test_a_bad_day_is_told_once_with_what_follows_from_it(
    shop: Path, lake: Path, tmp_path: Path
) -> None:
    (shop / "orders/date=2024-03-02/part.csv").write_text(f"id,customer_id\n2,{EMAIL}\n")

    done = ecom("run", *DAYS)

    assert done.code == 2
    head, reason, affected, advice, ended, checked, *incidents = done.err.splitlines()
    assert head.startswith("✗ raw/orders: 1 of 2 days of raw/orders were not published")
    assert reason == (
        "2024-03-02: orders/date=2024-03-02/part.csv, line 1: has no column `total_amount`; "
        "it has `id`, `customer_id`"
    )
    assert affected.startswith("  Not computed because of that: cleaned/orders, metrics/")
    assert affected.count(", ") == 4
    assert advice == (
        "  What to do: Mend what is named above, then run: "
        "ecom run --from 2024-03-02 --to 2024-03-02"
    )
    assert ended == "✗ 1 day of 2 not published in every dataset."
    assert " checks passed" in checked
    # One cause, one incident, though no sensor has ticked.
    incident, others = incidents
    assert re.fullmatch(r"  Incident \d is new: raw/orders is_published, 2024-03-02", incident)
    assert re.fullmatch(r"  See them and \d that follow from others: ecom incidents list", others)
    assert "raw/orders" in ecom("incidents", "list").out
    assert objects(lake, "metrics/total_orders/date=2024-03-01")
    assert not objects(lake, "metrics/total_orders/date=2024-03-02")
    assert EMAIL.encode() not in recorded(tmp_path)


def test_a_source_that_lost_its_rows_changes_nothing_until_somebody_says_that_it_is_meant(
    shop: Path, lake: Path
) -> None:
    assert ecom("run", *DAYS).code == 0
    before = objects(lake)
    file = shop / "payments.csv"
    file.write_text(file.read_text().splitlines()[0] + "\n")

    done = ecom("run", *DAYS)

    assert done.code == 2
    head, reason, *_ = done.err.splitlines()
    assert head.startswith("✗ raw/payments: 1 of 2 days of raw/payments were not published")
    assert reason == (
        "2024-03-01: the source has no payments at all any more; of this day 1 are published. "
        "If that is meant: --accept-loss"
    )
    assert re.search(r"Incident \d is new: raw/payments is_published, 2024-03-01", done.err)
    assert objects(lake) == before

    done = ecom("run", *DAYS, "--accept-loss")

    assert done.code == 0
    shown = ecom("show", "total_revenue", *DAYS, "--region", "all", "--format", "csv")
    assert shown.out.splitlines()[1:] == ["2024-03-01,all,0.00", "2024-03-02,all,0.00"]
    # The ledger keeps by whose word; what is left is that a settled number has changed.
    told = ecom("restatements", *DAYS, "--format", "csv").out.splitlines()
    assert [line for line in told if "raw/payments" in line and "2024-03-01" in line]
    listed = ecom("incidents", "list", "--format", "csv").out.splitlines()[1:]
    assert [line.split(",")[2:4] for line in listed] == [
        ["ledger/restatements", "settled_numbers_changed"]
    ]


def test_what_keeps_every_day_from_being_made_is_an_error(shop: Path, lake: Path) -> None:
    (shop / "payments.csv").write_text("id,order_id,amount\n")

    done = ecom("run", *DAYS)

    assert done.code == 1
    assert f"✗ raw/payments: {shop}/payments.csv, line 1: has no column `status`" in done.err
    assert "What to do: " in done.err
    assert "Traceback" not in done.err
    assert "Stack Trace" not in done.err
    assert objects(lake, "metrics/total_orders")
    assert not objects(lake, "metrics/total_revenue")


@pytest.mark.usefixtures("shop")
def test_a_source_that_does_not_answer_is_told_in_one_message(tmp_path: Path) -> None:
    address = "postgresql://me:hush-4711@127.0.0.1:1/shop"

    done = ecom("run", *DAYS, ECOM_SOURCE=address)

    assert done.code == 1
    failures = [line for line in done.err.splitlines() if line.startswith("✗")]
    assert len(failures) == 1
    assert failures[0].startswith("✗ raw/customers, raw/orders, raw/payments: The database shop at")
    again = [line for line in done.err.splitlines() if "trying again" in line]
    assert len(again) == 1
    assert re.match(r"! raw/\w+, trying again: The database shop at 127.0.0.1:1 ", again[0])
    assert "hush-4711" not in done.err
    assert b"hush-4711" not in recorded(tmp_path)
    assert "Stack Trace" not in done.err

    done = ecom("run", *DAYS, "--debug", ECOM_SOURCE=address)

    assert done.code == 1
    assert "Stack Trace" in done.err
    assert "hush-4711" not in done.err


@pytest.mark.usefixtures("shop")
def test_a_check_that_says_no_is_told_and_the_day_is_published(shop: Path) -> None:
    (shop / "payments.csv").write_text(
        "id,order_id,amount,status,paid_at\n1,nobody,10.00,paid,2024-03-01T10:05:00Z\n"
    )

    done = ecom("run", *DAYS)

    assert done.code == 0
    assert "! cleaned/payments, check parents_exist warns: 2024-03-01\n" in done.err
    assert "! 2 days, 2024-03-01 to 2024-03-02, published, with warnings.\n" in done.err
    assert " checks passed, 1 warning.\n" in done.err
    assert "  Incident 1 is new: cleaned/payments parents_exist, 2024-03-01\n" in done.err


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (str(datetime.now(UTC).date()), "is not over yet in UTC; the last closed day is"),
        ("2024-02-01", "The range is empty"),
    ],
)
@pytest.mark.usefixtures("shop")
def test_days_that_cannot_be_made_are_refused_before_anything_starts(
    last: str, words: str, lake: Path, tmp_path: Path, command: Call
) -> None:
    done = command("run", "--from", "2024-03-01", "--to", last)

    assert done.code == 1
    assert words in done.err
    assert "What to do" in done.err
    assert not lake.exists()
    assert not (tmp_path / "dagster.yaml").exists()


@pytest.mark.usefixtures("shop")
def test_without_a_home_runs_are_recorded_here_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAGSTER_HOME")

    done = ecom("run", *DAYS)

    assert done.code == 0
    said, published, *_ = done.err.splitlines()
    assert said == f"DAGSTER_HOME is not set: runs are recorded in {tmp_path}/.dagster"
    assert published.endswith("published.")
    assert b"PIPELINE_SUCCESS" in recorded(tmp_path / ".dagster")


@pytest.mark.usefixtures("shop")
def test_a_home_that_cannot_be_written_to_is_named() -> None:
    done = ecom("run", *DAYS, DAGSTER_HOME="/dev/null/home")

    assert done.code == 1
    assert "Error: Runs cannot be recorded in /dev/null/home: Not a directory" in done.err
    assert "Set DAGSTER_HOME" in done.err


@pytest.mark.usefixtures("shop")
def test_a_lake_in_s3_is_published_alike(bucket: str) -> None:
    done = ecom("run", *DAYS, ECOM_LAKE=f"s3://{bucket}/lake")

    assert done.code == 0
    assert done.err.startswith("✓ 2 days, 2024-03-01 to 2024-03-02, published.\n")
    client = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    key = "lake/metrics/total_revenue/date=2024-03-01/data.parquet"
    assert client.head_object(Bucket=bucket, Key=key)["ContentLength"] > 0


@pytest.mark.usefixtures("shop")
def test_a_terminal_sees_the_step_the_partitions_and_the_time() -> None:
    ours, theirs = pty.openpty()
    environment = {"PYTHONPATH": os.pathsep.join(sys.path), "TERM": "xterm", "COLUMNS": "80"}
    with subprocess.Popen(
        [*COMMAND, "run", *DAYS],
        env=os.environ | environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        printed = _read_all(ours)
    os.close(ours)

    assert process.returncode == 0
    lines = [ESCAPES.sub("", line).strip() for line in re.split(r"[\r\n]+", printed)]
    assert max(map(len, lines)) <= 80
    steps = [line for line in lines if "partitions" in line]
    assert any(line.endswith("planning") for line in steps)
    assert any(re.search(r" [1-9]\d*/30 partitions \d:\d\d:\d\d \S", line) for line in steps)
    assert "✓ 2 days, 2024-03-01 to 2024-03-02, published." in lines


def _read_all(terminal: int) -> str:
    chunks: list[bytes] = []
    while True:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # what Linux says when the other side is closed
            break
        if not chunk:
            break
        chunks.append(chunk)
    return b"".join(chunks).decode()


@pytest.mark.usefixtures("shop")
def test_an_interrupted_run_ends_and_says_so() -> None:
    environment = {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "ECOM_SOURCE": "postgresql://127.0.0.1:1/shop",
        "ECOM_RETRY_SECONDS": "2",
    }
    with subprocess.Popen(
        [*COMMAND, "run", *DAYS],
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr
        assert "trying again" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()

    assert process.returncode == 1
    assert [line for line in rest.splitlines() if line.startswith("✗")] == [f"✗ {INTERRUPTED}"]
    assert "Traceback" not in rest
    with dg.DagsterInstance.get() as instance:
        (run,) = instance.get_runs()
    assert run.is_finished


@pytest.mark.usefixtures("shop", "lake")
def test_a_dagster_home_without_room_is_named(tmp_path: Path) -> None:
    # No file may become larger than this: the nearest to a full disk that needs no root.
    command = (
        "import resource, signal; from ecom_platform.cli.main import main; "
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)); main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", command, "run", *DAYS],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "DAGSTER_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"Error: Dagster cannot record what happens in {tmp_path}: " in done.stderr
    assert "Make room there" in done.stderr
    assert "foresees" not in done.stderr
