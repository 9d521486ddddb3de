"""The metric assets: a seventh one takes a file and a declaration, and windows look back."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from ecom_platform.assets.metrics import METRICS, Metric
from ecom_platform.assets.sql_files import SQL_FOLDER
from ecom_platform.datasets import Column, Type
from ecom_platform.settings import Settings
from ecom_platform_tests.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIRST = date(2024, 1, 1)

REFUNDS = Metric(
    "refunds",
    "Sum of the refunded payments, by the day paid.",
    unit="money",
    direction="down",
    columns=(Column("refunded_payments", Type.COUNT, "Number of refunds", required=True),),
    additive=True,
    owner="team:finance",
)
REFUNDS_SQL = """\
-- One row per day and region with a payment, and one for all regions of every day.
select
    days.date,
    case when grouping(payments.region) = 1 then 'all' else payments.region end as region,
    count(case when payments.status = 'refunded' then 1 end) as refunded_payments,
    coalesce(sum(case when payments.status = 'refunded' then payments.amount end), 0) as refunds
from settings.days as days
left join cleaned.payments as payments on days.date = payments.date
group by grouping sets ((days.date, payments.region), (days.date))
having grouping(payments.region) = 1 or payments.region is not null
"""


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


def write(folder: Path, table: str, *lines: str) -> None:
    header = {
        "customers": "id,email,region,signup_date",
        "orders": "id,customer_id,total_amount,created_at,status",
        "payments": "id,order_id,amount,status,paid_at",
    }[table]
    (folder / f"{table}.csv").write_text("\n".join([header, *lines, ""]))


def settings_of(folder: Path, **options: Any) -> Settings:
    known = {
        "source": folder.as_uri(),
        "lake": str(folder / "lake"),
        "start_date": FIRST,
        "email_hmac_key": "k" * 32,
    }
    return Settings(_env_file=None, **known | options)


def with_refunds(folder: Path, sql: str = REFUNDS_SQL) -> dict[str, Any]:
    """Return what a platform with a seventh metric is made with: one more file, one more entry."""
    shutil.copytree(SQL_FOLDER / "metrics", folder / "sql")
    (folder / "sql" / "refunds.sql").write_text(sql)
    return {"metrics": [*METRICS, REFUNDS], "metrics_folder": folder / "sql"}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    write(tmp_path, "customers", "1,ann@example.invalid,North,2024-01-01")
    write(
        tmp_path, "orders", "1,1,10.00,2024-01-01 10:00:00,paid", "2,,5.00,2024-01-01 11:00:00,paid"
    )
    write(
        tmp_path, "payments",
        "1,1,4.00,refunded,2024-01-01 10:01:00",
        "2,1,6.00,paid,2024-01-01 10:01:00",
        "3,2,5.00,refunded,2024-01-02 11:00:00",
    )  # fmt: skip
    return tmp_path


def test_a_seventh_metric_is_partitioned_stored_checked_and_described(
    shop: Path, instance: dg.DagsterInstance
) -> None:
    platform = Platform(settings_of(shop), instance, **with_refunds(shop))
    second = FIRST + timedelta(days=1)
    result = platform.run(FIRST, second)
    assert result.success

    assert platform.statuses("metrics/refunds", FIRST, second) == {
        "2024-01-01": "MATERIALIZED", "2024-01-02": "MATERIALIZED",
    }  # fmt: skip
    query = "SELECT date, region, refunded_payments, refunds FROM dataset ORDER BY ALL"
    assert platform.rows("metrics/refunds", query) == [
        (FIRST, "North", 1, Decimal("4.00")),
        (FIRST, "all", 1, Decimal("4.00")),
        (second, "all", 1, Decimal("5.00")),
        (second, "unknown", 1, Decimal("5.00")),
    ]
    answers = platform.answers(result.run_id)["metrics/refunds regions_sum_to_all"]
    assert {day: answer.passed for day, answer in answers.items()} == {
        "2024-01-01": True, "2024-01-02": True,
    }  # fmt: skip

    key = dg.AssetKey(["metrics", "refunds"])
    asset = platform.definitions.resolve_asset_graph().get(key)
    assert asset.partitions_def == platform.settings.calendar.partitions
    assert asset.group_name == "metrics"
    assert asset.owners == ["team:finance"]
    assert asset.parent_keys == {dg.AssetKey(["cleaned", "payments"])}
    schema = asset.metadata["dagster/column_schema"]
    assert isinstance(schema, dg.TableSchema)
    assert [(column.name, column.type) for column in schema.columns] == [
        ("region", "VARCHAR"), ("refunded_payments", "BIGINT"), ("refunds", "DECIMAL(18,2)"),
    ]  # fmt: skip
    lineage = asset.metadata["dagster/column_lineage"]
    assert isinstance(lineage, dg.TableColumnLineage)
    payments = dg.AssetKey(["cleaned", "payments"])
    assert lineage.deps_by_column["refunds"] == [
        dg.TableColumnDep(payments, "amount"),
        dg.TableColumnDep(payments, "status"),
    ]
    (event,) = instance.fetch_materializations(
        dg.AssetRecordsFilter(key, asset_partitions=["2024-01-01"]), limit=10
    ).records
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["dagster/partition_row_count"].value == 2


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("'North' as region", "repeat the key"),
        ("nullif(payments.region, 'North') as region", "have no region"),
        ("'ann@example.invalid' as region", "hold an e-mail address in region"),
    ],
)
def test_a_seventh_metric_is_audited_before_it_is_published(
    shop: Path, instance: dg.DagsterInstance, wrong: str, reason: str
) -> None:
    right = "case when grouping(payments.region) = 1 then 'all' else payments.region end as region"
    sql = REFUNDS_SQL.replace(right, wrong)
    platform = Platform(settings_of(shop), instance, **with_refunds(shop, sql))
    result = platform.run(FIRST, FIRST)
    assert not result.success
    assert reason in platform.failures(result)["metrics__refunds"]
    assert platform.statuses("metrics/refunds", FIRST, FIRST) == {"2024-01-01": "FAILED"}
    assert platform.statuses("metrics/total_orders", FIRST, FIRST) == {"2024-01-01": "MATERIALIZED"}


def test_a_metric_whose_sql_gives_other_columns_says_which(
    shop: Path, instance: dg.DagsterInstance
) -> None:
    sql = REFUNDS_SQL.replace("as refunded_payments", "as refund_count")
    with pytest.raises(Exception, match="refunded_payments"):
        Platform(settings_of(shop), instance, **with_refunds(shop, sql)).run(FIRST, FIRST)


@pytest.mark.parametrize(
    ("window", "rates"),
    [(3, ["0/1", "0/1", "1/1", "0/1", "0/1"]), (2, ["0/1", "0/1", "0/1", "0/1", "0/0"])],
)
def test_retention_looks_back_as_many_days_as_the_setting_says(
    tmp_path: Path, instance: dg.DagsterInstance, window: int, rates: list[str]
) -> None:
    write(tmp_path, "customers")
    write(tmp_path, "payments")
    write(
        tmp_path, "orders",
        "1,ann,1,2024-01-01 00:00:00,x", "2,ann,1,2024-01-03 23:59:59,x",
        "3,ann,1,2024-01-04 00:00:00,void", "4,,1,2024-01-04 00:00:00,x",
    )  # fmt: skip
    platform = Platform(settings_of(tmp_path, retention_days=window), instance)
    assert platform.run(FIRST, date(2024, 1, 5)).success
    found = platform.rows(
        "metrics/customer_retention_rate",
        "SELECT repeat_customers || '/' || active_customers FROM dataset "
        "WHERE region = 'all' ORDER BY date",
    )
    assert [rate for (rate,) in found] == rates


def test_a_customer_who_moves_is_one_customer_who_counts_where_they_ordered_last(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    write(tmp_path, "payments")
    write(tmp_path, "orders", "1,1,1,2024-01-01 10:00:00,x", "2,1,1,2024-01-02 10:00:00,x")
    platform = Platform(settings_of(tmp_path), instance)
    for day, region in (FIRST, "North"), (FIRST + timedelta(days=1), "West"):
        write(tmp_path, "customers", f"1,,{region},2024-01-01")
        assert platform.run(day, day).success
    query = (
        "SELECT CAST(date AS VARCHAR), region, active_customers, repeat_customers FROM dataset "
        "ORDER BY ALL"
    )
    assert platform.rows("metrics/customer_retention_rate", query) == [
        ("2024-01-01", "North", 1, 0),
        ("2024-01-01", "all", 1, 0),
        ("2024-01-02", "West", 1, 1),
        ("2024-01-02", "all", 1, 1),
    ]


def test_a_day_whose_sum_is_too_large_is_failed_alone(
    shop: Path, instance: dg.DagsterInstance
) -> None:
    most = "9999999999999999.99"
    write(
        shop, "payments",
        f"1,1,{most},paid,2024-01-01 10:01:00", f"2,1,{most},paid,2024-01-01 10:02:00",
        "3,2,5.00,paid,2024-01-02 11:00:00",
    )  # fmt: skip
    platform = Platform(settings_of(shop), instance)
    failures = platform.failures(platform.run(FIRST, FIRST + timedelta(days=1)))
    assert (
        "2024-01-01: 2 rows have a total_revenue that DECIMAL(18,2) does not hold"
        in failures["metrics__total_revenue"]
    )
    assert platform.statuses("metrics/total_revenue", FIRST, FIRST + timedelta(days=1)) == {
        "2024-01-01": "FAILED", "2024-01-02": "MATERIALIZED",
    }  # fmt: skip


def test_a_day_whose_window_has_a_gap_is_not_computed_and_says_which_day_is_missing(
    shop: Path, instance: dg.DagsterInstance
) -> None:
    platform = Platform(settings_of(shop, retention_days=3), instance)
    day = FIRST + timedelta(days=2)
    result = platform.run(day, day)
    assert not result.success
    failures = platform.failures(result)
    assert set(failures) == {"metrics__customer_retention_rate"}
    assert (
        "cleaned/orders was never computed for 2024-01-01"
        in failures["metrics__customer_retention_rate"]
    )
    assert platform.statuses("metrics/total_orders", day, day) == {"2024-01-03": "MATERIALIZED"}
