from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from ecom_platform_tests.commands.lake import publish

if TYPE_CHECKING:
    from collections.abc import Callable

    from ecom_platform_tests.commands.harness import Done

    Call = Callable[..., Done]

DAY = date(2024, 3, 1)
ORDER = {
    "date": DAY, "id": 1, "customer_id": 7, "region": "north", "total_amount": "12.30",
    "created_at": "2024-03-01T10:00:00Z", "status": "paid", "is_void": False, "is_orphan": False,
}  # fmt: skip


@pytest.fixture
def glue(bucket: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Glue, beside a lake in S3 with an order in it."""
    monkeypatch.setenv("ECOM_LAKE", f"s3://{bucket}/lake")
    monkeypatch.setenv("ECOM_START_DATE", "2024-03-01")
    publish("cleaned/orders", ORDER, days=[DAY, date(2024, 3, 2)])
    return boto3.client("glue", region_name="us-east-1")


def test_tables_are_created_once_and_updated_when_they_differ(
    glue: Any, bucket: str, command: Call
) -> None:
    name = bucket.replace("-", "_")  # for the server is that of all tests
    first = command("catalog", "apply", "--database", name)
    assert first.code == 0
    assert {line.split()[1] for line in first.out.splitlines()} == {"created"}
    table = glue.get_table(DatabaseName=name, Name="cleaned_orders")["Table"]
    columns = {c["Name"]: c["Type"] for c in table["StorageDescriptor"]["Columns"]}
    assert columns == {
        "id": "string",
        "customer_id": "string",
        "region": "string",
        "total_amount": "decimal(18,2)",
        "created_at": "timestamp",
        "status": "string",
        "is_void": "boolean",
        "is_orphan": "boolean",
    }
    assert table["StorageDescriptor"]["Location"] == f"s3://{bucket}/lake/cleaned/orders/"
    assert [(c["Name"], c["Type"]) for c in table["PartitionKeys"]] == [("date", "date")]
    assert table["Parameters"]["projection.date.range"] == "2024-03-01,NOW"

    glue.delete_table(DatabaseName=name, Name="metrics_total_orders")
    changed = {"Name": "cleaned_orders", "StorageDescriptor": {"Location": "s3://elsewhere/"}}
    glue.update_table(DatabaseName=name, TableInput=changed)
    glue.create_table(DatabaseName=name, TableInput={"Name": "somebody_elses"})
    second = dict(
        line.split() for line in command("catalog", "apply", "--database", name).out.splitlines()
    )
    assert second.pop(f"{name}.metrics_total_orders") == "created"
    assert second.pop(f"{name}.cleaned_orders") == "updated"
    assert set(second.values()) == {"unchanged"}
    assert f"{name}.somebody_elses" not in second


@pytest.mark.usefixtures("glue")
def test_marts_have_no_partitions_and_raw_is_there_only_when_asked_for(command: Call) -> None:
    shown = {table["Name"]: table for table in json.loads(command("catalog", "show").out)["Tables"]}
    assert shown["marts_kpi_daily"]["PartitionKeys"] == []
    assert "projection.enabled" not in shown["marts_kpi_daily"]["Parameters"]
    assert shown["marts_kpi_daily"]["StorageDescriptor"]["Columns"][0]["Name"] == "date"
    assert not [name for name in shown if name.startswith("raw_")]
    raw = json.loads(command("catalog", "show", "--raw").out)["Tables"]
    assert {table["Name"] for table in raw} - shown.keys() == {
        "raw_orders",
        "raw_customers",
        "raw_payments",
    }


def test_a_lake_in_a_folder_has_no_tables_in_glue(lake: object, command: Call) -> None:
    del lake
    done = command("catalog", "apply")
    assert done.code == 1
    assert "ecom warehouse build" in done.err.replace("\n", " ")
