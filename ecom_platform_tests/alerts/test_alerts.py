"""Alerts of failed runs, through the real channels: SNS read back through SQS, Slack's HTTP."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import boto3
import dagster as dg
import pytest

from ecom_platform.alerts.channels import Message, SlackChannel, SnsChannel
from ecom_platform.errors import AlertError
from ecom_platform.settings import Settings
from ecom_platform_tests.alerts.webhook import webhook
from ecom_platform_tests.platform import open_platform

if TYPE_CHECKING:
    from pathlib import Path

    from ecom_platform_tests.platform import Platform

DAY = date(2026, 3, 2)
WITHOUT_LOOKBACK = (
    "raw/orders", "cleaned/orders", "quarantine/orders", "metrics/total_orders",
)  # fmt: skip


def client(service: str) -> Any:
    return boto3.client(service, region_name="us-east-1")  # pyright: ignore[reportCallIssue, reportArgumentType]


@pytest.fixture
def topic(bucket: str) -> tuple[str, str]:
    """An SNS topic, and the SQS queue that its messages end in."""
    sns, sqs = client("sns"), client("sqs")
    arn = sns.create_topic(Name=bucket)["TopicArn"]
    queue = sqs.create_queue(QueueName=bucket)["QueueUrl"]
    sns.subscribe(
        TopicArn=arn, Protocol="sqs", Endpoint=f"arn:aws:sqs:us-east-1:123456789012:{bucket}"
    )
    return arn, queue


def received(queue: str) -> list[dict[str, str]]:
    messages = client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in messages.get("Messages", [])]


def failing_platform(folder: Path, **options: Any) -> Settings:
    """A shop whose orders of a day are all without an amount, so that the day fails."""
    shop = folder / "shop"
    shop.mkdir()
    rows = [f"{n},c{n},12 EUR of buyer{n}@example.invalid,{DAY} 12:00:00,paid" for n in range(9)]
    header = "id,customer_id,total_amount,created_at,status"
    (shop / "orders.csv").write_text("\n".join([header, *rows]) + "\n")
    (shop / "customers.csv").write_text("id,email,region,signup_date\n")
    (shop / "payments.csv").write_text("id,order_id,amount,status,paid_at\n")
    return Settings(
        source=f"file://{shop}",  # pyright: ignore[reportArgumentType]
        lake=str(folder / "lake"),
        start_date=DAY,
        dagster_url="https://dagster.example.invalid",
        **options,
    )


def tick(platform: Platform) -> str:
    """Run a day, evaluate the sensor on its failure, and return the run's id."""
    result = platform.run(DAY, DAY)
    assert not result.success
    repository = platform.definitions.get_repository_def()
    sensor = repository.get_sensor_def("run_failure_alerts")
    failure = next(e for e in result.all_events if e.event_type is dg.DagsterEventType.RUN_FAILURE)
    context = dg.build_run_status_sensor_context(
        sensor_name="run_failure_alerts",
        dagster_event=failure,
        dagster_instance=platform.instance,
        dagster_run=platform.instance.get_run_by_id(result.run_id) or result.dagster_run,
    )
    sensor(context.for_run_failure())
    return result.run_id


def test_a_failed_run_reaches_sns_with_day_reason_and_link(
    tmp_path: Path, topic: tuple[str, str]
) -> None:
    arn, queue = topic
    with open_platform(failing_platform(tmp_path, alert_sns_topic=arn)) as platform:
        run = tick(platform)
    [message] = received(queue)
    assert message["Subject"] == f"daily_refresh failed for {DAY}"
    assert f"{DAY}: 9 of 9 rows would be quarantined" in message["Message"]
    assert f"https://dagster.example.invalid/runs/{run}" in message["Message"]
    assert "@example" not in message["Message"]


def test_a_failed_run_reaches_slack(tmp_path: Path) -> None:
    with webhook() as (address, posted):
        settings = failing_platform(tmp_path, alert_slack_webhook=address)
        with open_platform(settings) as platform:
            tick(platform)
    [message] = posted
    assert message["text"].startswith(f"*daily_refresh failed for {DAY}*")


def test_a_channel_that_is_down_does_not_keep_the_alert_from_the_other(
    tmp_path: Path, topic: tuple[str, str]
) -> None:
    arn, queue = topic
    with webhook(status=503) as (address, _):
        settings = failing_platform(tmp_path, alert_slack_webhook=address, alert_sns_topic=arn)
        with open_platform(settings) as platform:
            tick(platform)
    assert len(received(queue)) == 1


def test_an_alert_that_no_channel_takes_fails_the_tick(tmp_path: Path) -> None:
    with webhook(status=503) as (address, _):
        settings = failing_platform(tmp_path, alert_slack_webhook=address)
        with open_platform(settings) as platform, pytest.raises(AlertError, match="answers 503"):
            tick(platform)


def test_a_change_of_a_settled_day_reaches_people_once(tmp_path: Path) -> None:
    with webhook() as (address, posted):
        settings = failing_platform(tmp_path, alert_slack_webhook=address)
        orders = tmp_path / "shop" / "orders.csv"
        header = "id,customer_id,total_amount,created_at,status\n"
        old, new = DAY, settings.calendar.last_closed()
        orders.write_text(header)
        with open_platform(settings) as platform:
            sensor = platform.definitions.get_repository_def().get_sensor_def("settled_day_alerts")
            context = dg.build_sensor_context(platform.instance)
            for day in (old, new):
                assert platform.run(day, day, *WITHOUT_LOOKBACK).success
            orders.write_text(f"{header}1,,5,{old} 12:00:00,paid\n2,,5,{new} 12:00:00,paid\n")
            platform.run(new, new, *WITHOUT_LOOKBACK)
            sensor(context)
            assert posted == []  # the day is provisional
            run = platform.run(old, old, *WITHOUT_LOOKBACK).run_id
            sensor(context)
            sensor(context)
    [message] = posted
    assert "total_orders: " in message["text"]
    assert f"https://dagster.example.invalid/runs/{run}" in message["text"]


def test_without_a_channel_there_is_no_sensor(tmp_path: Path) -> None:
    with open_platform(failing_platform(tmp_path)) as platform:
        names = {sensor.name for sensor in platform.definitions.sensors or ()}
        assert names.isdisjoint({"run_failure_alerts", "settled_day_alerts"})


def test_checking_a_slack_webhook_posts_nothing() -> None:
    with webhook() as (address, posted):
        SlackChannel(address).check()
    assert posted == []


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/services/secret", "no address"])
def test_an_unreachable_webhook_is_told_without_its_address(address: str) -> None:
    with pytest.raises(AlertError) as caught:
        SlackChannel(address).check()
    assert "ECOM_ALERT_SLACK_WEBHOOK" in str(caught.value)
    assert address not in str(caught.value)


def test_a_topic_that_does_not_exist_is_named(bucket: str) -> None:
    arn = f"arn:aws:sns:us-east-1:123456789012:no-{bucket}"
    with pytest.raises(AlertError, match=arn):
        SnsChannel(arn).check()


def test_a_subject_that_sns_would_refuse_is_made_plain(topic: tuple[str, str]) -> None:
    arn, queue = topic
    SnsChannel(arn).send(Message("Umsätze " * 20, "text"))
    [message] = received(queue)
    assert message["Subject"].startswith("Ums?tze ")
    assert len(message["Subject"]) == 100
