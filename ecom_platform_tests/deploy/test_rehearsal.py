"""The deployment, rehearsed: processes are killed, and nothing is lost or doubled."""

from __future__ import annotations

import json
import random
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from ecom_platform.settings import Settings
from ecom_platform_tests.comparisons import assert_metrics_equal
from ecom_platform_tests.deploy.stack import Stack, deployed
from ecom_platform_tests.deploy.templates import Environment, actions, role
from ecom_platform_tests.oracle import Customer, Order, Payment, Shop, metrics
from ecom_platform_tests.shop_writers import write_shop
from ecom_platform_tests.sources.postgres_database import Database
from ecom_platform_tests.ui.dagster_ui import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FIRST = date(2024, 3, 1)
DAYS = [FIRST + timedelta(days=number) for number in range(12)]
EARLY, LATE, LATEST = DAYS[:5], DAYS[5:10], DAYS[10:]
#: Task -> the access key that tells who asks.
ROLES = {
    "webserver": "webserver", "daemon": "daemon", "code-server": "codeserver", "run": "run",
}  # fmt: skip
#: What RunTask takes as overrides.
MOST_CHARACTERS = 8192
#: A day whose orders cannot be read: it fails, and people are told.
BAD = DAYS[2]


def made_up_shop() -> Shop:
    draw = random.Random(7)  # noqa: S311 - not a secret
    customers = [
        Customer(number, f"c{number}@example.invalid", draw.choice(("North", "South")), FIRST)
        for number in range(40)
    ]
    orders = [
        Order(
            id=number,
            customer_id=draw.randrange(40),
            total_amount=Decimal(draw.randrange(1, 100_000)).scaleb(-2),
            created_at=at(DAYS[number % len(DAYS)], draw),
            status="paid",
        )
        for number in range(360)
    ]
    payments = [
        Payment(
            id=order.id,
            order_id=order.id,
            amount=order.total_amount,
            status=draw.choice(("paid", "paid", "paid", "failed", "refunded")),
            paid_at=order.created_at,
        )
        for order in orders
    ]
    broken = [
        payment._replace(amount=None) if payment.paid_at.date() == BAD else payment
        for payment in payments
    ]
    return Shop(orders, customers, broken)


def at(day: date, draw: random.Random) -> datetime:
    return datetime(day.year, day.month, day.day, draw.randrange(24), tzinfo=UTC)


@pytest.fixture(scope="module")
def shop() -> Shop:
    return made_up_shop()


@pytest.fixture(scope="module")
def stack(postgres: str, shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("create database rehearsed_shop")
        connection.execute("create database rehearsed_dagster")
    source = postgres.replace("/postgres?", "/rehearsed_shop?")
    write_shop(shop, Database(source))
    with deployed(
        tmp_path_factory.mktemp("rehearsal"),
        postgres.replace("/postgres?", "/rehearsed_dagster?"),
        ECOM_SOURCE=source,
        ECOM_START_DATE=str(FIRST),
        ECOM_RETRY_SECONDS="1",
    ) as made:
        yield made


@pytest.fixture
def settings(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Of a reader of the lake."""
    for name in ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, stack.environment[name])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "administrator")
    return Settings(_env_file=None, lake="s3://lake/lake", start_date=FIRST)


def texts(days: Iterable[date]) -> list[str]:
    return [str(day) for day in days]


def assert_right(shop: Shop, settings: Settings, days: list[date]) -> None:
    """All figures of the days are what the oracle says."""
    figures = metrics(shop, settings, days)
    del figures["customer_retention_rate"]
    assert_metrics_equal(settings, days, figures)


def test_a_backfill_goes_by_the_queue_and_a_task_into_the_lake_and_people_are_told(
    stack: Stack, shop: Shop, settings: Settings
) -> None:
    backfill = stack.backfill(texts(EARLY))
    _, [run] = stack.ui.finished_backfill(backfill)
    assert (run.first, run.last, run.status) == (str(EARLY[0]), str(EARLY[-1]), "FAILURE")
    assert_right(shop, settings, [day for day in EARLY if day < BAD])
    assert_right(shop, settings, [day for day in EARLY if day > BAD])

    [task] = stack.ecs.tasks()
    assert len(json.dumps(task.overrides)) < MOST_CHARACTERS
    assert "STEP_SUCCESS - Finished execution of step" in stack.output(task.started_by)
    assert any(task.started_by in key for key in stack.cloud.versions("logs", "runs/"))
    pages = stack.make_quality_page()
    told: list[str] = []

    def is_told() -> bool:
        told.extend(stack.cloud.alerts())
        return any(str(BAD) in text and "30 of 30 rows" in text for text in told)

    wait_until(is_told, "the alert of the day that failed")
    assert stack.ui.finished_run(pages) == "SUCCESS", stack.output(pages)
    assert stack.cloud.versions("dashboards", "") == {"quality/index.html": 1}


def test_whatever_dies_nothing_is_lost_and_nothing_doubled(
    stack: Stack, shop: Shop, settings: Settings
) -> None:
    seed = random.randrange(10**6)  # noqa: S311 - printed when it fails
    print("seed", seed)  # noqa: T201
    draw = random.Random(seed)  # noqa: S311
    before = len(stack.ecs.tasks())
    backfill = stack.backfill(texts(LATE))
    wait_until(lambda: len(stack.ecs.tasks()) > before, "a task")
    task = stack.ecs.tasks()[-1]
    objects = draw.randrange(60)
    wait_until(lambda: stack.written(LATE) > objects, f"{objects} objects")
    stack.ecs.kill(task)
    time.sleep(draw.random() * 5)
    roles = draw.sample(["daemon", "code-server"], 2)
    for process in roles:
        stack.kill(process)
    for process in roles:
        stack.start(process)
        time.sleep(draw.random() * 20)
    assert stack.ui.finished_run(task.started_by) == "SUCCESS"
    status, runs = stack.ui.finished_backfill(backfill)
    assert (status, len(runs)) == ("COMPLETED_SUCCESS", 1)
    assert len(stack.ecs.of_run(task.started_by)) == 2
    [told] = [m for m in stack.messages(task.started_by) if "Resuming run" in m]
    assert "Container 'run' failed - exit code 137" in told
    assert "Run worker logs:" in told
    assert stack.ecs.most_at_once == 1
    assert_right(shop, settings, LATE)
    written = stack.cloud.versions("lake", "lake/")
    for day in LATE:
        assert {n for key, n in written.items() if f"date={day}" in key} == {1}


def test_a_daemon_that_dies_as_it_starts_a_task_starts_no_second(
    stack: Stack, shop: Shop, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = stack.ecs.backend
    run_task = backend.run_task

    def and_die(*arguments: Any, **options: Any) -> Any:
        tasks = run_task(*arguments, **options)
        stack.kill("daemon")
        return tasks

    with monkeypatch.context() as patch:
        patch.setattr(backend, "run_task", and_die)
        backfill = stack.backfill(texts(LATEST))
        wait_until(lambda: stack.processes["daemon"].poll() is not None, "the daemon's death")
    stack.start("daemon")
    _, runs = stack.ui.finished_backfill(backfill)
    assert [run.status for run in runs] == ["SUCCESS"]
    assert len(stack.ecs.of_run(stack.ecs.tasks()[-1].started_by)) == 1
    assert_right(shop, settings, LATEST)


def test_no_role_has_asked_for_more_than_its_policy_allows(
    stack: Stack, templates: dict[str, Environment]
) -> None:
    asked = {
        task: {action.split()[0] for action in stack.cloud.actions[key]}
        for task, key in ROLES.items()
    }
    assert asked["daemon"] >= {
        "ecs:RunTask", "ecs:ListTasks", "ecs:DescribeTasks", "logs:GetLogEvents",
        "secretsmanager:GetSecretValue",
    }  # fmt: skip
    assert asked["run"] >= {"s3:PutObject", "s3:GetObject", "s3:ListBucket"}
    assert asked["code-server"] >= {"sns:Publish", "cloudwatch:PutMetricData"}
    for task, actions_asked in asked.items():
        assert actions_asked - actions(role(templates["production"], task)) == set(), task
    touched = {
        task: {action.split()[1] for action in stack.cloud.actions[key] if " " in action}
        for task, key in ROLES.items()
    }
    assert touched["webserver"] == {"logs"}
    assert not touched["daemon"]


def test_processes_end_soon_when_they_are_told_to(stack: Stack) -> None:
    codes = {role: stack.stop(role) for role in ("daemon", "webserver", "code-server")}
    assert codes == {"daemon": 0, "webserver": 0, "code-server": 0}
