from __future__ import annotations

import csv
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from pyarrow import parquet

from ecom_platform_tests.commands.harness import ecom
from ecom_platform_tests.commands.lake import publish

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ecom_platform_tests.commands.harness import Done

    Call = Callable[..., Done]

FIRST, SECOND = date(2024, 3, 1), date(2024, 3, 2)
DAYS = ("--from", "2024-03-01", "--to", "2024-03-02")
EMAIL = "someone@example.invalid"

ORDER = {
    "date": FIRST, "id": 9007199254740993, "region": "North", "total_amount": "12.30",
    "created_at": "2024-03-01T10:00:00Z", "status": "paid", "is_void": False, "is_orphan": True,
}  # fmt: skip


@pytest.fixture
def orders(lake: Path) -> None:
    del lake
    other = ORDER | {"date": SECOND, "id": 2, "created_at": "2024-03-02T10:00:00Z"}
    publish("cleaned/orders", ORDER | {"region": "=cmd()"}, other, days=[FIRST, SECOND])


@pytest.mark.usefixtures("orders")
def test_parquet_keeps_the_types(tmp_path: Path) -> None:
    done = ecom("export", "cleaned/orders", *DAYS, "-o", str(tmp_path / "orders.parquet"))

    assert (done.code, done.out, done.err) == (0, "", "")
    table = parquet.read_table(tmp_path / "orders.parquet")
    assert dict(zip(table.schema.names, table.schema.types, strict=True)) == {
        "date": pa.date32(),
        "id": pa.string(),
        "customer_id": pa.string(),
        "region": pa.string(),
        "total_amount": pa.decimal128(18, 2),
        "created_at": pa.timestamp("us", tz="UTC"),
        "status": pa.string(),
        "is_void": pa.bool_(),
        "is_orphan": pa.bool_(),
    }
    assert table["total_amount"].to_pylist() == [Decimal("12.30")] * 2
    assert table["region"].to_pylist() == ["=cmd()", "North"]


@pytest.mark.usefixtures("orders")
def test_csv_is_exact_and_safe_to_open(tmp_path: Path, command: Call) -> None:
    command("export", "cleaned/orders", *DAYS, "-o", "orders.csv")

    with (tmp_path / "orders.csv").open(newline="") as file:
        first, _ = csv.DictReader(file)
    assert first == {
        "date": "2024-03-01",
        "id": "9007199254740993",
        "customer_id": "",
        "region": "'=cmd()",
        "total_amount": "12.30",
        "created_at": "2024-03-01 10:00:00+00:00",
        "status": "paid",
        "is_void": "false",
        "is_orphan": "true",
    }


@pytest.mark.parametrize("file", ["customers.csv", "customers.parquet"])
def test_what_identifies_a_person_is_left_out(
    file: str, lake: Path, tmp_path: Path, command: Call
) -> None:
    del lake
    person = {"date": FIRST, "id": 1, "email": EMAIL, "region": "North", "signup_date": FIRST}
    publish("raw/customers", person, days=[FIRST])

    done = command(
        "export", "raw/customers", "--from", "2024-03-01", "--to", "2024-03-01", "-o", file
    )

    assert done.code == 0
    content = (tmp_path / file).read_bytes()
    assert b"North" in content
    assert b"email" not in content
    assert EMAIL.encode() not in content


def test_a_quarantine_and_a_metric_by_its_short_name_can_be_exported(
    lake: Path, tmp_path: Path, command: Call
) -> None:
    del lake
    rejected = {"date": FIRST, "reject_reason": "id is missing", "status": "paid"}
    publish("quarantine/orders", rejected, days=[FIRST, SECOND])
    publish("metrics/total_customers", days=[FIRST, SECOND])

    assert command("export", "quarantine/orders", *DAYS, "-o", "rejected.csv").code == 0
    assert command("export", "total_customers", *DAYS, "-o", "customers.csv").code == 0

    assert "2024-03-01,id is missing," in (tmp_path / "rejected.csv").read_text()
    assert (tmp_path / "customers.csv").read_text() == "date,region,total_customers\n"


@pytest.mark.usefixtures("orders")
def test_the_format_can_be_said_whatever_the_name_of_the_file(
    tmp_path: Path, command: Call
) -> None:
    command("export", "cleaned/orders", *DAYS, "-o", "orders", "--format", "parquet")

    assert parquet.read_table(tmp_path / "orders").num_rows == 2


@pytest.mark.usefixtures("orders")
def test_days_that_are_missing_are_said(command: Call) -> None:
    days = ("--from", "2024-03-02", "--to", "2024-03-03")

    done = command("export", "cleaned/orders", *days, "-o", "orders.csv")

    assert done.code == 2
    assert "cleaned/orders was never computed for 2024-03-03.\n" in done.err
    assert "What to do: Run: ecom run --from 2024-03-03 --to 2024-03-03" in done.err


@pytest.mark.usefixtures("orders")
def test_a_file_that_cannot_be_written_is_named(tmp_path: Path, command: Call) -> None:
    done = command("export", "cleaned/orders", *DAYS, "-o", "no/such/orders.csv")

    assert done.code == 1
    assert "no/such/orders.csv cannot be written" in done.err
    assert "Choose another file" in done.err
    assert command("export", "cleaned/orders", *DAYS, "-o", str(tmp_path)).code == 1


@pytest.mark.usefixtures("orders")
def test_an_export_that_fails_leaves_the_file_as_it_was(
    lake: Path, tmp_path: Path, command: Call
) -> None:
    (tmp_path / "orders.csv").write_text("of yesterday")
    data = lake / "cleaned/orders/date=2024-03-02/data.parquet"
    damaged = bytearray(data.read_bytes())
    damaged[4:200] = bytes(196)  # the rows, not the footer
    data.write_bytes(damaged)

    done = command("export", "cleaned/orders", *DAYS, "-o", "orders.csv")

    assert done.code == 1
    assert "cleaned/orders" in done.err
    assert (tmp_path / "orders.csv").read_text() == "of yesterday"
    assert not list(tmp_path.glob(".orders.csv*"))


@pytest.mark.usefixtures("orders")
def test_an_export_can_go_down_a_pipe() -> None:
    done = ecom("export", "cleaned/orders", *DAYS, "-o", "/dev/stdout")

    assert (done.code, done.err) == (0, "")
    assert len(done.out.splitlines()) == 3


@pytest.mark.usefixtures("lake")
def test_an_unknown_dataset_is_told_the_known_ones(command: Call) -> None:
    done = command("export", "orders", *DAYS, "-o", "orders.csv")

    assert done.code == 1
    assert "There is no dataset orders" in done.err
    assert "cleaned/orders, cleaned/payments, metrics/average_order_value" in done.err
