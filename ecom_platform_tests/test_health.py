"""Health: what is missing, stuck, failing or silent is found, and told to a monitor outside."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationPlanned,
)
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.test_utils import create_run_for_test
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._daemon.types import DaemonHeartbeat
from dagster_shared.error import SerializableErrorInfo

from ecom_platform.alerts.heartbeat import Vitals, send_heartbeat
from ecom_platform.automation.dead_runs import PROCESS_TAG
from ecom_platform.automation.health_watch import build_health_sensor
from ecom_platform.automation.heartbeat import build_heartbeat_sensor
from ecom_platform.automation.incidents import report
from ecom_platform.calendar import days_between
from ecom_platform.commands.run import INSTANCE
from ecom_platform.datasets import CLEANED, RAW
from ecom_platform.errors import AlertError
from ecom_platform.findings import NOTE, OK, WRONG
from ecom_platform.health.days import missing_days
from ecom_platform.health.examine import examine_health
from ecom_platform.incidents.model import Observation, Severity
from ecom_platform.incidents.observe import acknowledge
from ecom_platform.incidents.store import IncidentStore
from ecom_platform.lake.pages import PAGES
from ecom_platform.lake.storage import open_storage
from ecom_platform.processes import this_process
from ecom_platform.settings import Settings
from ecom_platform_tests.commands.harness import ecom
from ecom_platform_tests.commands.lake import publish
from ecom_platform_tests.platform import open_platform

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from dagster._core.definitions.sensor_definition import SensorExecutionData

FIRST, LAST = date(2024, 3, 1), date(2024, 3, 3)
#: The day after, when the last day is due.
NOW = datetime(2024, 3, 4, 7, tzinfo=UTC)
ADDS_UP, KEYS, STALE = (
    dg.AssetCheckKey(dg.AssetKey(["raw", "orders"]), name)
    for name in ("adds_up", "keys_are_unique", "newest_day_is_there")
)
CHECKS = [ADDS_UP, KEYS, STALE]
#: What Dagster calls the code location.
HERE = RemoteRepositoryOrigin(
    ManagedGrpcPythonEnvCodeLocationOrigin(
        LoadableTargetOrigin(module_name="ecom_platform.definitions"), "ecom_platform"
    ),
    "__repository__",
)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp() as opened:
        yield opened


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Of a lake in which all three days are published."""
    monkeypatch.setenv("ECOM_LAKE", str(tmp_path / "lake"))
    monkeypatch.setenv("ECOM_START_DATE", str(FIRST))
    days = [FIRST, FIRST + timedelta(days=1), LAST]
    for dataset in RAW:
        publish(dataset.path, days=days)
    return Settings(_env_file=None)


def found(settings: Settings, instance: dg.DagsterInstance, now: datetime = NOW) -> dict[str, Any]:
    """Return what was looked at -> mark and fact, the worst where there are several."""
    findings = sorted(
        examine_health(settings, RAW, CHECKS, instance, now), key=lambda found: found.mark == WRONG
    )
    return {finding.what: (finding.mark, finding.fact) for finding in findings}


def test_all_is_well_where_every_day_is_published(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    assert found(settings, instance)["days"] == (OK, "all 3 days up to 2024-03-03 are published")


def test_a_day_is_due_six_hours_after_it_is_over(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    late = datetime(2024, 3, 5, 6, 1, tzinfo=UTC)
    assert found(settings, instance, late - timedelta(minutes=2))["days"][0] == OK
    mark, fact = found(settings, instance, late)["days"]
    assert mark == WRONG
    assert fact == (
        "1 of 4 days are not complete: 2024-03-04; the newest complete one is 2024-03-03"
    )


def test_a_day_of_which_one_dataset_is_missing_is_not_complete(
    settings: Settings, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    (tmp_path / "lake" / RAW[2].object_path("2024-03-02")).unlink()
    assert found(settings, instance)["days"] == (
        WRONG, "1 of 3 days are not complete: 2024-03-02",
    )  # fmt: skip


def test_a_day_that_failed_when_it_was_made_again_is_named(tmp_path: Path) -> None:
    source = tmp_path / "shop"
    source.mkdir()
    (source / "customers.csv").write_text("id,email,region,signup_date\n")
    (source / "payments.csv").write_text("id,order_id,amount,status,paid_at\n")
    orders = source / "orders.csv"
    header = "id,customer_id,total_amount,created_at,status\n"
    settings = Settings(
        _env_file=None, source=source.as_uri(), lake=str(tmp_path / "lake"), start_date=FIRST,
        email_hmac_key="k" * 32,
    )  # fmt: skip
    with open_platform(settings) as platform:
        orders.write_text(header)
        assert platform.failures(platform.run(FIRST, LAST)) == {}
        orders.write_text(header + "".join(f"1,{n},1,2024-03-02 10:00:00,done\n" for n in range(9)))
        assert platform.failures(platform.run(FIRST, LAST))
        health = {f.what: f for f in examine_health(settings, CLEANED, (), platform.instance, NOW)}
    assert health["days"].mark == OK
    assert health["last attempts"].mark == WRONG
    assert health["last attempts"].fact.endswith(": 2024-03-02")


def report_event(instance: dg.DagsterInstance, kind: dg.DagsterEventType, data: Any) -> None:
    """Let a run of its own say something."""
    run = create_run_for_test(instance, status=dg.DagsterRunStatus.STARTED)
    event = dg.DagsterEvent(kind.value, run.job_name, event_specific_data=data)
    instance.report_dagster_event(event, run.run_id)


def test_the_newest_result_of_each_check_and_day_counts(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    warn, error = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR
    undeclared = dg.AssetCheckKey(ADDS_UP.asset_key, "of_last_year")
    assert "checks" not in found(settings, instance)
    for check, day, passed, severity in (
        (ADDS_UP, "2024-03-02", False, error),
        (ADDS_UP, "2024-03-03", False, error),
        (ADDS_UP, "2024-03-02", False, warn),  # the day was made again, and is better
        (KEYS, "2024-03-03", True, error),
        (KEYS, None, True, error),
        (KEYS, "2024-02-29", False, error),  # before the first day
        (STALE, None, False, error),  # its answer is of another moment
        (undeclared, "2024-03-03", False, error),
    ):
        evaluation = dg.AssetCheckEvaluation(
            check.asset_key, check.name, passed=passed, severity=severity, partition=day
        )
        report_event(instance, dg.DagsterEventType.ASSET_CHECK_EVALUATION, evaluation)
    # A run that was to ask again was killed before it did.
    planned = AssetCheckEvaluationPlanned(asset_key=KEYS.asset_key, check_name=KEYS.name)
    report_event(instance, dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED, planned)
    said = "2 of 4 checks passed, 1 error, 1 warning, 2024-03-01 to 2024-03-03: raw/orders adds_up"
    assert found(settings, instance)["checks"] == (WRONG, said)


def test_an_incident_is_wrong_until_somebody_looks_after_it(
    settings: Settings, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    assert found(settings, instance)["incidents"] == (OK, "none is open")
    report(
        settings, [Observation("parents_exist", "cleaned/orders", str(LAST), passed=False, at=NOW)]
    )
    assert found(settings, instance)["incidents"] == (
        WRONG,
        "1 open, 1 of them errors that nobody looks after: 1: cleaned/orders parents_exist",
    )
    store = IncidentStore(open_storage(settings.lake), tmp_path)
    store.update(lambda state: acknowledge(state, "1", NOW, "ann", ""))
    assert found(settings, instance)["incidents"][0] == NOTE


def tick(
    sensor: dg.SensorDefinition, instance: dg.DagsterInstance, cursor: str | None = None
) -> SensorExecutionData:
    """Let a sensor tick in a repository without checks."""
    repository = dg.Definitions().get_repository_def()
    context = dg.build_sensor_context(instance, cursor=cursor, repository_def=repository)
    return sensor.evaluate_tick(context)


def test_what_does_not_go_on_is_an_incident_until_it_does(
    settings: Settings, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    sensor = build_health_sensor(settings, RAW)
    store = IncidentStore(open_storage(settings.lake), tmp_path)
    assert str(tick(sensor, instance).skip_message).startswith("Not well: days (")
    (incident,) = store.read().incidents
    assert (incident.check, incident.asset) == ("days_are_well", "platform")
    assert "days are not complete" in incident.days[""].reason
    days = list(days_between(FIRST, datetime.now(UTC).date() - timedelta(days=1)))
    for dataset in RAW:
        publish(dataset.path, days=days)
    for page in PAGES:
        html = f'<meta name="report-date" content="{days[-1]}">'
        page.publish(open_storage(settings.pages), html, tmp_path)
    turn_on(instance, "health")
    for kind in instance.get_required_daemon_types():
        beat = DaemonHeartbeat(datetime.now(UTC).timestamp(), kind, None, [])
        instance.add_daemon_heartbeat(beat)
    assert tick(sensor, instance).skip_message == "All is well."
    (incident,) = store.read().incidents
    assert incident.status == "recovered"
    warning = Observation(
        "volume", "raw/orders", "2024-03-02", passed=False, at=NOW, severity=Severity.WARN
    )
    report(settings, [warning])
    assert str(tick(sensor, instance).skip_message).startswith("Worth knowing: incidents (1 open")


def test_dagster_is_told_whether_the_newest_day_is_there_whenever_that_changes(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    sensor, cursor = build_health_sensor(settings, CLEANED), None

    def told() -> dict[str, bool]:
        nonlocal cursor
        result = tick(sensor, instance, cursor)
        cursor = result.cursor
        events = [e for e in result.asset_events if isinstance(e, dg.AssetCheckEvaluation)]
        assert {event.check_name for event in events} <= {"newest_day_is_there"}
        return {event.asset_key.to_user_string(): event.passed for event in events}

    pages = {page.asset: False for page in PAGES}
    assert told() == {dataset.path: False for dataset in CLEANED} | pages
    assert told() == {}
    publish(CLEANED[0].path, days=[datetime.now(UTC).date() - timedelta(days=n) for n in (1, 2)])
    assert told() == {CLEANED[0].path: True}


def test_a_page_is_due_seven_hours_after_its_newest_day(
    settings: Settings, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    mark, fact = found(settings, instance)["pages"]
    assert (mark, fact) == (NOTE, "dashboards/daily was never made")
    for page in PAGES:
        html = f'<meta name="report-date" content="{LAST}">'
        page.publish(open_storage(settings.pages), html, tmp_path)
    due = datetime(2024, 3, 5, 7, tzinfo=UTC)
    assert found(settings, instance, due - timedelta(minutes=1))["pages"][0] == OK
    mark, fact = found(settings, instance, due)["pages"]
    assert (mark, fact) == (WRONG, "dashboards/daily is of 2024-03-03")


def test_a_run_that_waits_or_works_too_long_is_stuck(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    run = create_run_for_test(instance, status=dg.DagsterRunStatus.NOT_STARTED)
    now = datetime.now(UTC)
    assert found(settings, instance, now + timedelta(hours=1))["runs"] == (
        OK, "1 in progress; 0 failed in the last 24 hours",
    )  # fmt: skip
    mark, fact = found(settings, instance, now + timedelta(hours=27, minutes=1))["runs"]
    assert mark == WRONG
    assert fact == f"stuck: {run.run_id[:8]}, waiting for 27 h"


def turn_on(instance: dg.DagsterInstance, name: str) -> InstigatorState:
    """Let a sensor be on, as the web page does."""
    return instance.add_instigator_state(
        InstigatorState(
            RemoteInstigatorOrigin(HERE, name),
            InstigatorType.SENSOR,
            InstigatorStatus.RUNNING,
            SensorInstigatorData(min_interval=60),
        )
    )


def test_a_daemon_that_is_silent_is_missed_once_something_needs_it(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    assert "daemon" not in found(settings, instance)
    turn_on(instance, "source_changes")
    assert found(settings, instance)["automation"] == (OK, "on: source_changes")
    assert found(settings, instance)["daemon"][0] == WRONG
    assert "was not heard of at all" in found(settings, instance)["daemon"][1]
    for kind in instance.get_required_daemon_types():
        instance.add_daemon_heartbeat(DaemonHeartbeat(NOW.timestamp(), kind, None, []))
    assert found(settings, instance, NOW + timedelta(minutes=4))["daemon"] == (OK, "alive")
    mark, fact = found(settings, instance, NOW + timedelta(minutes=6))["daemon"]
    assert (mark, "since 2024-03-04 07:00 UTC" in fact) == (WRONG, True)


def test_a_sensor_whose_last_tick_failed_is_named_with_the_reason(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    state = turn_on(instance, "source_changes")
    error = SerializableErrorInfo("the source of ann@example.invalid is down\n", [], "SourceError")
    for status, told in ((TickStatus.FAILURE, error), (TickStatus.SKIPPED, None)):
        instance.create_tick(
            TickData(
                state.instigator_origin_id, state.instigator_name, InstigatorType.SENSOR, status,
                time.time(), selector_id=state.selector_id, error=told,
            )
        )  # fmt: skip
        mark, fact = found(settings, instance)["automation"]
        assert (mark == WRONG) is bool(told)
        if told:
            assert "sensor source_changes failed: the source of" in fact
            assert "ann@" not in fact


def test_the_status_of_everything_is_one_screen_and_an_exit_code(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    del settings
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text(INSTANCE)
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    killed = json.dumps(asdict(replace(this_process(), started="1")))
    with dg.DagsterInstance.get() as instance:
        status, tags = dg.DagsterRunStatus.STARTED, {PROCESS_TAG: killed}
        run = create_run_for_test(instance, status=status, tags=tags).run_id
    done = ecom("status")
    assert done.code == 1
    assert f"! A run {run[:8]} was killed before it ended: it is marked as failed" in done.err
    assert "0 in progress; 1 failed in the last 24 hours" in done.out
    assert "✗  days" in done.out
    assert "Run: ecom run --from 2024-03-01 --to" in done.out
    assert "no schedule and no sensor is on" in done.out


@contextmanager
def monitor() -> Generator[tuple[str, list[str]]]:
    """A monitor that is visited over HTTP; yields its address and the paths that were visited."""
    visited: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            visited.append(self.path)
            self.send_response(404 if "gone" in self.path else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", visited
        server.shutdown()


def test_a_monitor_is_visited(settings: Settings, instance: dg.DagsterInstance) -> None:
    with monitor() as (url, visited):
        watched = settings.model_copy(
            update={"heartbeat": Settings(_env_file=None, heartbeat=f"{url}/ping/secret").heartbeat}
        )
        (sensor,) = build_heartbeat_sensor(watched, RAW)
        result = sensor.evaluate_tick(dg.build_sensor_context(instance=instance))
        assert visited == ["/ping/secret"]
        assert "days are missing" in str(result.skip_message)
        gone = Settings(_env_file=None, heartbeat=f"{url}/gone/secret")
        with pytest.raises(AlertError) as refused:
            send_heartbeat(gone, Vitals(0, 0, 0))
    assert "secret" not in str(refused.value)


def test_cloudwatch_gets_a_metric_to_miss_and_what_else_is_to_be_watched(
    bucket: str, settings: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3

    del bucket  # its server is CloudWatch too
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    watched = settings.model_copy(
        update={"heartbeat": Settings(_env_file=None, heartbeat="cloudwatch:Shop").heartbeat}
    )
    (sensor,) = build_heartbeat_sensor(watched, RAW)
    # SQLite's clock, by which new runs are dated, knows whole seconds.
    before = (datetime.now(UTC) - timedelta(seconds=2)).isoformat()
    for status in ("FAILURE", "FAILURE", "SUCCESS"):
        create_run_for_test(instance, status=dg.DagsterRunStatus[status])
    create_run_for_test(
        instance, status=dg.DagsterRunStatus.QUEUED, remote_job_origin=RemoteJobOrigin(HERE, "job")
    )
    sensor.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=before))
    behind = len(missing_days(settings, RAW, datetime.now(UTC)))
    waited = pytest.approx(0.05, abs=0.05)
    for name, value in (
        ("Heartbeat", 1.0), ("DaysBehind", behind), ("RunFailures", 2.0),
        ("OldestQueuedRunMinutes", waited),
    ):  # fmt: skip
        points = boto3.client("cloudwatch").get_metric_statistics(
            Namespace="Shop", MetricName=name, Period=60, Statistics=["Maximum"],
            StartTime=datetime.now(UTC) - timedelta(hours=1),
            EndTime=datetime.now(UTC) + timedelta(hours=1),
        )["Datapoints"]  # fmt: skip
        assert [point["Maximum"] for point in points] == [value]


def test_without_a_monitor_there_is_no_sensor(settings: Settings) -> None:
    assert build_heartbeat_sensor(settings, RAW) == []
