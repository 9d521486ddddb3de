"""Shops in S3, over HTTP: the same rows, and what may happen to objects meanwhile."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import boto3
import pytest
from moto.server import ThreadedMotoServer

from ecom_platform.errors import SourceError, SourceUnavailableError
from ecom_platform.sources.files.formats import SUFFIXES
from ecom_platform.sources.files.source import FilesSource
from ecom_platform_tests.sources.files.file_shop import (
    DAY,
    TYPICAL,
    Row,
    content,
    extract,
    settings,
    snapshot,
    take,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


class Bucket:
    """A new bucket, and a prefix in it that a source is read from."""

    def __init__(self, endpoint: str) -> None:
        self.client: Any = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
        self.name = f"shop-{uuid4()}"
        self.url = f"s3://{self.name}/landing/eu"
        self.client.create_bucket(Bucket=self.name)

    def put(self, files: dict[str, bytes | list[Row]]) -> None:
        for path, what in files.items():
            if isinstance(what, list):
                table = next(table for table in TYPICAL if path.startswith(table))
                name = path.rpartition("/")[2]
                what = content(table, name[name.index(".") :], what)  # noqa: PLW2901
            self.client.put_object(Bucket=self.name, Key=f"landing/eu/{path}", Body=what)


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    found = Bucket(endpoint)
    found.put({f"{table}.csv": [{}] for table in TYPICAL})
    found.put({"orders_old/a.csv": [{"id": "not these"}]})
    return found


def test_tables_in_a_bucket_read_as_in_a_folder(bucket: Bucket) -> None:
    (payment,) = extract(bucket.url, "payments").rows

    assert (payment["customer_id"], payment["customer_region"]) == ("c1", "North")


def test_many_day_folders_are_all_downloaded(bucket: Bucket) -> None:
    bucket.client.delete_object(Bucket=bucket.name, Key="landing/eu/orders.csv")
    days = [DAY + timedelta(days=after) for after in range(80)]
    bucket.put({f"orders/date={day}/a.csv.gz": [{"id": str(day)}] for day in days})

    found = extract(bucket.url, "orders", days[0], days[-1])

    assert found.column("id") == [str(day) for day in days]
    assert found.column("date") == days
    assert found.bad_days == {}


def test_a_large_object_is_downloaded_in_parts(bucket: Bucket) -> None:
    rows: list[Row] = [{"id": f"{at:03}", "status": f"{at}é" * 30_000} for at in range(200)]
    bucket.put({"orders.csv": rows})

    found = extract(bucket.url, "orders")

    assert found.column("status") == [row["status"] for row in rows]


def test_what_the_console_makes_for_folders_is_no_data(bucket: Bucket) -> None:
    bucket.client.delete_object(Bucket=bucket.name, Key="landing/eu/orders.csv")
    folder = f"orders/date={DAY}/"
    bucket.put({"orders/": b"", folder: b"", "orders/date=2026-01-06/": b""})
    bucket.put({f"{folder}a é#%20 + b.csv": [{}]})

    found = extract(bucket.url, "orders", DAY, date(2026, 1, 6))

    assert found.column("id") == ["o1"]
    assert list(found.bad_days) == ["2026-01-06"]


def test_an_object_replaced_after_the_listing_is_a_passing_error(bucket: Bucket) -> None:
    with snapshot(bucket.url) as opened:
        take(opened, "customers")
        bucket.put({"orders.csv": [{"id": "o2"}]})  # as many bytes as before

        with pytest.raises(SourceUnavailableError, match=r"orders\.csv was replaced") as caught:
            take(opened, "orders")
    assert caught.value.transient


def test_an_object_removed_after_the_listing_is_a_passing_error(bucket: Bucket) -> None:
    with snapshot(bucket.url) as opened:
        bucket.client.delete_object(Bucket=bucket.name, Key="landing/eu/customers.csv")

        with pytest.raises(SourceUnavailableError, match=r"customers\.csv was replaced or removed"):
            take(opened, "orders")


@pytest.mark.usefixtures("bucket")
def test_a_bucket_that_is_not_there_says_so() -> None:
    with (
        pytest.raises(SourceError, match="bucket no-such-bucket does not exist") as caught,
        snapshot("s3://no-such-bucket/landing"),
    ):
        pass
    assert not caught.value.transient


def test_a_prefix_without_files_says_what_is_there(bucket: Bucket) -> None:
    bucket.client.delete_object(Bucket=bucket.name, Key="landing/eu/orders.csv")

    with pytest.raises(SourceError, match=r"there is customers\.csv, orders_old/, payments\.csv"):
        extract(bucket.url, "orders")


def test_a_manifest_of_objects_is_checked(bucket: Bucket) -> None:
    bucket.client.delete_object(Bucket=bucket.name, Key="landing/eu/orders.csv")
    folder = f"orders/date={DAY}"
    manifest = b'{"files": [{"name": "a.csv", "rows": 1}, {"name": "b.csv"}]}'
    bucket.put({f"{folder}/a.csv": [{}], f"{folder}/_manifest.json": manifest})

    found = extract(bucket.url, "orders", source_markers=True)
    reason = f"{folder}/ lacks b.csv, which _manifest.json names"
    assert found.bad_days == {str(DAY): reason}

    bucket.put({f"{folder}/b.csv": []})
    assert extract(bucket.url, "orders", source_markers=True).column("id") == ["o1"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_doctor_reads_the_columns_of_an_object(bucket: Bucket, suffix: str) -> None:
    bucket.client.delete_object(Bucket=bucket.name, Key="landing/eu/orders.csv")
    bucket.put({f"orders{suffix}": [{}]})

    orders, _, _ = FilesSource(settings(bucket.url)).check()

    size = len(content("orders", suffix, [{}]))
    assert (
        orders
        == f"orders: orders{suffix}, 1 file, {size:,} bytes, columns checked in orders{suffix}"
    )
