"""What is computed follows what it is computed from: exactly the affected days, none lost."""

from __future__ import annotations

import time
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from ecom_platform.settings import Settings
from ecom_platform_tests.platform import Platform, open_platform

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START = date(2026, 3, 1)
DAYS = [START + timedelta(days=n) for n in range(8)]
LAST = DAYS[-1]
HEADERS = {
    "orders": "id,customer_id,total_amount,created_at,status",
    "customers": "id,email,region,signup_date",
    "payments": "id,order_id,amount,status,paid_at",
}
RAW = ("raw/orders", "raw/customers", "raw/payments")


class Shop:
    """A shop of files that can be edited, and a platform on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.orders: dict[int, tuple[date, str]] = {
            n: (day, f"c{n % 3}") for n, day in enumerate(DAYS)
        }
        self.amounts: dict[int, int] = {n: 10 + n for n in range(len(DAYS))}
        self.write()

    def write(self) -> None:
        """Write all files anew."""
        lines = {
            "customers": [],
            "orders": [
                f"{n},{who},{self.amounts[n]},{day} 12:00:00,done"
                for n, (day, who) in self.orders.items()
            ],
            "payments": [
                f"{n},{n},{self.amounts[n]},paid,{day} 13:00:00"
                for n, (day, _) in self.orders.items()
            ],
        }
        for table, rows in lines.items():
            (self.folder / f"{table}.csv").write_text("\n".join([HEADERS[table], *rows, ""]))

    def settings(self, lake: Path) -> Settings:
        """Return the settings of a platform on the shop."""
        return Settings(
            source=f"file://{self.folder}",  # pyright: ignore[reportArgumentType]
            lake=str(lake),
            start_date=START,
            retention_days=3,
        )


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "shop")


@pytest.fixture
def platform(shop: Shop, tmp_path: Path) -> Iterator[Platform]:
    with open_platform(shop.settings(tmp_path / "lake")) as opened:
        assert opened.failures(opened.run(START, LAST)) == {}
        yield opened


class Sensor:
    """The sensor as the daemon evaluates it, with its cursor."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.cursor: str | None = None
        self.tick()  # reads what was there before

    def tick(self, *, crash: bool = False) -> list[tuple[str, str, frozenset[str]]]:
        """Evaluate it; return first day, last day and assets of what it asks for."""
        repository = self.platform.definitions.get_repository_def()
        context = dg.build_sensor_context(
            self.platform.instance, cursor=self.cursor, repository_def=repository
        )
        data = repository.get_sensor_def("downstream_refresh").evaluate_tick(context)
        if not crash:
            self.cursor = data.cursor
        return [
            (
                request.tags["dagster/asset_partition_range_start"],
                request.tags["dagster/asset_partition_range_end"],
                frozenset("/".join(key.path) for key in request.asset_selection or ()),
            )
            for request in data.run_requests or []
        ]

    def work(self, asked: list[tuple[str, str, frozenset[str]]]) -> None:
        """Run what was asked for."""
        for first, last, assets in asked:
            self.platform.run(date.fromisoformat(first), date.fromisoformat(last), *assets)

    def settle(self) -> list[list[tuple[str, str, frozenset[str]]]]:
        """Tick and run until nothing is asked for; return what was."""
        waves: list[list[tuple[str, str, frozenset[str]]]] = []
        while asked := self.tick():
            waves.append(asked)
            self.work(asked)
            assert len(waves) < 10
        return waves


@pytest.fixture
def sensor(platform: Platform) -> Sensor:
    return Sensor(platform)


def test_nothing_is_asked_for_where_all_is_up_to_date(sensor: Sensor) -> None:
    assert sensor.tick() == []


def test_a_lost_cursor_costs_a_look_and_no_run(sensor: Sensor) -> None:
    sensor.cursor = None
    assert sensor.tick() == []


def test_exactly_the_affected_days_are_asked_for_wave_by_wave(
    sensor: Sensor, shop: Shop, platform: Platform
) -> None:
    shop.orders[2] = (DAYS[2], "c9")  # of another customer, and of the same amount
    shop.write()
    platform.run(DAYS[2], DAYS[2], *RAW)
    cleaned = {"cleaned/orders", "quarantine/orders"}
    payments = {"cleaned/payments", "quarantine/payments"}
    day, last = str(DAYS[2]), str(DAYS[4])
    assert sensor.settle() == [
        [(day, day, frozenset(cleaned | payments))],
        [
            (day, day, frozenset({"metrics/total_orders", "metrics/total_customers",
                                  "metrics/total_revenue", "metrics/payment_status"})),
            (day, last, frozenset({"metrics/customer_retention_rate"})),
        ],
    ]  # fmt: skip


def test_unchanged_content_stops_the_wave(sensor: Sensor, shop: Shop, platform: Platform) -> None:
    file = shop.folder / "orders.csv"
    file.write_text(
        file.read_text().replace(f"{DAYS[3]} 12:00:00,done", f"{DAYS[3]} 12:00:00,DONE")
    )
    platform.run(DAYS[3], DAYS[3], *RAW)
    waves = sensor.settle()
    assert waves == [
        [(str(DAYS[3]), str(DAYS[3]), frozenset({"cleaned/orders", "quarantine/orders"}))]
    ]


def test_the_window_ends_at_the_last_closed_day_and_begins_at_the_first(
    shop: Shop, tmp_path: Path
) -> None:
    today = date.today()  # noqa: DTZ011 - in UTC, as the machine of a test may be
    settings_ = shop.settings(tmp_path / "lake")
    first = settings_.calendar.last_closed() - timedelta(days=1)
    assert first < today
    with open_platform(settings_.model_copy(update={"start_date": first})) as platform:
        last = settings_.calendar.last_closed()
        platform.run(first, last)
        sensor = Sensor(platform)
        shop.orders[99] = (last, "c1")
        shop.amounts[99] = 5
        shop.write()
        platform.run(last, last, "raw/orders")
        asked = [request for wave in sensor.settle() for request in wave]
        assert {(a, b) for a, b, _ in asked} == {(str(last), str(last))}


def test_a_change_while_a_run_is_at_work_is_asked_for_when_it_has_ended(
    sensor: Sensor, shop: Shop, platform: Platform
) -> None:
    shop.amounts[1] = 500
    shop.write()
    platform.run(DAYS[1], DAYS[1], *RAW)
    job = platform.definitions.resolve_job_def("daily_refresh")
    tags = {
        "dagster/asset_partition_range_start": str(DAYS[0]),
        "dagster/asset_partition_range_end": str(DAYS[4]),
    }
    at_work = platform.instance.create_run_for_job(
        job, tags=tags, status=dg.DagsterRunStatus.STARTED
    )
    assert sensor.tick() == []
    platform.instance.report_run_canceled(at_work)
    assert [span[:2] for span in sensor.tick()] == [(str(DAYS[1]), str(DAYS[1]))]


def test_a_run_that_fails_is_asked_for_again_after_a_pause(
    sensor: Sensor, shop: Shop, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.amounts[1] = 500
    shop.write()
    platform.run(DAYS[1], DAYS[1], *RAW)
    asked = sensor.tick()
    assert len(asked) == 1
    assert sensor.tick() == []  # the run has not made it, and the pause is not over
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 100)
    assert sensor.tick() == asked
    monkeypatch.setattr(time, "time", lambda: now + 190)
    assert sensor.tick() == []  # the second pause is longer
    sensor.work(asked)
    monkeypatch.setattr(time, "time", lambda: now + 10_000)
    assert all(asked[0][2].isdisjoint(assets) for *_, assets in sensor.tick())


def test_many_days_at_once_are_contiguous_ranges(
    sensor: Sensor, shop: Shop, platform: Platform
) -> None:
    for n in (0, 1, 2, 5, 6):
        shop.amounts[n] = 700 + n
    shop.write()
    platform.run(START, LAST, *RAW)
    spans = {(first, last) for first, last, _ in sensor.tick()}
    assert spans == {(str(DAYS[0]), str(DAYS[2])), (str(DAYS[5]), str(DAYS[6]))}


class Refresh(RuleBasedStateMachine):
    """Edits of the shop, extractions, ticks, runs, late and lost; in the end all is as new."""

    folder: Path

    @initialize()
    def begin(self) -> None:
        """Open a platform whose whole lake is up to date."""
        from tempfile import mkdtemp

        self.root = type(self).folder / mkdtemp(dir=type(self).folder)
        self.shop = Shop(self.root / "shop")
        self.instance = dg.DagsterInstance.ephemeral()
        self.platform = Platform(self.shop.settings(self.root / "lake"), self.instance)
        self.platform.run(START, LAST)
        self.sensor = Sensor(self.platform)
        self.asked: list[tuple[str, str, frozenset[str]]] = []

    @rule(n=st.sampled_from(range(8)), amount=st.integers(1, 3), who=st.sampled_from(["c0", "c1"]))
    def edit(self, n: int, amount: int, who: str) -> None:
        """Change an order, and extract its day."""
        self.shop.amounts[n] = amount
        day, _ = self.shop.orders[n]
        self.shop.orders[n] = (day, who)
        self.shop.write()
        self.platform.run(day, day, *RAW)

    @rule()
    def tick(self) -> None:
        """The daemon evaluates the sensor, and launches runs."""
        self.asked += self.sensor.tick()

    @rule()
    def crash(self) -> None:
        """The daemon dies before it has kept the cursor; what it launched goes on."""
        self.asked += self.sensor.tick(crash=True)

    @rule()
    def work(self) -> None:
        """A run that was launched is executed."""
        if self.asked:
            self.sensor.work([self.asked.pop(0)])

    @rule()
    def lose(self) -> None:
        """A run that was launched dies."""
        if self.asked:
            self.asked.pop()

    def teardown(self) -> None:
        """Let all pauses pass; then the lake is what a new one would be."""
        try:
            self.sensor.cursor = _without_pauses(self.sensor.cursor)
            self.sensor.settle()
            with dg.DagsterInstance.ephemeral() as instance:
                fresh = Platform(self.shop.settings(self.root / "fresh"), instance)
                fresh.run(START, LAST)
                for metric in ("total_revenue", "total_orders", "customer_retention_rate"):
                    dataset = f"metrics/{metric}"
                    query = "SELECT * FROM dataset ORDER BY ALL"
                    assert self.platform.rows(dataset, query) == fresh.rows(dataset, query)
        finally:
            self.instance.dispose()


def _without_pauses(cursor: str | None) -> str | None:
    import json

    if cursor is None:
        return None
    state: Any = json.loads(cursor)
    for days in state["pending"].values():
        for day in days:
            days[day] = [0, 0]
    return json.dumps(state)


def test_whatever_happens_in_the_end_all_is_as_if_it_were_new(tmp_path: Path) -> None:
    Refresh.folder = tmp_path
    run_state_machine_as_test(
        Refresh,
        settings=settings(
            max_examples=3, stateful_step_count=8, deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
