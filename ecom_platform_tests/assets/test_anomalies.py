"""The anomaly checks in Dagster: over ranges and single days, with thresholds, events, words."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import dagster as dg
import numpy as np
import pytest

from ecom_platform.assets.metrics import METRICS, Metric
from ecom_platform.datasets import CLEANED_ORDERS, Column, Type
from ecom_platform.engines.duckdb import Engine, create_result
from ecom_platform.errors import SettingsError
from ecom_platform.lake.fine import mark_fine
from ecom_platform.lake.publish import Lake
from ecom_platform.lake.storage import open_storage
from ecom_platform.lake.tables import Rows
from ecom_platform.settings import Settings
from ecom_platform_tests.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ecom_platform.datasets import Dataset

ORDERS, PAYMENTS = "metrics/total_orders", "metrics/payment_status"
DATASETS = {metric.dataset.path: metric.dataset for metric in METRICS}
LAST = datetime.now(UTC).date() - timedelta(1)
FIRST = LAST - timedelta(69)
#: The day that something happens on, and one after it.
BAD, NEXT = LAST - timedelta(3), LAST - timedelta(2)
NAMES = {"north": 300, "south": 120}


class Days:
    """Published days of one dataset after the other, made up."""

    def __init__(self, settings: Settings, scratch: Path) -> None:
        self.settings = settings
        storage = open_storage(settings.lake)
        self._lake = Lake(storage, settings.calendar, scratch, "run")
        self._lake.remember([*DATASETS.values(), CLEANED_ORDERS])
        self._engine = Engine(settings, scratch, [])

    def publish(self, dataset: Dataset, rows: list[str]) -> None:
        """Publish rows, each written as SQL: the declared columns, and the day."""
        names = ", ".join([*(column.name for column in dataset.columns), "date"])
        query = f"SELECT * FROM (VALUES {', '.join(rows)}) AS rows({names})"
        days = [str(FIRST + timedelta(n)) for n in range(70)]
        connection = self._engine.connect()
        with connection:
            create_result(connection, dataset, query, table="result")
            report = self._lake.publish(dataset, Rows(connection, "result"), days, "v1")
        assert report.bad_days == {}


def orders(day: date) -> dict[str, int]:
    chance = np.random.default_rng(day.toordinal())
    found = {name: round(n * np.exp(chance.normal(0, 0.05))) for name, n in NAMES.items()}
    if day == BAD:
        found["north"] //= 3
    return found | {"all": sum(found.values())}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A lake with 70 days of orders, of which one lost orders in the north."""
    folder = tmp_path_factory.mktemp("shop")
    made = Settings(
        _env_file=None,
        source=folder.as_uri(),
        lake=str(folder / "lake"),
        start_date=FIRST,
        email_hmac_key="k" * 32,
    )
    days = [FIRST + timedelta(n) for n in range(70)]
    shelf = Days(made, folder)
    shelf.publish(
        DATASETS[ORDERS],
        [f"('{region}', 0, {n}, '{day}')" for day in days for region, n in orders(day).items()],
    )
    payments: list[str] = []
    for day in days:
        young = (LAST - day).days < 21
        shares = {"completed": 0.92, "failed": 0.08, "refunded": 0.0, "pending": 0.15}
        if not young:
            shares |= {"completed": 0.84, "refunded": 0.08, "pending": 0.0}
        if day == BAD:
            shares |= {"completed": 0.5, "failed": 0.5}
        for region in ("all", "north"):
            payments += [
                f"('{region}', '{status}', {round(1000 * share)}, 1, '{day}')"
                for status, share in shares.items()
                if share
            ]
    shelf.publish(DATASETS[PAYMENTS], payments)
    shelf.publish(
        CLEANED_ORDERS,
        [
            f"({n}, {'NULL' if n % (2 if day == BAD else 20) == 0 else n}, 'north', 1, "
            f"TIMESTAMPTZ '{day} 12:00:00+00', 'paid', false, false, '{day}')"
            for day in days
            for n in range(100)
        ],
    )
    return made


def ask(
    settings: Settings, asset: str, name: str, first: date = BAD, last: date = LAST
) -> dict[str, dg.AssetCheckEvaluation]:
    """Run one check over some days, as Dagster does; return day -> answer."""
    with dg.DagsterInstance.ephemeral() as instance:
        platform = Platform(settings, instance)
        key = dg.AssetCheckKey(dg.AssetKey(asset.split("/")), name)
        job = f"ask_{uuid4().hex}"
        made = dg.define_asset_job(job, dg.AssetSelection.checks(key))
        merged = dg.Definitions.merge(platform.definitions, dg.Definitions(jobs=[made]))
        tags = {
            "dagster/asset_partition_range_start": str(first),
            "dagster/asset_partition_range_end": str(last),
        }
        result = merged.resolve_job_def(job).execute_in_process(
            instance=instance,
            tags=tags if first != last else {"dagster/partition": str(first)},
        )
        return platform.answers(result.run_id)[f"{asset} {name}"]


def passed(found: dict[str, dg.AssetCheckEvaluation]) -> dict[str, bool]:
    return {day: answer.passed for day, answer in found.items()}


def facts(answer: dg.AssetCheckEvaluation) -> dict[str, Any]:
    return {name: fact.value for name, fact in answer.metadata.items()}


def only(bad: date, first: date = BAD) -> dict[str, bool]:
    days = [first + timedelta(n) for n in range((LAST - first).days + 1)]
    return {str(day): day != bad for day in days}


def test_the_day_that_lost_orders_alarms_with_its_region_and_no_day_after_it(
    settings: Settings,
) -> None:
    found = ask(settings, ORDERS, "value_is_usual")
    assert passed(found) == only(BAD)
    answer = found[str(BAD)]
    said = facts(answer)
    assert said["result"] == "unusual"
    assert (said["region"], said["value"]) == ("north", orders(BAD)["north"])
    assert said["low"] > said["value"]
    assert said["low"] < said["expected"] < said["high"]
    assert said["expected"] == pytest.approx(300, rel=0.1)
    assert (said["weeks"], said["z"] < -5) == (8, True)
    assert answer.severity is dg.AssetCheckSeverity.ERROR


def test_a_run_of_one_day_says_what_a_range_says(settings: Settings) -> None:
    in_range = ask(settings, ORDERS, "value_is_usual")
    alone = ask(settings, ORDERS, "value_is_usual", BAD, BAD)
    assert set(alone) == {str(BAD)}
    assert facts(alone[str(BAD)]) == facts(in_range[str(BAD)])


def test_the_first_days_have_not_enough_history(settings: Settings) -> None:
    found = ask(settings, ORDERS, "value_is_usual", FIRST, FIRST + timedelta(9))
    assert passed(found) == dict.fromkeys(found, True)
    assert facts(found[str(FIRST)]) == {"result": "not enough history", "weeks": 0}
    assert facts(found[str(FIRST + timedelta(9))])["weeks"] == 1


def test_young_days_differ_from_old_ones_without_alarm_until_a_status_is_unusual(
    settings: Settings,
) -> None:
    found = ask(settings, PAYMENTS, "shares_are_usual", LAST - timedelta(12))
    assert passed(found) == only(BAD, LAST - timedelta(12))
    assert facts(found[str(BAD)])["status"] in {"failed", "completed"}
    volume = ask(settings, PAYMENTS, "value_is_usual", LAST - timedelta(12))
    assert passed(volume) == dict.fromkeys(volume, True)


def test_a_column_that_is_suddenly_null_alarms(settings: Settings) -> None:
    found = ask(settings, "cleaned/orders", "nulls_are_usual")
    assert passed(found) == only(BAD)
    said = facts(found[str(BAD)])
    assert (said["column"], said["value"], said["expected"] < 0.1) == ("customer_id", 0.5, True)


def test_the_users_thresholds_count(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "thresholds.toml"
    tuned = settings.model_copy(update={"thresholds": file})
    file.write_text('[anomalies."metrics/total_orders".regions.north]\nerror_change = 0.9')
    assert ask(tuned, ORDERS, "value_is_usual")[str(BAD)].severity is dg.AssetCheckSeverity.WARN
    file.write_text('[anomalies."metrics/total_orders"]\nenabled = false')
    found = ask(tuned, ORDERS, "value_is_usual")
    assert [facts(answer) for answer in found.values()] == [{"result": "switched off"}] * 4


def test_with_a_wrong_file_the_definitions_do_not_load_and_name_the_key(
    settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "thresholds.toml"
    file.write_text("[anomalies]\nwarn = 3")
    with pytest.raises(SettingsError, match=r"toml: anomalies.warn: unknown key. Allowed"):
        ask(settings.model_copy(update={"thresholds": file}), ORDERS, "value_is_usual")


def test_an_expected_event_passes(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "events.toml"
    file.write_text(f'[[events]]\ndate = {BAD}\nregion = "north"\nexpect = "lower"\nnote = "Move"')
    told = settings.model_copy(update={"events": file})
    found = ask(told, ORDERS, "value_is_usual")
    assert passed(found) == dict.fromkeys(found, True)
    assert facts(found[str(BAD)])["result"] == "expected event: Move"


def test_a_day_that_was_marked_fine_passes_in_that_check_only(
    settings: Settings, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    lake.symlink_to(settings.lake)
    storage = open_storage(str(lake))
    mark_fine(storage, "value_is_usual", ORDERS, BAD, None, "asked ann@example.invalid")
    marked = settings.model_copy(update={"lake": str(lake)})
    found = ask(marked, ORDERS, "value_is_usual")
    assert passed(found) == dict.fromkeys(found, True)
    assert facts(found[str(BAD)])["result"] == "marked fine"
    assert not ask(marked, PAYMENTS, "shares_are_usual")[str(BAD)].passed


OWN = Metric(
    "visits",
    "Visits.",
    unit="count",
    by=(Column("device", Type.TEXT, "Kind of device", required=True),),
)


@pytest.fixture
def own_metric(settings: Settings, tmp_path: Path) -> Iterator[Platform]:
    (tmp_path / "visits.sql").write_text(
        "select date, 'all' as region, 'phone' as device, count(*) as visits "
        "from cleaned.orders group by date"
    )
    with dg.DagsterInstance.ephemeral() as instance:
        yield Platform(settings, instance, [OWN], tmp_path)


def test_a_metric_of_ones_own_has_the_checks_by_its_declaration(own_metric: Platform) -> None:
    graph = own_metric.definitions.resolve_asset_graph()
    assert {key.name for key in graph.asset_check_keys if key.asset_key.path[-1] == "visits"} == {
        "newest_day_is_there",
        "value_is_usual",
        "shares_are_usual",
        "regions_are_steady",
    }
