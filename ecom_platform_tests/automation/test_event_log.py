"""Old events go, and nothing that people or sensors see of assets, checks and runs changes."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest

from ecom_platform.automation.event_log import PRUNE_EVENT_LOG, build_event_log_job
from ecom_platform.settings import Settings
from ecom_platform_tests.sources.postgres_database import Database

DAYS = dg.DailyPartitionsDefinition("2024-03-01", end_date="2024-03-05")
GOOD, BAD, NEVER = "2024-03-01", "2024-03-02", "2024-03-03"
ASSET, CHECK = dg.AssetKey("numbers"), dg.AssetCheckKey(dg.AssetKey("numbers"), "is_good")


with pytest.warns(dg.PreviewWarning, match="partitions_def"):
    SPEC = dg.AssetCheckSpec("is_good", asset=ASSET, partitions_def=DAYS)


@dg.asset(key=ASSET, partitions_def=DAYS, check_specs=[SPEC])
def numbers(context: dg.AssetExecutionContext):  # noqa: ANN201 - Dagster reads it
    if context.partition_key == BAD:
        raise dg.Failure("wrong data")
    return dg.MaterializeResult(
        metadata={"rows": 1}, check_results=[dg.AssetCheckResult(passed=True)]
    )


@pytest.fixture
def instance(database: Database, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    url = database.url.replace("postgresql:", "postgresql+psycopg2:")
    (tmp_path / "dagster.yaml").write_text(
        "telemetry: {enabled: false}\n"
        "storage: {custom: {module: ecom_platform.instance.postgres, class: PostgresStorage, "
        f"config: {{postgres_url: '{url}'}}}}}}\n"
    )
    with dg.DagsterInstance.get() as opened:
        for _ in range(3):
            for day in (GOOD, BAD):
                dg.materialize([numbers], instance=opened, partition_key=day, raise_on_error=False)
        yield opened


def age(database: Database, days: int) -> None:
    """Let all that is recorded be so old."""
    past = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=days)
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute("update event_logs set timestamp = %s", (past,))
        connection.execute("update asset_check_executions set create_timestamp = %s", (past,))


def seen(instance: dg.DagsterInstance) -> dict[str, Any]:
    """What people and sensors see."""
    storage = instance.event_log_storage
    newest = instance.get_latest_materialization_event(ASSET)
    return {
        "partitions": instance.get_status_by_partition(ASSET, [GOOD, BAD, NEVER], DAYS),
        "materialization": newest and newest.run_id,
        "checks": storage.get_asset_check_partition_info([CHECK], partition_keys=[GOOD, BAD]),
        "runs": [
            (run.dagster_run.status, run.start_time, run.end_time)
            for run in instance.get_run_records()
        ],
        "ended": [instance.get_run_stats(run.run_id).end_time for run in instance.get_runs()],
    }


def count(database: Database, table: str = "event_logs") -> int:
    return database.execute(f"select count(*) from {table}")[0][0]


def prune(instance: dg.DagsterInstance) -> None:
    job = build_event_log_job(Settings(_env_file=None, event_log_days=30))
    assert job.execute_in_process(instance=instance).success


def test_old_events_are_dropped_and_nothing_looks_different(
    instance: dg.DagsterInstance, database: Database
) -> None:
    age(database, days=31)
    before, events = seen(instance), count(database)
    assert before["partitions"][GOOD].value == "MATERIALIZED"
    assert before["partitions"][BAD].value == "FAILED"
    prune(instance)
    database.execute(f"delete from event_logs where run_id in ({OWN_RUN})")
    after = seen(instance)
    assert {k: after[k] for k in ("partitions", "materialization", "checks")} == {
        k: before[k] for k in ("partitions", "materialization", "checks")
    }
    assert after["runs"][1:] == before["runs"]
    assert after["ended"][1:] == before["ended"]
    # Two partitions of an asset and a check, and six runs: begun, ended.
    assert count(database) < events / 3


OWN_RUN = f"select run_id from runs where pipeline_name = '{PRUNE_EVENT_LOG}'"


def test_what_replaced_events_go_with_their_tags_and_answers(
    instance: dg.DagsterInstance, database: Database
) -> None:
    assert count(database, "asset_check_executions") == 6
    age(database, days=31)
    prune(instance)
    assert count(database, "asset_check_executions") == 2
    kinds = dict(
        database.execute(
            "select dagster_event_type, count(*) from event_logs "
            f"where run_id not in ({OWN_RUN}) group by 1"
        )
    )
    assert kinds["ASSET_MATERIALIZATION"] == 1
    assert kinds["ASSET_CHECK_EVALUATION"] == 1
    assert kinds["ASSET_MATERIALIZATION_PLANNED"] == 2
    assert kinds["PIPELINE_SUCCESS"] == kinds["PIPELINE_FAILURE"] == 3
    assert not {"STEP_START", "ENGINE_EVENT", "LOGS_CAPTURED", None} & set(kinds)


def test_events_that_are_not_old_stay(instance: dg.DagsterInstance, database: Database) -> None:
    age(database, days=29)
    events = count(database)
    prune(instance)
    of_others = f"event_logs where run_id not in ({OWN_RUN})"
    assert count(database, of_others) == events


def test_events_in_files_are_left_alone(tmp_path: Path) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as opened:
        dg.materialize([numbers], instance=opened, partition_key=GOOD)
        prune(opened)
        assert opened.get_latest_materialization_event(ASSET)
