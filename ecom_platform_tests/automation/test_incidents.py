"""Real runs, and what people hear of them: from Dagster's events to a mail."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest
from dagster._core.events import AssetMaterializationPlannedData, JobFailureData
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.test_utils import create_run_for_test

from ecom_platform.automation.catalog import Catalog
from ecom_platform.automation.incidents import keep_incidents
from ecom_platform.automation.run_answers import read_run
from ecom_platform.datasets import CLEANED, RAW
from ecom_platform.errors import AlertError
from ecom_platform.incidents.store import IncidentStore
from ecom_platform.lake.storage import open_storage
from ecom_platform.settings import Settings
from ecom_platform_tests.alerts.mail import mail_server
from ecom_platform_tests.alerts.webhook import webhook
from ecom_platform_tests.platform import open_platform

if TYPE_CHECKING:
    from collections.abc import Iterator
    from logging import Logger
    from pathlib import Path

    from ecom_platform.incidents.model import State
    from ecom_platform_tests.platform import Platform

FIRST, SECOND, THIRD = (date(2026, 3, day) for day in (2, 3, 4))
HEADER = "id,customer_id,total_amount,created_at,status\n"
ORDERS = ("raw/orders", "cleaned/orders", "quarantine/orders", "metrics/total_orders")


@dataclass
class Watch:
    """A shop of files, its platform, and a sensor that ticks by a clock of its own."""

    platform: Platform
    orders: Path
    folder: Path
    log: Logger
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def fill(self, *rows: str) -> None:
        self.orders.write_text(HEADER + "\n".join(rows) + "\n")

    def run(self, first: date, last: date, *assets: str, **options: Any) -> dg.JobExecutionResult:
        return self.platform.run(first, last, *(assets or ORDERS), **options)

    def tick(self, *, after: timedelta = timedelta(minutes=1)) -> str:
        self.now += after
        graph = self.platform.definitions.get_repository_def().asset_graph
        return keep_incidents(
            self.platform.settings,
            (*RAW, *CLEANED, *(metric.dataset for metric in self.platform.metrics)),
            self.platform.instance,
            Catalog(graph),
            lambda: self.now,
            self.log,
        )

    def state(self) -> State:
        return IncidentStore(open_storage(self.platform.settings.lake), self.folder).read()


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Logger:
    import logging

    caplog.set_level("INFO")
    return logging.getLogger("tick")


@pytest.fixture
def posted() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    with webhook() as slack:
        yield slack


@pytest.fixture
def watch(tmp_path: Path, log: Logger, posted: tuple[str, list[dict[str, Any]]]) -> Iterator[Watch]:
    with open_platform(shop(tmp_path, alert_slack_webhook=posted[0])) as platform:
        yield Watch(platform, tmp_path / "shop" / "orders.csv", tmp_path, log)


def shop(folder: Path, **options: Any) -> Settings:
    files = folder / "shop"
    files.mkdir()
    (files / "orders.csv").write_text(HEADER)
    (files / "customers.csv").write_text("id,email,region,signup_date\n")
    (files / "payments.csv").write_text("id,order_id,amount,status,paid_at\n")
    return Settings(
        source=files.as_uri(),  # pyright: ignore[reportArgumentType]
        lake=str(folder / "lake"),
        start_date=FIRST,
        dagster_url="https://dagster.example.invalid",
        email_hmac_key="k" * 32,  # pyright: ignore[reportArgumentType]
        **options,
    )


def bad(day: date) -> list[str]:
    """Orders of one id, of which none can be the right one: their day fails."""
    return [f"{day}-0,,12 EUR of b{n}@example.invalid,{day} 12:0{n},paid" for n in range(9)]


def good(day: date, number: int = 1) -> list[str]:
    return [f"{day}-{n},,10,{day} 12:00,paid" for n in range(number)]


def orphan(day: date) -> str:
    """An order that no check likes, and that is published all the same."""
    return f"{day}-o,nobody,10,{day} 13:00,paid"


def texts(posted: tuple[str, list[dict[str, Any]]]) -> list[str]:
    return [message["text"] for message in posted[1]]


def test_a_day_that_fails_is_told_once_with_what_follows_from_it_and_when_it_is_well(
    watch: Watch, posted: tuple[str, list[dict[str, Any]]]
) -> None:
    watch.fill(*bad(FIRST), *good(SECOND))
    run = watch.run(FIRST, SECOND).run_id
    watch.tick()
    watch.tick()
    [told] = texts(posted)
    assert told.startswith(f"*Error: cleaned/orders: is_published, {FIRST}*\n")
    assert "Was the day published? No." in told
    assert "9 of 9 rows would be quarantined" in told
    assert f"https://dagster.example.invalid/runs/{run}" in told
    assert "seen once" in told
    assert "Owner: team:data" in told
    assert f"metrics/total_orders is_published, {FIRST}" in told
    assert "Incident 1, alert 1.1" in told
    assert "@example" not in told

    # Another day is well again before: it must not hide this one.
    watch.run(SECOND, SECOND)
    watch.tick()
    assert len(posted[1]) == 1

    watch.fill(*bad(FIRST), *bad(SECOND))
    watch.run(SECOND, SECOND)
    watch.tick()
    assert texts(posted)[1].startswith(
        f"*Error, worse: cleaned/orders: is_published, {FIRST} to {SECOND}*"
    )

    watch.fill(*good(FIRST), *good(SECOND))
    # One by one: that both lose eight of nine rows would be too much for a run.
    watch.run(FIRST, FIRST)
    watch.run(SECOND, SECOND)
    watch.tick()
    assert texts(posted)[2].startswith(
        f"*Recovered: cleaned/orders: is_published, {FIRST} to {SECOND}*"
    )
    assert (watch.state().incidents, watch.state().alerts) == ([], [])
    watch.tick()
    assert len(posted[1]) == 3


def test_a_check_that_fails_is_told_with_what_it_saw(
    watch: Watch, posted: tuple[str, list[dict[str, Any]]]
) -> None:
    watch.fill(orphan(FIRST), *good(SECOND, 3))
    assert watch.run(FIRST, SECOND).success
    watch.tick()
    [told] = texts(posted)
    assert told.startswith(f"*Warning: cleaned/orders: parents_exist, {FIRST}*")
    assert "the source has, 24 hours after its day? No." in told
    assert "Found: broken 1, all rows 1" in told
    assert "Expected: 0 broken" in told

    watch.run(SECOND, SECOND)
    watch.tick(after=timedelta(hours=23))
    assert len(posted[1]) == 1
    watch.tick(after=timedelta(hours=1))
    assert texts(posted)[1].startswith("*Warning, still open: cleaned/orders: parents_exist")


def test_a_run_is_read_once_however_often_it_is_seen(
    watch: Watch, posted: tuple[str, list[dict[str, Any]]]
) -> None:
    watch.fill(orphan(FIRST))
    run = watch.run(FIRST, FIRST).run_id
    watch.tick()
    watch.fill(*good(FIRST))
    watch.run(FIRST, FIRST)
    watch.tick()
    watch.platform.instance.add_run_tags(run, {"seen": "again"})
    watch.tick()
    assert len(posted[1]) == 2
    assert watch.state().incidents == []


def test_a_metric_shows_its_last_weeks_in_the_mail(tmp_path: Path, log: Logger) -> None:
    with mail_server() as server:
        settings = shop(
            tmp_path,
            alert_email_smtp=f"smtp://127.0.0.1:{server.port}",
            alert_email_from="shop@example.invalid",
            alert_email_to="ann@example.invalid",
        )
        with open_platform(settings) as platform:
            watch = Watch(platform, tmp_path / "shop" / "orders.csv", tmp_path, log)
            watch.fill(*good(FIRST, 5), *good(SECOND, 3))
            watch.run(FIRST, SECOND)
            check = dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey(["metrics", "total_orders"]),
                check_name="volume",
                passed=False,
                severity=dg.AssetCheckSeverity.WARN,
                partition=str(SECOND),
                metadata={"regions": {"all": {"value": 3, "expected": "5 to 9"}}},
            )
            report_check(watch, check)
            watch.tick()
    [mail] = server.received
    assert mail["Subject"] == f"Warning: metrics/total_orders (all): volume, {SECOND}"
    parts = {part.get_content_type(): part for part in mail.walk()}
    assert "Found:       value 3" in parts["text/plain"].get_content()
    assert "Expected:    5 to 9" in parts["text/plain"].get_content()
    assert f"total orders, all, 8 weeks up to {SECOND}" in parts["text/html"].get_content()
    assert parts["image/png"].get_content().startswith(b"\x89PNG")


def report_check(watch: Watch, *answers: dg.AssetCheckEvaluation) -> None:
    """End a run that says this."""
    instance = watch.platform.instance
    run = create_run_for_test(instance, status=dg.DagsterRunStatus.STARTED)
    for answer in answers:
        instance.report_dagster_event(
            dg.DagsterEvent(
                event_type_value=dg.DagsterEventType.ASSET_CHECK_EVALUATION.value,
                job_name=run.job_name,
                event_specific_data=answer,
            ),
            run.run_id,
        )
    instance.report_dagster_event(
        dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, run.job_name), run.run_id
    )


def test_regions_that_an_answer_does_not_name_are_well(
    watch: Watch, posted: tuple[str, list[dict[str, Any]]]
) -> None:
    def volume(*regions: str) -> dg.AssetCheckEvaluation:
        return dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(["metrics", "total_orders"]),
            check_name="volume",
            passed=not regions,
            partition=str(FIRST),
            metadata={"regions": {region: {"value": 1} for region in regions}},
        )

    def subjects() -> list[str]:
        return [text.partition("*\n")[0].partition(",")[0] for text in texts(posted)]

    report_check(watch, volume("north", "south"))
    watch.tick()
    report_check(watch, volume("south"))
    watch.tick()
    report_check(watch, volume())
    watch.tick()
    of = "metrics/total_orders ({}): volume"
    assert subjects() == [
        f"*Error: {of.format('north')}",
        f"*Error: {of.format('south')}",
        f"*Recovered: {of.format('north')}",
        f"*Recovered: {of.format('south')}",
    ]


def test_one_cause_in_several_tables_is_told_once(
    watch: Watch, posted: tuple[str, list[dict[str, Any]]]
) -> None:
    for file in watch.orders.parent.iterdir():
        file.unlink()
    watch.orders.parent.rmdir()
    watch.platform.run(FIRST, FIRST)
    watch.tick()
    [told] = texts(posted)
    assert f"*Error: raw/customers: is_published, {FIRST}*" in told
    assert "raw/orders is_published" in told


def test_rows_that_lost_those_they_name_are_told_with_them(
    watch: Watch, posted: tuple[str, list[dict[str, Any]]]
) -> None:
    second = FIRST + timedelta(days=1)
    paid = [f"{FIRST}-{n},{FIRST}-{n},10,paid,{FIRST} 13:00" for n in range(20)]
    payments = watch.orders.with_name("payments.csv")
    payments.write_text(payments.read_text() + "\n".join(paid) + "\n")
    tables = ("raw/orders", "raw/payments")
    watch.fill(*good(FIRST, 20), *good(second, 20))
    assert watch.run(FIRST, second, *tables).success
    watch.fill(*good(second, 20))
    assert not watch.run(FIRST, second, *tables).success
    watch.tick()
    [told] = texts(posted)
    assert f"*Error: raw/orders: is_published, {FIRST}*" in told
    assert "raw/payments is_published" in told


def test_a_check_that_keeps_an_asset_from_being_published_is_told_once(
    watch: Watch, posted: tuple[str, list[dict[str, Any]]]
) -> None:
    mart = dg.AssetKey(["marts", "kpi_monthly"])
    instance = watch.platform.instance
    run = create_run_for_test(instance, status=dg.DagsterRunStatus.STARTED)
    wrong = dg.AssetCheckEvaluation(mart, "kpi_monthly_is_wrong", passed=False)
    for kind, data in (
        (dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED, AssetMaterializationPlannedData(mart)),
        (dg.DagsterEventType.ASSET_CHECK_EVALUATION, wrong),
        (dg.DagsterEventType.RUN_FAILURE, JobFailureData(None)),
    ):
        event = dg.DagsterEvent(kind.value, run.job_name, event_specific_data=data)
        instance.report_dagster_event(event, run.run_id)
    watch.tick()
    [told] = texts(posted)
    assert "*Error: marts/kpi_monthly: kpi_monthly_is_wrong*" in told
    assert "marts/kpi_monthly is_published" in told


def test_a_run_that_will_be_retried_is_left_to_the_next(watch: Watch) -> None:
    watch.fill(*bad(FIRST))
    watch.run(FIRST, FIRST, tags={"dagster/will_retry": "true"})
    watch.tick()
    assert watch.state().incidents == []
    watch.run(FIRST, FIRST)
    watch.tick()
    assert watch.state().incidents != []


def test_a_run_that_ends_before_its_first_step_is_told(
    watch: Watch, posted: tuple[str, list[dict[str, Any]]]
) -> None:
    instance = watch.platform.instance
    run = create_run_for_test(instance, status=dg.DagsterRunStatus.STARTED, job_name="nightly")
    instance.report_run_failed(run, "The process is gone, says b@example.invalid.")
    watch.tick()
    [told] = texts(posted)
    assert told.startswith("*Error: nightly: is_finished*")
    assert "Reason: The process is gone, says [e-mail]." in told


def test_runs_of_another_code_location_are_not_ours(watch: Watch) -> None:
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("others"), "repository")
    run = create_run_for_test(
        watch.platform.instance,
        status=dg.DagsterRunStatus.STARTED,
        remote_job_origin=RemoteJobOrigin(repository, "nightly"),
    )
    watch.platform.instance.report_run_failed(run)
    watch.tick()
    assert watch.state().incidents == []


def test_changes_of_settled_days_are_told_once_for_all_metrics(
    watch: Watch, posted: tuple[str, list[dict[str, Any]]]
) -> None:
    watch.fill()
    assets = (*ORDERS, "metrics/total_customers")
    recent = watch.platform.settings.calendar.last_closed()
    for day in (FIRST, recent):
        assert watch.run(day, day, *assets).success
    watch.tick()
    watch.fill(*good(FIRST), *good(recent))
    watch.run(recent, recent, *assets)
    watch.tick()
    assert posted[1] == []  # the day is provisional
    run = watch.run(FIRST, FIRST, *assets).run_id
    watch.tick()
    watch.tick(after=timedelta(days=2))
    [told] = texts(posted)
    assert told.startswith(f"*ledger/restatements: settled_numbers_changed, {FIRST}*")
    assert "total orders " in told
    assert "total customers " in told
    assert "ecom restatements" in told
    assert run in told
    assert watch.state().incidents == []


def test_an_alert_that_no_channel_takes_fails_the_tick_and_comes_later(
    tmp_path: Path, log: Logger
) -> None:
    with webhook(status=503) as (address, _):
        settings = shop(tmp_path, alert_slack_webhook=address)
        with open_platform(settings) as platform:
            watch = Watch(platform, tmp_path / "shop" / "orders.csv", tmp_path, log)
            watch.fill(*bad(FIRST))
            watch.run(FIRST, FIRST)
            with pytest.raises(AlertError, match="answers 503"):
                watch.tick()
            assert watch.tick(after=timedelta(seconds=30)).endswith("1 alerts wait.")
    with webhook() as mended:
        address = Settings(alert_slack_webhook=mended[0]).alert_slack_webhook  # pyright: ignore[reportArgumentType]
        watch.platform.settings = settings.model_copy(update={"alert_slack_webhook": address})
        watch.tick()
    assert len(mended[1]) == 1


def test_without_a_channel_the_log_has_it(
    tmp_path: Path, log: Logger, caplog: pytest.LogCaptureFixture
) -> None:
    with open_platform(shop(tmp_path)) as platform:
        watch = Watch(platform, tmp_path / "shop" / "orders.csv", tmp_path, log)
        watch.fill(*bad(FIRST))
        watch.run(FIRST, FIRST)
        assert watch.tick().endswith("0 alerts wait.")
    assert f"Error: cleaned/orders: is_published, {FIRST}" in caplog.text


def test_the_sensor_is_on_and_ticks(watch: Watch) -> None:
    repository = watch.platform.definitions.get_repository_def()
    sensor = repository.get_sensor_def("incidents")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    context = dg.build_sensor_context(watch.platform.instance, repository_def=repository)
    data = sensor.evaluate_tick(context)
    assert data.skip_message == "0 incidents are open; 0 alerts wait."


def test_a_long_run_is_read_in_seconds(watch: Watch) -> None:
    """What a year of days says is some thousands of events: a tick must have time for them."""
    answers = [
        dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(["cleaned", "orders"]),
            check_name=f"check_{number}",
            passed=True,
            partition=str(FIRST + timedelta(days=day)),
        )
        for day in range(20)
        for number in range(10)
    ]
    report_check(watch, *answers)
    [record] = watch.platform.instance.get_run_records()
    catalog = Catalog(watch.platform.definitions.get_repository_def().asset_graph)
    seen = read_run(watch.platform.instance, record.dagster_run, catalog)
    assert len([one for one in seen if one.check.startswith("check_")]) == 200
