"""Whether marts say what is so, and are published only if they do."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg
import duckdb
import pytest

from ecom_platform.assets.marts import build_mart_assets
from ecom_platform.assets.metrics import METRICS
from ecom_platform.datasets import CLEANED
from ecom_platform.engines.dbt import build
from ecom_platform.lake.storage import open_storage
from ecom_platform.marts import PROJECT
from ecom_platform.resources import build_resources
from ecom_platform.settings import Settings, load_settings
from ecom_platform_tests.commands.lake import publish
from ecom_platform_tests.dbt_project import copy_project, dbt, load_generator
from ecom_platform_tests.mart_shops import (
    MARTS,
    NO_ORDERS,
    NO_PAYMENTS,
    assert_equal,
    odd_shop,
    write_warehouse,
)
from ecom_platform_tests.marts_oracle import MartsOracle

if TYPE_CHECKING:
    from pathlib import Path

# --------------------------------------------------------------------------- what they say


@pytest.fixture(scope="module", params=["whole", "with_missing_days"])
def odd(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[MartsOracle, Path]:
    """A made-up shop, with and without missing days, and the warehouse of its marts."""
    missing = () if request.param == "whole" else (NO_ORDERS, NO_PAYMENTS)
    shop, file = odd_shop(*missing), tmp_path_factory.mktemp("odd") / "warehouse.duckdb"
    write_warehouse(shop, file)
    results = build(PROJECT, file, Settings(_env_file=None, engine_memory="200MB"))
    fine = ("success", "pass", "no-op")  # an exposure is not run
    wrong = {key: r for key, r in results.items() if r.status not in fine}
    assert wrong == {}
    return shop, file


@pytest.mark.parametrize("mart", sorted(MARTS))
def test_a_mart_equals_what_is_computed_row_by_row(
    mart: str, odd: tuple[MartsOracle, Path]
) -> None:
    shop, file = odd
    with duckdb.connect(str(file), read_only=True) as connection:
        assert_equal(connection.sql(f"FROM marts.{mart}"), shop, mart)


def test_every_formula_passes_its_unit_tests_and_the_manifest_is_not_stale(tmp_path: Path) -> None:
    file = tmp_path / "warehouse.duckdb"
    write_warehouse(MartsOracle([], [], FIRST, FIRST), file)
    done = dbt("build", "--exclude-resource-type", "test", warehouse=file, target=tmp_path)
    assert done.returncode == 0, done.stdout
    results = json.loads((tmp_path / "run_results.json").read_text())["results"]
    parsed = json.loads((tmp_path / "manifest.json").read_text())
    assert {result["unique_id"] for result in results} >= parsed["unit_tests"].keys()
    generator = load_generator()
    written = json.loads((PROJECT / "manifest.json").read_text())
    assert written == generator.slim(parsed), "run: make marts"
    assert (PROJECT / "models/sources.yml").read_text() == generator.sources(), "run: make marts"


def test_every_mart_and_column_is_described_and_every_mart_and_formula_tested() -> None:
    manifest = json.loads((PROJECT / "manifest.json").read_text())
    tested = {node["attached_node"] for node in manifest["nodes"].values()
              if node["resource_type"] == "test"}  # fmt: skip
    models = {key: n for key, n in manifest["nodes"].items() if n["resource_type"] == "model"}
    assert tested == models.keys()
    for mart in MARTS.values():
        assert mart.description
        assert mart.key
        assert all(column.description for column in mart.columns)
        unit_tests = (PROJECT / f"models/marts/{mart.name}.yml").read_text()
        assert "unit_tests:" in unit_tests
    files = [*PROJECT.rglob("*.sql")]
    assert {file.name for file in files if len(file.read_text().splitlines()) > 80} == set()


# --------------------------------------------------------------------------- publishing

FIRST, SECOND = date(2024, 3, 1), date(2024, 3, 2)


@pytest.fixture
def lake(bucket: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A lake in S3 that holds two days, with three orders of two customers."""
    monkeypatch.setenv("ECOM_LAKE", f"s3://{bucket}/lake")
    monkeypatch.setenv("ECOM_START_DATE", "2024-03-01")
    days = [FIRST, SECOND]
    order = {"total_amount": "10.00", "status": "paid", "is_void": False, "is_orphan": False}
    publish(
        "cleaned/orders",
        *(
            order | {"date": day, "id": number, "customer_id": customer, "region": region,
                     "created_at": f"{day}T10:00:00Z"}
            for number, (day, customer, region) in enumerate(
                [(FIRST, "ann", "north"), (SECOND, "ann", "north"), (SECOND, "ben", "south")]
            )
        ),
        days=days,
    )  # fmt: skip
    publish("cleaned/payments", days=days)
    kpis = [(FIRST, "all", 1), (FIRST, "north", 1), (SECOND, "all", 2), (SECOND, "north", 1),
            (SECOND, "south", 1)]  # fmt: skip
    for name, values in {
        "total_revenue": {"total_revenue": "0.00"},
        "total_orders": {"void_orders": 0, "total_orders": None},
        "total_customers": {"total_customers": None},
        "average_order_value": {"total_revenue": "0.00", "total_orders": None},
        "customer_retention_rate": {"active_customers": None, "repeat_customers": 0},
    }.items():
        rows = [
            {
                "date": day,
                "region": region,
                **{k: count if v is None else v for k, v in values.items()},
            }
            for day, region, count in kpis
        ]
        publish(f"metrics/{name}", *rows, days=days)
    return load_settings()


def make_marts(
    settings: Settings, instance: dg.DagsterInstance, project: Path = PROJECT
) -> dg.ExecuteInProcessResult:
    datasets = [*CLEANED, *(metric.dataset for metric in METRICS)]
    return dg.materialize(
        [build_mart_assets(settings, datasets, project)],
        instance=instance,
        resources=build_resources(settings, datasets, []),
        raise_on_error=False,
    )


def published(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    """Return mart -> what was said of it when it was published."""
    made = [event.step_materialization_data.materialization
            for event in result.get_asset_materialization_events()]  # fmt: skip
    return {m.asset_key.path[-1]: {k: v.value for k, v in m.metadata.items()} for m in made}


BROKEN = """\
-- One row per month, each of which is wrong.

select * from {{ ref('kpi_monthly') }}
"""
NEW_SQL = """\
-- One row per region.

select
    region,
    cast(sum(total_orders) as bigint) as orders
from {{ ref('kpi_daily') }}
group by region
"""
NEW_YAML = """\
models:
  - name: orders_by_region
    description: All orders of a region.
    config: { meta: { key: [region], grain: one row per region } }
    data_tests:
      - has_grain: { name: orders_by_region_has_its_grain, arguments: { columns: [region] } }
    columns:
      - { name: region, data_type: varchar, description: Region }
      - { name: orders, data_type: bigint, description: Orders }
"""


def test_a_failed_test_holds_back_its_mart_and_a_file_of_sql_and_yaml_is_a_new_one(
    lake: Settings, tmp_path: Path
) -> None:
    storage = open_storage(lake.lake)
    with dg.DagsterInstance.ephemeral() as instance:
        first = make_marts(lake, instance)
        assert first.success
        made = published(first)
        assert made.keys() == MARTS.keys()
        assert {facts["changed"] for facts in made.values()} == {"yes"}
        assert made["kpi_daily"]["dagster/row_count"] == 5  # not the south before its first day
        checks = first.get_asset_check_evaluations()
        assert all(check.passed for check in checks)
        before = storage.etags("marts")
        assert before.keys() == {f"marts/{name}/data.parquet" for name in MARTS}

        project = copy_project(tmp_path)
        (project / "tests" / "kpi_monthly_is_wrong.sql").write_text(BROKEN)
        (project / "models" / "marts" / "orders_by_region.sql").write_text(NEW_SQL)
        (project / "models" / "marts" / "orders_by_region.yml").write_text(NEW_YAML)
        (project / "manifest.json").write_text(load_generator().manifest(project))
        second = make_marts(lake, instance, project)

    assert not second.success
    said = second.failure_data_for_node("marts").user_failure_data.description
    assert said.splitlines()[1:] == ["marts/kpi_monthly: kpi_monthly_is_wrong: 3 rows"]
    made = published(second)
    assert made.keys() == (MARTS.keys() | {"orders_by_region"}) - {"kpi_monthly"}
    assert {name for name, facts in made.items() if facts["changed"] == "yes"} == {
        "orders_by_region"
    }
    after = storage.etags("marts")
    assert {path: etag for path, etag in after.items() if path in before} == before
    wrong = [check for check in second.get_asset_check_evaluations() if not check.passed]
    assert [(check.check_name, check.metadata["rows"].value) for check in wrong] == [
        ("kpi_monthly_is_wrong", 3)
    ]
    file = storage.fetch(["marts/orders_by_region/data.parquet"], tmp_path)
    assert duckdb.read_parquet(str(file["marts/orders_by_region/data.parquet"])).fetchall() == [
        ("all", 3),
        ("north", 2),
        ("south", 1),
    ]


def test_a_project_that_dbt_cannot_read_is_an_error_that_quotes_dbt(
    lake: Settings, tmp_path: Path
) -> None:
    project = copy_project(tmp_path)
    (project / "models" / "marts" / "broken.sql").write_text("select 1 from {{ ref('nothing') }}")
    with dg.DagsterInstance.ephemeral() as instance:
        result = make_marts(lake, instance, project)
    said = result.failure_data_for_node("marts").user_failure_data.description
    assert "dbt could not run" in said
    assert "'nothing' which was not found" in said


def test_the_lineage_of_marts_leads_to_the_lakes_own_assets(lake: Settings) -> None:
    assets = build_mart_assets(lake, [])
    parents = {
        key.path[-1]: {"/".join(dep.asset_key.path) for dep in assets.specs_by_key[key].deps}
        for key in assets.keys
    }
    orders = {"cleaned/orders", "metrics/total_orders"}
    for mart in ("customers_to_date", "customer_cohorts", "repeat_purchase_90d"):
        assert parents[mart] == orders
    assert parents["customers_by_week"] == orders | {"metrics/total_revenue"}
    assert parents["payment_funnel"] == orders | {"cleaned/payments", "metrics/total_revenue"}
    assert parents["kpi_daily"] == {f"metrics/{metric.name}" for metric in METRICS} - {
        "metrics/payment_status"
    }
    for spec in assets.specs:
        assert spec.owners == ["team:data"]
        assert spec.group_name == "marts"
    for check in assets.check_specs:
        assert check.metadata["owner"] == "team:data"
        assert check.metadata["runbook"] == "runbooks/checks.md#dbt-tests"
        assert check.description
