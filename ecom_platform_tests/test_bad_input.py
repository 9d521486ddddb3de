"""What goes wrong outside: each is told in words that help, and no good partition is touched.

Every run here is real, and none may record a password or an e-mail address.
"""

from __future__ import annotations

import gzip
import io
import os
import socket
import threading
import time
from datetime import date
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import dagster as dg
import psycopg
import pyarrow as pa
import pytest
from pyarrow import parquet

from ecom_platform.commands.outcome import read_outcome
from ecom_platform.commands.run import INSTANCE
from ecom_platform.settings import Settings
from ecom_platform_tests.commands.harness import ecom, objects, recorded
from ecom_platform_tests.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ecom_platform_tests.sources.postgres_database import Database

FIRST, LAST = date(2024, 3, 1), date(2024, 3, 2)
ORDERS = ("raw/orders", "cleaned/orders", "quarantine/orders")
HEADER = "id,customer_id,total_amount,created_at,status\n"
GOOD = HEADER + "2,1,12.00,2024-03-02T10:00:00Z,paid\n"
PASSWORD = "hush-4711"  # noqa: S105 - to be looked for in what is recorded
PERSON = "someone@example.invalid"


@pytest.fixture(autouse=True)
def nothing_private_is_recorded(tmp_path: Path) -> Iterator[None]:
    (tmp_path / "dagster.yaml").write_text(INSTANCE)
    yield
    kept = recorded(tmp_path)
    assert b"PIPELINE_START" in kept  # so that it is really the log that was searched
    assert PASSWORD.encode() not in kept
    assert PERSON.encode() not in kept


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder of files with two good days."""
    folder = tmp_path / "shop"
    put(folder / "orders/date=2024-03-01/part.csv", GOOD.replace("-02T", "-01T"))
    put(folder / "orders/date=2024-03-02/part.csv", GOOD)
    put(folder / "customers.csv", f"id,email,region,signup_date\n1,{PERSON},North,2024-03-01\n")
    put(folder / "payments.csv", "id,order_id,amount,status,paid_at\n")
    return folder


@pytest.fixture
def orders(database: Database) -> Database:
    """A database with two good days."""
    database.create()
    database.insert("customers", (1, PERSON, "North", FIRST))
    database.insert("orders", (1, 1, "10.00", "2024-03-01T10:00Z", "paid"))
    database.insert("orders", (2, 1, "12.00", "2024-03-02T10:00Z", "paid"))
    return database


def put(file: Path, content: str | bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)


def settings_of(source: Path | str, lake: Path | str, **options: Any) -> Settings:
    address = source if isinstance(source, str) else source.as_uri()
    options = {"source": address, "lake": str(lake), "start_date": FIRST, **options}
    return Settings(_env_file=None, retry_seconds=0, **options)  # pyright: ignore[reportCallIssue]


def run(settings: Settings) -> dict[str, str]:
    """Make both days of the orders; return step -> why it failed."""
    with dg.DagsterInstance.get() as instance:
        platform = Platform(settings, instance)
        return platform.failures(platform.run(FIRST, LAST, *ORDERS))


def told(settings: Settings) -> list[str]:
    """Make both days of the orders; return what `ecom run` says of a run without any step."""
    with dg.DagsterInstance.get() as instance:
        result = Platform(settings, instance).run(FIRST, LAST, *ORDERS)
        return read_outcome(instance, result.run_id, success=result.success).failures


def parquet_file() -> bytes:
    columns = {name: [value] for name, value in zip(*map(_fields, GOOD.splitlines()), strict=True)}
    sink = io.BytesIO()
    parquet.write_table(pa.table(columns), sink)
    return sink.getvalue()


def _fields(line: str) -> list[str]:
    return line.split(",")


BROKEN_FILES = {
    "a ragged row": ("part.csv", f"{GOOD}3,{PERSON}\n", "line 3: has 2 fields"),
    "a wrong delimiter": ("part.csv", GOOD.replace(",", ";"), "ECOM_SOURCE_DELIMITER"),
    "an unclosed quote": ("part.csv", f'{GOOD}3,"{PERSON},1,2024-03-02,x\n', "line 3: a quoted"),
    "no header": ("part.csv", GOOD.replace(HEADER, "").replace("paid", PERSON), "no column `id`"),
    "a column less": ("part.csv", GOOD.replace("total_", ""), "no column `total_amount`"),
    "no bytes": ("part.csv", "", "has 0 bytes"),
    "an error page": ("part.csv", "<?xml version='1.0'?><Error/>", "is an XML or HTML page"),
    "another encoding": ("part.csv", GOOD.replace("paid", "für").encode("latin-1"), "not UTF-8"),
    "UTF-16": ("part.csv", GOOD.encode("utf-16"), "is UTF-16"),
    "a gzip file cut short": ("part.csv.gz", gzip.compress(GOOD.encode())[:-9], "is cut"),
    "a gzip file that is none": ("part.csv.gz", GOOD, "is not sound gzip"),
    "a Parquet file cut short": ("part.parquet", parquet_file()[:-30], "not a whole Parquet file"),
    "a Parquet file that is none": ("part.parquet", GOOD, "not a whole Parquet file"),
    "a broken line of JSON": ("part.jsonl", f'{{"id": 2, "x": "{PERSON}', "line 1: is not JSON"),
}


@pytest.mark.parametrize("kind", BROKEN_FILES)
def test_a_broken_file_fails_its_day_and_no_other(kind: str, shop: Path, tmp_path: Path) -> None:
    name, content, words = BROKEN_FILES[kind]
    settings = settings_of(shop, tmp_path / "lake")
    assert run(settings) == {}
    before = objects(tmp_path / "lake")

    put(shop / "orders/date=2024-03-01/part.csv", GOOD.replace("-02T", "-01T").replace("12", "13"))
    (shop / "orders/date=2024-03-02/part.csv").unlink()
    put(shop / "orders/date=2024-03-02" / name, content)
    failures = run(settings)

    assert f"2024-03-02: orders/date=2024-03-02/{name}" in failures["raw__orders"]
    assert words in failures["raw__orders"]
    assert PERSON not in str(failures)
    after = objects(tmp_path / "lake")
    changed = {path for path in after if after[path] != before.get(path)}
    assert changed == {
        f"{layer}/orders/date=2024-03-01/data.parquet" for layer in ("raw", "cleaned")
    }
    with dg.DagsterInstance.get() as instance:
        statuses = Platform(settings, instance).statuses("raw/orders", FIRST, LAST)
    assert statuses == {"2024-03-01": "MATERIALIZED", "2024-03-02": "FAILED"}


def test_a_broken_file_that_is_a_whole_table_changes_nothing(shop: Path, tmp_path: Path) -> None:
    settings = settings_of(shop, tmp_path / "lake")
    assert run(settings) == {}
    before = objects(tmp_path / "lake")

    for day in ("01", "02"):
        (shop / f"orders/date=2024-03-{day}/part.csv").unlink()
        (shop / f"orders/date=2024-03-{day}").rmdir()
    (shop / "orders").rmdir()
    put(shop / "orders.csv", f"{GOOD}3,{PERSON}\n")
    failures = run(settings)

    assert f"{shop}/orders.csv, line 3: has 2 fields" in failures["raw__orders"]
    assert "What to do" in failures["raw__orders"]
    assert objects(tmp_path / "lake") == before


def test_a_folder_that_is_gone_is_named_with_its_setting(shop: Path, tmp_path: Path) -> None:
    assert run(settings_of(shop, tmp_path / "lake")) == {}
    before = objects(tmp_path / "lake")

    failures = run(settings_of(tmp_path / "elsewhere", tmp_path / "lake"))

    assert f"The folder {tmp_path}/elsewhere does not exist" in failures["raw__orders"]
    assert "ECOM_SOURCE" in failures["raw__orders"]
    assert objects(tmp_path / "lake") == before


def test_bad_dates_in_a_file_are_quarantined_and_bad_amounts_of_orders_are_null(
    shop: Path, tmp_path: Path
) -> None:
    settings = settings_of(shop, tmp_path / "lake")
    assert run(settings) == {}
    before = objects(tmp_path / "lake", "date=2024-03-01")

    rows = (
        "3,1,NaN,2024-03-02T11:00:00Z,paid\n"
        "4,1,$12,2024-03-02T11:00:00Z,paid\n"
        '5,1,"1,234.50",2024-03-02T11:00:00Z,paid\n'
        "6,1,1.00,2024-02-30T11:00:00Z,paid\n"
        "7,1,,2024-03-02T11:00:00Z,paid\n"
    )
    put(shop / "orders/date=2024-03-02/part.csv", GOOD + rows)

    assert run(settings) == {}
    with dg.DagsterInstance.get() as instance:
        platform = Platform(settings, instance)
    kept = platform.rows("quarantine/orders", "SELECT id, reject_reason FROM dataset ORDER BY id")
    assert kept == [
        ("6", "created_at is not a time"),
    ]
    assert platform.rows(
        "cleaned/orders", "SELECT id, total_amount FROM dataset WHERE date = '2024-03-02'"
    ) == [("2", Decimal("12.00")), *((id_, None) for id_ in "3457")]
    assert objects(tmp_path / "lake", "date=2024-03-01") == before


def test_a_day_of_mostly_bad_rows_fails_and_keeps_its_version(shop: Path, tmp_path: Path) -> None:
    settings = settings_of(shop, tmp_path / "lake")
    assert run(settings) == {}
    before = objects(tmp_path / "lake", "cleaned/orders")

    rows = [f",{number},12.00,2024-03-02T10:00:00Z,paid\n" for number in range(6)]
    put(shop / "orders/date=2024-03-02/part.csv", HEADER + "".join(rows))
    failures = run(settings)

    assert "2024-03-02: 6 of 6 rows would be quarantined" in failures["clean_orders"]
    assert "ECOM_QUARANTINE_MAX_SHARE=0.1" in failures["clean_orders"]
    assert "id is missing (6)" in failures["clean_orders"]
    assert objects(tmp_path / "lake", "cleaned/orders") == before


def test_a_database_that_does_not_answer_is_asked_again_and_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]  # free again at the end of the block
    settings = settings_of(f"postgresql://me:{PASSWORD}@127.0.0.1:{port}/shop", tmp_path / "lake")

    with dg.DagsterInstance.get() as instance:
        platform = Platform(settings, instance)
        result = platform.run(FIRST, LAST, "raw/orders")
        retries = instance.get_records_for_run(
            result.run_id, of_type=dg.DagsterEventType.STEP_UP_FOR_RETRY
        ).records
        failure = platform.failures(result)["raw__orders"]

    assert len(retries) == 2
    assert f"The database shop at 127.0.0.1:{port} cannot be connected to" in failure
    assert "Check that the server runs" in failure


def test_a_wrong_password_is_said_to_be_one(orders: Database, tmp_path: Path) -> None:
    assert run(orders.settings(lake=str(tmp_path / "lake"), start_date=FIRST)) == {}
    before = objects(tmp_path / "lake")

    user = f"reporter_{uuid4().hex}"
    ((hba_file,),) = orders.execute("show hba_file")
    require = f"local all {user} scram-sha-256\n"
    with open(hba_file, "r+") as file:  # noqa: PTH123 - kept open, so that its owner stays
        rules = file.read()
        file.seek(0)
        file.write(require + rules)
    orders.execute(f"create role {user} login password 'right'; select pg_reload_conf()")
    address = orders.url.replace("postgres@", f"{user}:{PASSWORD}@")
    _wait_until_refused(address)
    failures = run(
        orders.settings(
            lake=str(tmp_path / "lake"), start_date=FIRST, source=address, retry_seconds=0
        )
    )
    orders.execute(f"drop role {user}")

    assert "password authentication failed" in failures["raw__orders"]
    assert "Correct the user and password in ECOM_SOURCE" in failures["raw__orders"]
    assert PASSWORD not in str(failures)
    assert objects(tmp_path / "lake") == before


def _wait_until_refused(address: str) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            psycopg.connect(address).close()
        except psycopg.OperationalError:
            return
        time.sleep(0.05)
    pytest.fail("the server trusts anybody")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("drop table orders", ["no table orders", "ECOM_TABLES"]),
        (
            "alter table orders drop total_amount",
            ["table orders has no column total_amount", "ECOM_COLUMNS"],
        ),
        (
            "alter table orders alter created_at type bigint using 5",
            ["column created_at of the table orders is bigint", "Change its type"],
        ),
        (
            "alter table orders alter total_amount type text",
            ["column total_amount of the table orders is text", "Change its type"],
        ),
    ],
)
def test_a_table_unlike_the_declared_one_is_named(
    change: str, words: list[str], orders: Database, tmp_path: Path
) -> None:
    settings = orders.settings(lake=str(tmp_path / "lake"), start_date=FIRST)
    assert run(settings) == {}
    before = objects(tmp_path / "lake")

    orders.execute(change)
    failure = run(settings)["raw__orders"]

    assert all(word in failure for word in words)
    assert "What to do" in failure
    assert objects(tmp_path / "lake") == before


def test_times_that_are_none_in_a_database_are_quarantined_and_such_amounts_are_null(
    orders: Database, tmp_path: Path
) -> None:
    orders.execute("alter table orders alter total_amount type numeric")
    settings = orders.settings(lake=str(tmp_path / "lake"), start_date=FIRST)
    assert run(settings) == {}
    before = objects(tmp_path / "lake", "cleaned/orders/date=2024-03-01")

    orders.insert("orders", (3, 1, "NaN", "2024-03-02T10:00Z", "paid"))
    orders.insert("orders", (4, 1, "Infinity", "2024-03-02T10:00Z", "paid"))
    orders.insert("orders", (5, 1, "1.00", "infinity", "paid"))
    orders.insert("orders", (6, 1, "1.00", "12024-03-02", "paid"))

    assert run(settings) == {}
    with dg.DagsterInstance.get() as instance:
        platform = Platform(settings, instance)
    kept = platform.rows("quarantine/orders", "SELECT id, reject_reason FROM dataset ORDER BY id")
    unknown = platform.rows("cleaned/orders", "SELECT id FROM dataset WHERE total_amount IS NULL")
    assert unknown == [(3,), (4,)]
    assert kept == [
        (5, "created_at is not a time"),
        (6, "created_at is not a time"),
    ]
    assert objects(tmp_path / "lake", "cleaned/orders/date=2024-03-01") == before


def test_a_lake_that_may_not_be_written_to_is_named(shop: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    assert run(settings_of(shop, lake)) == {}
    before = objects(lake)

    put(shop / "orders/date=2024-03-02/part.csv", GOOD.replace("12", "13"))
    folders = [lake, *(path for path in lake.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    done = ecom(
        "run", "--from", "2024-03-01", "--to", "2024-03-02",
        as_a_user=True, ECOM_SOURCE=shop.as_uri(), ECOM_LAKE=str(lake), ECOM_START_DATE=str(FIRST),
        ECOM_RETRY_SECONDS="0",
    )  # fmt: skip
    for folder in folders:
        folder.chmod(0o755)

    assert done.code == 1
    assert f"The lake {lake} cannot be used: Permission denied" in done.err
    assert "Make the folder readable and writable" in done.err
    assert objects(lake) == before


def test_a_lake_that_is_a_file_is_named(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("not a folder")

    (failure,) = told(settings_of(shop, tmp_path / "lake"))

    assert failure.startswith(f"The lake {tmp_path}/lake cannot be used: Not a directory")
    assert (tmp_path / "lake").read_text() == "not a folder"


def test_a_bucket_that_does_not_exist_is_named(shop: Path, bucket: str) -> None:
    (failure,) = told(settings_of(shop, f"s3://{bucket}-not/lake"))

    assert failure.startswith(f"The bucket {bucket}-not does not exist")
    assert f"aws s3 mb s3://{bucket}-not" in failure


def test_a_bucket_of_files_that_does_not_exist_is_named(bucket: str, tmp_path: Path) -> None:
    failures = run(settings_of(f"s3://{bucket}-not/shop", tmp_path / "lake"))

    assert f"The bucket {bucket}-not does not exist" in failures["raw__orders"]


class ExpiredToken(BaseHTTPRequestHandler):
    """Answers every request as S3 does when the credentials were valid until a moment ago."""

    def do_GET(self) -> None:  # the name http.server asks for
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = (
            b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>ExpiredToken</Code>'
            b"<Message>The provided token has expired.</Message></Error>"
        )
        self.send_response(400)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_PUT = do_GET  # noqa: N815 - as above

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the base class has it
        pass


def test_credentials_that_have_expired_are_said_to_have(
    shop: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", PASSWORD)
    settings = settings_of(shop, f"s3://{bucket}/lake")
    assert run(settings) == {}
    client = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    before = client.list_objects_v2(Bucket=bucket)["Contents"]

    put(shop / "orders/date=2024-03-02/part.csv", GOOD.replace("12", "13"))
    with ThreadingHTTPServer(("127.0.0.1", 0), ExpiredToken) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with monkeypatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
            (failure,) = told(settings)
        server.shutdown()

    assert failure.startswith(
        f"s3://{bucket}/lake/runs/claims.json: the AWS credentials have expired"
    )
    assert "Renew them" in failure
    assert client.list_objects_v2(Bucket=bucket)["Contents"] == before
