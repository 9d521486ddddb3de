"""What the text of a SQL file says: its inputs, its version, and what each column is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
import pytest
import sqlglot
from sqlglot import exp

from ecom_platform.assets.metrics import METRICS
from ecom_platform.assets.sql_files import SETTINGS_TABLES, SQL_FOLDER, SqlFile
from ecom_platform.datasets import CLEANED, RAW

if TYPE_CHECKING:
    from pathlib import Path

    from ecom_platform.datasets import Dataset

DATASETS: dict[str, Dataset] = {
    dataset.path: dataset for dataset in (*RAW, *CLEANED, *(metric.dataset for metric in METRICS))
}
FILES = sorted(
    path.relative_to(SQL_FOLDER).with_suffix("").as_posix() for path in SQL_FOLDER.glob("*/*.sql")
)

INPUTS = {
    "cleaned/customers": ("raw/customers",),
    "cleaned/orders": ("raw/orders",),
    "cleaned/payments": ("raw/payments",),
    "metrics/average_order_value": ("metrics/total_orders", "metrics/total_revenue"),
    "metrics/customer_retention_rate": ("cleaned/orders",),
    "metrics/payment_status": ("cleaned/payments",),
    "metrics/total_customers": ("cleaned/orders",),
    "metrics/total_orders": ("cleaned/orders",),
    "metrics/total_revenue": ("cleaned/payments",),
}

ALL_OF_AN_ORDER = [
    f"cleaned/orders {column}"
    for column in ("created_at", "customer_id", "date", "id", "is_void", "region")
]
LINEAGE = {
    "cleaned/orders": {
        "id": ["raw/orders id"],
        "region": ["raw/orders customer_region"],
        "total_amount": ["raw/orders total_amount", "raw/orders total_amount_text"],
        "created_at": ["raw/orders created_at"],
        "status": ["raw/orders status"],
        "is_void": ["raw/orders status"],
        "is_orphan": ["raw/orders customer_found"],
    },
    "cleaned/customers": {
        "email_hmac": ["raw/customers email"],
        "email_hmac_key_id": ["raw/customers email"],
        "region": ["raw/customers region"],
        "signup_date": ["raw/customers signup_date"],
    },
    "cleaned/payments": {
        "order_id": ["raw/payments order_id"],
        "customer_id": ["raw/payments customer_id"],
        "region": ["raw/payments customer_region"],
        "amount": ["raw/payments amount", "raw/payments amount_text"],
        "status": ["raw/payments status"],
        "source_status": ["raw/payments status"],
        "paid_at": ["raw/payments paid_at"],
        "is_orphan": ["raw/payments order_found"],
    },
    "metrics/total_revenue": {
        "region": ["cleaned/payments region"],
        "total_revenue": ["cleaned/payments amount", "cleaned/payments status"],
    },
    "metrics/total_orders": {
        "region": ["cleaned/orders region"],
        "total_orders": ["cleaned/orders id"],
        "void_orders": ["cleaned/orders id", "cleaned/orders is_void"],
    },
    "metrics/total_customers": {
        "region": ["cleaned/orders region"],
        "total_customers": ["cleaned/orders customer_id"],
    },
    "metrics/payment_status": {
        "region": ["cleaned/payments region"],
        "status": ["cleaned/payments status"],
        "amount": ["cleaned/payments amount"],
        # A count is of no column's values, but of rows that all these choose and group.
        "payments": [
            "cleaned/payments amount",
            "cleaned/payments date",
            "cleaned/payments region",
            "cleaned/payments status",
        ],
    },
    "metrics/average_order_value": {
        "region": ["metrics/total_orders region", "metrics/total_revenue region"],
        "total_revenue": ["metrics/total_revenue total_revenue"],
        "total_orders": ["metrics/total_orders total_orders"],
        "average_order_value": [
            "metrics/total_orders total_orders",
            "metrics/total_revenue total_revenue",
        ],
    },
    "metrics/customer_retention_rate": {
        "region": ["cleaned/orders region"],
        # Customers are counted as ones that come and go.
        "active_customers": ALL_OF_AN_ORDER,
        "repeat_customers": ALL_OF_AN_ORDER,
        "customer_retention_rate": ALL_OF_AN_ORDER,
    },
}


def lineage(path: str) -> dict[str, list[str]]:
    """Return column -> the columns it is made of, as `layer/name column`."""
    columns = [column.name for column in DATASETS[path].columns]
    found = SqlFile(SQL_FOLDER / f"{path}.sql").column_lineage(columns, DATASETS)
    return {
        column: [f"{'/'.join(dep.asset_key.path)} {dep.column_name}" for dep in deps]
        for column, deps in found.deps_by_column.items()
    }


def test_every_file_is_a_dataset_and_every_metric_has_its_file() -> None:
    assert sorted(INPUTS) == FILES
    assert {f"metrics/{metric.name}" for metric in METRICS} == {
        file for file in FILES if file.startswith("metrics/")
    }


@pytest.mark.parametrize("path", FILES)
def test_inputs_are_the_tables_that_the_query_reads(path: str) -> None:
    assert SqlFile(SQL_FOLDER / f"{path}.sql").inputs == INPUTS[path]


@pytest.mark.parametrize("path", FILES)
def test_every_column_is_known_to_be_made_of_columns_that_exist(path: str) -> None:
    found = lineage(path)
    assert list(found) == [column.name for column in DATASETS[path].columns]
    for sources in found.values():
        assert sources
        for source in sources:
            table, column = source.split(" ")
            known = {"date", *(declared.name for declared in DATASETS[table].columns)}
            assert column in known


@pytest.mark.parametrize("path", LINEAGE)
def test_columns_are_made_of_exactly_these(path: str) -> None:
    found = lineage(path)
    assert {column: found[column] for column in LINEAGE[path]} == LINEAGE[path]


@pytest.mark.parametrize("path", FILES)
def test_a_file_begins_by_saying_what_a_row_is(path: str) -> None:
    assert (SQL_FOLDER / f"{path}.sql").read_text().startswith("-- One row per ")


@pytest.mark.parametrize("path", FILES)
def test_a_file_reads_no_setting_that_there_is_not(path: str) -> None:
    tables = sqlglot.parse_one((SQL_FOLDER / f"{path}.sql").read_text(), dialect="duckdb").find_all(
        exp.Table
    )
    assert {table.name for table in tables if table.db == "settings"} <= set(SETTINGS_TABLES)


def test_another_text_is_another_version(tmp_path: Path) -> None:
    one, same, other = (tmp_path / f"{n}.sql" for n in range(3))
    one.write_text("select 1 as a\n")
    same.write_text("select 1 as a")
    other.write_text("select 2 as a")
    assert SqlFile(one).version == SqlFile(same).version != SqlFile(other).version


def test_settings_are_no_inputs_and_no_lineage(tmp_path: Path) -> None:
    file = tmp_path / "x.sql"
    file.write_text(
        "select days.date, orders.region, sum(orders.total_amount * retention.days) as total "
        "from settings.days cross join settings.retention "
        "join cleaned.orders using (date) group by all"
    )
    sql = SqlFile(file)
    assert sql.inputs == ("cleaned/orders",)
    found = sql.column_lineage(["region", "total"], DATASETS).deps_by_column
    orders = dg.AssetKey(["cleaned", "orders"])
    assert found["total"] == [dg.TableColumnDep(orders, "total_amount")]
    assert found["region"] == [dg.TableColumnDep(orders, "region")]
