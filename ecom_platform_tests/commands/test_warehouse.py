from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import duckdb
import pytest

from ecom_platform_tests.commands.lake import publish

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ecom_platform_tests.commands.harness import Done

    Call = Callable[..., Done]

FIRST, SECOND = date(2024, 3, 1), date(2024, 3, 2)
ORDER = {
    "date": FIRST, "id": 1, "customer_id": 7, "region": "north", "total_amount": "12.30",
    "created_at": "2024-03-01T10:00:00Z", "status": "paid", "is_void": False, "is_orphan": False,
}  # fmt: skip
REVENUE = {"date": SECOND, "region": "all", "total_revenue": "65.50"}


def make_lake() -> None:
    publish("cleaned/orders", ORDER, days=[FIRST, SECOND])
    publish("metrics/total_revenue", REVENUE, days=[SECOND])
    publish("raw/customers", {"date": FIRST, "id": 7, "email": "a@example.invalid"}, days=[FIRST])


def assert_whole(file: Path) -> None:
    with duckdb.connect(str(file), read_only=True) as connection:
        assert connection.execute(
            "SELECT date, region, total_amount FROM cleaned.orders"
        ).fetchall() == [(FIRST, "north", Decimal("12.30"))]
        assert connection.execute("FROM metrics.total_revenue").fetchall() == [
            (SECOND, "all", Decimal("65.50"))
        ]
        assert connection.execute("FROM cleaned.payments").fetchall() == []
        schemas = {schema for (_, schema, *_) in connection.execute("SHOW ALL TABLES").fetchall()}
        assert schemas == {"cleaned", "metrics", "quarantine"}


@pytest.mark.usefixtures("lake")
def test_a_warehouse_shows_a_lake_in_a_folder(command: Call, tmp_path: Path) -> None:
    make_lake()
    assert command("warehouse", "build").code == 0
    assert_whole(tmp_path / "warehouse.duckdb")  # which is the present folder


@pytest.mark.usefixtures("lake")
def test_a_warehouse_of_a_lake_in_s3_holds_copies_and_replaces_the_one_before(
    command: Call, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECOM_LAKE", f"s3://{bucket}/lake")
    make_lake()
    file = tmp_path / "shop.duckdb"
    assert command("warehouse", "build", str(file)).code == 0
    assert command("warehouse", "build", str(file)).code == 0
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    assert_whole(file)


@pytest.mark.usefixtures("lake")
def test_a_warehouse_that_cannot_be_written_is_an_error_that_names_the_file(
    command: Call, tmp_path: Path
) -> None:
    done = command("warehouse", "build", str(tmp_path / "none" / "shop.duckdb"))
    assert done.code == 1
    assert "shop.duckdb cannot be written" in done.err.replace("\n", " ")
