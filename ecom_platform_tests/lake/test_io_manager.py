"""The IO manager as users of their own assets meet it: frames and lazy tables, days and ranges."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from ecom_platform.automation.jobs import EXECUTOR, build_jobs
from ecom_platform.datasets import Column, Dataset, Type
from ecom_platform.engines.duckdb import Engine, add_view, create_result
from ecom_platform.lake.events import LEDGER
from ecom_platform.lake.tables import LakeTable, Rows
from ecom_platform.resources import build_resources
from ecom_platform.settings import Settings
from ecom_platform_tests.lake.shelf import Run
from ecom_platform_tests.platform import Platform, open_platform

VISITS = Dataset(
    "raw",
    "visits",
    "Visits.",
    "one row per visit",
    (
        Column("id", Type.ID, "Visit", required=True),
        Column("visitor", Type.ID, "Who; NULL when not known"),
        Column("page", Type.TEXT, "What"),
        Column("spent", Type.MONEY, "How much"),
        Column("seen_at", Type.INSTANT, "When"),
        Column("born", Type.DATE, "Since when the visitor is one"),
        Column("clicks", Type.COUNT, "How many"),
        Column("weight", Type.RATIO, "A ratio"),
        Column("is_first", Type.FLAG, "Whether"),
    ),
    key=("id",),
)
_TOTAL = (Column("visits", Type.COUNT, "How many"), Column("spent", Type.MONEY, "How much"))
BY_FRAME = Dataset("metrics", "by_frame", "Totals.", "one row per day", _TOTAL)
BY_TABLE = Dataset("metrics", "by_table", "Totals.", "one row per day", _TOTAL)
ROLLING = Dataset("metrics", "rolling", "Of three days.", "one row per day", _TOTAL[:1])
DATASETS = (VISITS, BY_FRAME, BY_TABLE, ROLLING)

FIRST, LAST = date(2024, 1, 1), date(2024, 1, 5)
DAYS = [f"2024-01-0{day}" for day in range(1, 6)]
ALL = dict.fromkeys(DAYS, "MATERIALIZED")


def visit(number: int, **other: Any) -> dict[str, Any]:
    """Return a visit."""
    return {
        "id": number,
        "visitor": None,
        "page": "/",
        "spent": Decimal("1.10"),
        "seen_at": datetime(2024, 1, 1, 12, tzinfo=UTC),
        "born": date(2020, 2, 29),
        "clicks": 3,
        "weight": 0.5,
        "is_first": True,
    } | other


@dataclass
class Shop:
    """What the first asset returns, and what the others were given."""

    visits: dict[str, Any] = field(default_factory=dict)
    given: list[pd.DataFrame] = field(default_factory=list)
    wrong: Any = None
    wrong_total: Any = None

    def frame(self, days: list[str]) -> Any:
        """Return the visits of some days as a frame."""
        if self.wrong is not None:
            return self.wrong
        columns = [*(column.name for column in VISITS.columns), "date"]
        rows = [
            {**row, "date": date.fromisoformat(day)}
            for day in days
            for row in self.visits.get(day, [])
        ]
        # Of objects: pandas itself would make floats of ids beside None.
        return pd.DataFrame(rows, columns=columns, dtype=object)


def total(frame: pd.DataFrame) -> pd.DataFrame:
    """Count and sum, as a user of pandas would."""
    found = frame.groupby("date", as_index=False).agg(visits=("id", "size"), spent=("spent", "sum"))
    return found[["visits", "spent", "date"]]


def build(settings: Settings, shop: Shop) -> dg.Definitions:
    """Build definitions with assets of a user's own."""
    asset: Any = dg.asset
    common: dict[str, Any] = {
        "partitions_def": settings.calendar.partitions,
        "backfill_policy": dg.BackfillPolicy.single_run(),
        "io_manager_key": "lake",
    }
    window = dg.TimeWindowPartitionMapping(start_offset=-2)

    @asset(key=["raw", "visits"], group_name="raw", code_version="7", **common)
    def visits(context: dg.AssetExecutionContext):  # noqa: ANN202
        return shop.frame(list(context.partition_keys))

    @asset(
        key=["metrics", "by_frame"],
        group_name="metrics",
        ins={"visits": dg.AssetIn(["raw", "visits"])},
        **common,
    )
    def by_frame(visits: pd.DataFrame):  # noqa: ANN202
        shop.given.append(visits)
        return total(visits) if shop.wrong_total is None else shop.wrong_total

    @asset(
        key=["metrics", "by_table"],
        group_name="metrics",
        ins={"visits": dg.AssetIn(["raw", "visits"])},
        required_resource_keys={"engine"},
        **common,
    )
    def by_table(context: dg.AssetExecutionContext, visits: LakeTable) -> Rows:
        engine: Engine = context.resources.engine
        connection = engine.connect()
        add_view(connection, visits.partitions())
        query = "SELECT date, count(*) AS visits, sum(spent) AS spent FROM raw.visits GROUP BY date"
        create_result(connection, BY_TABLE, query, table="result")
        return Rows(connection, "result", bad_days=visits.failed)

    @asset(
        key=["metrics", "rolling"],
        group_name="metrics",
        ins={"visits": dg.AssetIn(["raw", "visits"], partition_mapping=window)},
        **common,
    )
    def rolling(context: dg.AssetExecutionContext, visits: pd.DataFrame) -> pd.DataFrame:
        days = pd.to_datetime(visits["date"])
        rows = []
        for key in context.partition_keys:
            day = pd.Timestamp(key)
            inside = days.between(day - pd.Timedelta(days=2), day)
            rows.append({"visits": int(inside.sum()), "date": day.date()})
        return pd.DataFrame(rows)

    assets = [visits, by_frame, by_table, rolling]
    return dg.Definitions(
        assets=assets,
        jobs=build_jobs(settings),
        resources=build_resources(settings, DATASETS, assets),
        executor=EXECUTOR,
    )


@pytest.fixture
def shop() -> Shop:
    """A shop with visits on all days but the second."""
    count = {DAYS[0]: 2, DAYS[2]: 1, DAYS[3]: 3, DAYS[4]: 1}
    return Shop(
        {
            day: [visit(number * 10 + place) for number in range(count.get(day, 0))]
            for place, day in enumerate(DAYS)
        }
    )


@pytest.fixture
def platform(address: str, shop: Shop) -> Iterator[Platform]:
    """The assets above, on an instance of their own."""
    settings = Settings(  # pyright: ignore[reportCallIssue]
        _env_file=None,  # pyright: ignore[reportCallIssue]
        lake=address,
        start_date=FIRST,
        retry_seconds=0,
        engine_threads=1,
    )
    with open_platform(settings) as opened:
        opened.definitions = build(settings, shop)
        yield opened


def stored(platform: Platform, dataset: Dataset, *days: str) -> list[tuple[Any, ...]]:
    """Return rows of the lake, without their ids, in order of days."""
    run = Run(platform.settings.lake, dataset=dataset)
    with run.engine.connect() as connection:
        add_view(connection, run.lake.table(dataset, days or DAYS).partitions(), "stored")
        return connection.execute("SELECT * FROM stored ORDER BY ALL DESC").fetchall()


def by_day(platform: Platform, dataset: Dataset) -> dict[str, Any]:
    """Return day -> first column, of a dataset with a row for each day."""
    return {str(row[-1]): row[0] for row in stored(platform, dataset)}


def metadata(platform: Platform, asset: str) -> dict[str, dict[str, Any]]:
    """Return day -> metadata, of the newest materializations of an asset."""
    records = platform.instance.fetch_materializations(dg.AssetKey(asset.split("/")), 100).records
    newest: dict[str, dict[str, Any]] = {}
    for record in records:
        materialization = record.asset_materialization
        assert materialization
        assert materialization.partition
        found = {key: value.value for key, value in materialization.metadata.items()}
        newest.setdefault(materialization.partition, found)
    return newest


def test_a_range_of_frames_becomes_an_object_for_each_day(platform: Platform) -> None:
    assert platform.run(FIRST, LAST).success
    for dataset in DATASETS:
        assert platform.statuses(dataset.path, FIRST, LAST) == ALL
        assert len(Run(platform.settings.lake).storage.etags(dataset.path)) == 5
    assert [row[0] for row in stored(platform, BY_FRAME)] == [3, 2, 1, 1]
    assert stored(platform, BY_FRAME) == stored(platform, BY_TABLE)
    assert stored(platform, BY_FRAME, DAYS[0]) == [(2, Decimal("2.20"), FIRST)]
    assert by_day(platform, ROLLING) == dict(zip(DAYS, [2, 2, 3, 4, 5], strict=True))


def test_a_single_day_is_a_range_of_one(platform: Platform) -> None:
    assert platform.run(FIRST, FIRST).success
    assert platform.statuses(VISITS.path, FIRST, LAST) == {
        day: "MATERIALIZED" if day == DAYS[0] else "MISSING" for day in DAYS
    }
    assert stored(platform, BY_FRAME, DAYS[0]) == [(2, Decimal("2.20"), FIRST)]


def test_a_run_of_one_partition_key_works_as_dagster_itself_starts_it(platform: Platform) -> None:
    """The UI tags the run of one day with its key, not with a range."""
    job = platform.definitions.resolve_job_def("daily_refresh")
    assert job.execute_in_process(partition_key=DAYS[0], instance=platform.instance).success
    assert stored(platform, BY_TABLE, DAYS[0]) == [(2, Decimal("2.20"), FIRST)]


def test_each_day_says_what_it_is(platform: Platform) -> None:
    platform.run(FIRST, LAST)
    facts = metadata(platform, VISITS.path)
    assert {day: found["dagster/partition_row_count"] for day, found in facts.items()} == dict(
        zip(DAYS, [2, 0, 1, 3, 1], strict=True)
    )
    first = facts[DAYS[0]]
    assert first["dagster/uri"] == f"{platform.settings.lake}/{VISITS.object_path(DAYS[0])}"
    assert first["bytes"] > 0
    assert first["changed"] == "yes"
    found = Run(platform.settings.lake, dataset=VISITS).stat(DAYS[0]).metadata
    assert (found["ecom-content"], found["ecom-code"]) == (first["content"], "7")


def versions(platform: Platform) -> dict[str, str]:
    """Return path -> version of every partition."""
    storage = Run(platform.settings.lake).storage
    return {path: etag for d in DATASETS for path, etag in storage.etags(d.path).items()}


def test_a_second_run_changes_nothing_and_says_so(platform: Platform, shop: Shop) -> None:
    platform.run(FIRST, LAST)
    before = versions(platform)
    shop.visits[DAYS[2]].append(visit(99))
    platform.run(FIRST, LAST)
    after = versions(platform)
    changed = {path for path, etag in after.items() if before[path] != etag}
    assert changed == {
        VISITS.object_path(DAYS[2]), BY_FRAME.object_path(DAYS[2]), BY_TABLE.object_path(DAYS[2]),
        *(ROLLING.object_path(day) for day in DAYS[2:]),
    }  # fmt: skip
    said = {day: facts["changed"][:3] for day, facts in metadata(platform, VISITS.path).items()}
    assert said == {day: "yes" if day == DAYS[2] else "no," for day in DAYS}
    # What is published of the metrics on that day was said otherwise before.
    entries = Run(platform.settings.lake).lake.ledger.history(BY_FRAME, DAYS)
    assert [(day, entry.cause) for day in DAYS for entry in entries[day]] == [(DAYS[2], "backfill")]
    events = platform.instance.fetch_materializations(LEDGER, limit=10).records
    told = [event.asset_materialization.metadata for event in events]
    assert [(facts["metric"].value, facts["values"].value) for facts in reversed(told)] == [
        ("by_frame", 2),
        ("by_table", 2),
        ("rolling", 3),
    ]
    settled = [sum(facts["settled_values"].value.values()) for facts in told]
    assert set(settled) == {told[0]["values"].value, 2}


def test_frames_are_exact(platform: Platform, shop: Shop) -> None:
    big = 2**53 + 1
    shop.visits = {
        DAYS[0]: [
            visit(1, visitor=big, spent=Decimal("9999999999999999.99"), is_first=None),
            visit(2, visitor=None, spent=None, born=None, clicks=None, seen_at=None),
            visit(3, visitor=-7, page='it\'s "é"\n', weight=float("nan")),
        ]
    }
    platform.run(FIRST, FIRST, VISITS.path, BY_FRAME.path)
    (given,) = shop.given
    given = given.sort_values("id")
    assert given["visitor"].tolist() == [big, pd.NA, -7]
    assert str(given["visitor"].dtype) == str(given["clicks"].dtype) == "Int64"
    assert given["spent"].tolist() == [Decimal("9999999999999999.99"), None, Decimal("1.10")]
    assert str(given["seen_at"].dtype) == "datetime64[us, UTC]"
    assert given["born"].tolist() == [date(2020, 2, 29), None, date(2020, 2, 29)]
    assert given["date"].tolist() == [FIRST] * 3
    assert given["is_first"].tolist() == [pd.NA, True, True]
    assert given["page"].tolist() == ["/", "/", 'it\'s "é"\n']


def test_ids_that_pandas_made_floats_of_are_refused(platform: Platform, shop: Shop) -> None:
    frame = shop.frame([])
    frame.loc[0] = {**visit(1), "date": FIRST}
    shop.wrong = frame.astype({"visitor": "float64"})
    failures = platform.failures(platform.run(FIRST, FIRST, VISITS.path))
    assert "the column visitor is DOUBLE, declared ID" in failures["raw__visits"]


def test_text_ids_stay_text(platform: Platform, shop: Shop) -> None:
    shop.visits = {DAYS[0]: [visit(1, id="007", visitor="00"), visit(2, id="7")]}
    platform.run(FIRST, FIRST, VISITS.path, BY_FRAME.path)
    (given,) = shop.given
    assert sorted(given["id"]) == ["007", "7"]


def test_days_that_were_never_computed_are_not_guessed(platform: Platform) -> None:
    platform.run(FIRST, date(2024, 1, 2), VISITS.path)
    platform.run(date(2024, 1, 4), LAST, VISITS.path)

    result = platform.run(FIRST, LAST, BY_FRAME.path, ROLLING.path)

    assert platform.statuses(BY_FRAME.path, FIRST, LAST) == {**ALL, DAYS[2]: "FAILED"}
    assert platform.statuses(ROLLING.path, FIRST, LAST) == {
        **ALL,
        **dict.fromkeys(DAYS[2:], "FAILED"),
    }
    message = f"raw/visits was never computed for {DAYS[2]}; materialize it first"
    failures = platform.failures(result)
    assert "1 of 5 days of metrics/by_frame were not published" in failures["metrics__by_frame"]
    assert f"{DAYS[2]}: {message}" in failures["metrics__by_frame"]
    of_window = failures["metrics__rolling"].splitlines()[1:]
    assert of_window == [f"{DAYS[2]} to {DAYS[-1]}: {message}"]
    assert stored(platform, ROLLING, *DAYS[:2]) == [(2, date(2024, 1, 2)), (2, FIRST)]


def test_a_bad_day_leaves_the_others_to_frames_and_tables_alike(
    platform: Platform, shop: Shop
) -> None:
    platform.run(FIRST, LAST)
    before = versions(platform)
    for visits in shop.visits.values():
        visits.append(visit(50))
    shop.visits[DAYS[2]].append(visit(50))

    result = platform.run(FIRST, LAST)

    assert not result.success
    failures = platform.failures(result)
    assert f"{DAYS[2]}: 1 rows repeat the key (id)" in failures["raw__visits"]
    for dataset in (VISITS, BY_FRAME, BY_TABLE, ROLLING):
        assert platform.statuses(dataset.path, FIRST, LAST) == {**ALL, DAYS[2]: "FAILED"}
    assert f"{DAYS[2]}: raw/visits of this day failed in this run" in failures["metrics__by_frame"]
    after = versions(platform)
    kept = {path for path, etag in after.items() if before[path] == etag}
    assert kept == {dataset.object_path(DAYS[2]) for dataset in DATASETS}
    # Where a bad day is one of several that are looked back on, its last good version counts.
    assert stored(platform, ROLLING, DAYS[4])[0] == (1 + 4 + 2, LAST)


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (pd.DataFrame({"visits": [1], "date": [FIRST]}), "lacks the column spent"),
        (
            pd.DataFrame({"visits": [1], "spent": [1], "more": [1], "date": [FIRST]}),
            "has the undeclared column more",
        ),
        (pd.DataFrame({"visits": [1], "spent": [1]}), "lacks the column date"),
        (
            pd.DataFrame({"visits": [1, "many"], "spent": [1, 1], "date": [FIRST, FIRST]}),
            "a column of the frame is of no one type",
        ),
        (
            pd.DataFrame({"visits": [1], "spent": [1], "date": [date(2023, 1, 1)]}),
            "1 rows are of 2023-01-01, which was not asked for",
        ),
        ({"visits": 1}, "its function returned dict"),
    ],
)
def test_what_is_no_such_frame_fails_the_step_and_says_why(
    platform: Platform, shop: Shop, wrong: Any, problem: str
) -> None:
    platform.run(FIRST, LAST)
    before = Run(platform.settings.lake).storage.etags("metrics/by_frame")
    shop.wrong_total = wrong
    result = platform.run(FIRST, LAST)
    failure = platform.failures(result)["metrics__by_frame"]
    assert failure.startswith("metrics/by_frame: ")
    assert problem in failure
    assert "What to do: " in failure
    assert platform.statuses(BY_FRAME.path, FIRST, LAST) == dict.fromkeys(DAYS, "FAILED")
    assert platform.statuses(BY_TABLE.path, FIRST, LAST) == ALL
    assert Run(platform.settings.lake).storage.etags("metrics/by_frame") == before


def test_below_a_step_that_failed_as_a_whole_nothing_is_made_of_old_days(
    platform: Platform, shop: Shop
) -> None:
    platform.run(FIRST, LAST)
    shop.wrong = pd.DataFrame({"id": [1]})
    result = platform.run(FIRST, LAST)
    assert not result.success
    for dataset in DATASETS:
        assert platform.statuses(dataset.path, FIRST, LAST) == dict.fromkeys(DAYS, "FAILED")
    message = "raw/visits of this day failed in this run"
    failures = platform.failures(result)["metrics__by_frame"].splitlines()
    assert failures[1:] == [f"{DAYS[0]} to {DAYS[-1]}: {message}"]
