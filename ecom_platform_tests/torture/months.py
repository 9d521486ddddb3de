"""Months of a shop's life, a night at a time, with faults; then the same lake built from scratch.

Each night `ecom run` makes the look-back, as the schedule does. What changes before that is found
by the sensors, which are ticked as Dagster's daemon does, at simulated times. No run is repeated
because it failed: the next night has to mend it.
"""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from threading import Lock
from typing import TYPE_CHECKING
from unittest.mock import patch

import dagster as dg

from ecom_platform.assets.metrics import METRICS
from ecom_platform.automation.source_changes import SourceChanges
from ecom_platform.datasets import CLEANED, RAW
from ecom_platform.definitions import build_definitions
from ecom_platform.settings import Settings
from ecom_platform_tests.torture.processes import KILLED
from ecom_platform_tests.torture.proxy import open_proxy
from ecom_platform_tests.torture.shop import FIRST, Shop, days_from
from ecom_platform_tests.torture.stumbles import PASSING
from ecom_platform_tests.torture.tally import Tally, assert_code
from ecom_platform_tests.torture.world import World, assert_same

if TYPE_CHECKING:
    from pathlib import Path

    from ecom_platform_tests.torture.buckets import Buckets
    from ecom_platform_tests.torture.processes import Ended
    from ecom_platform_tests.torture.proxy import Proxy
    from ecom_platform_tests.torture.servers import Server

LOOKBACK = 7
#: Held by who has put his own into `os.environ`.
_ENVIRONMENT = Lock()
DATASETS = (*RAW, *CLEANED, *(metric.dataset for metric in METRICS))


@dataclass
class Life:
    """A shop, its platform, and what befalls them.

    Args:
        world: The platform.
        server: The shop's database.
        proxy: What the platform reaches S3 through; None without S3.
        random: Decides what happens.
        shop: What the database holds.
    """

    world: World
    server: Server
    proxy: Proxy | None
    random: Random
    shop: Shop
    cursors: dict[str, str | None] = field(default_factory=dict[str, str | None])

    def night(self, day: date) -> str:
        """Let a day pass, and the night after it; return what befell the run."""
        first = max(FIRST, day - timedelta(days=LOOKBACK - 1))
        self.shop.trade(day, 6)
        self.shop.change_the_past(days_from(first, (day - first).days + 1), 3)
        if first > FIRST and self.random.random() < 0.2:
            self.shop.change_the_past(days_from(FIRST, (first - FIRST).days), 1)
        self.shop.write_database(self.server.database)
        fault = self.random.choice(("none", "none", "kill", "restart", "ended", "s3"))
        if fault == "s3" and not self.proxy:
            fault = "kill"
        ended = self._disturbed(first, day, fault)
        assert_code(ended.code, *((KILLED, 0) if fault == "kill" else (0,)), said=ended.said)
        return fault if ended.code == 0 else f"{fault}, which ends the run"

    def _disturbed(self, first: date, last: date, fault: str) -> Ended:
        wire, server = self.server.wire, self.server
        if fault == "restart":
            wire.arm(self.random.randrange(1, 30), server.restart)
        if fault == "ended":
            wire.arm(self.random.randrange(1, 30), server.end_clients)
        if fault == "s3" and self.proxy:
            self.proxy.decide = lambda _seen, _method, _path: (
                self.random.choice(PASSING) if self.random.random() < 0.1 else ""
            )
        try:
            kill_at = self.random.randrange(1, 900) if fault == "kill" else 0
            return self.world.run(first, last, kill_at=kill_at)
        finally:
            wire.arm(0, lambda: None)
            if self.proxy:
                self.proxy.heal()

    def sensors_until_quiet(self, day: date) -> int:
        """Let the sensors ask for what has changed, and make it; return how many runs it took."""
        environment = self.world.environment()
        names = {name.removeprefix("ECOM_").lower(): v for name, v in environment.items()}
        chosen = {name: v for name, v in names.items() if name in Settings.model_fields}
        with ExitStack() as stack:
            stack.enter_context(_ENVIRONMENT)
            stack.enter_context(patch.dict(os.environ, environment))
            instance = stack.enter_context(dg.DagsterInstance.get())
            settings = Settings(_env_file=None, **chosen)  # pyright: ignore[reportCallIssue]
            runs = 0
            for tick in range(12):
                now = datetime.combine(day + timedelta(days=1), time(4), UTC)
                asked = self._changes(settings, instance, now + timedelta(minutes=61 * tick))
                asked = asked or self._downstream(settings, instance)
                if not asked and tick > 2:
                    return runs
                for first, last in sorted(asked):
                    ended = self.world.run(date.fromisoformat(first), date.fromisoformat(last))
                    assert_code(ended.code, 0, said=ended.said)
                    runs += 1
        raise AssertionError("the sensors do not come to rest")

    def _changes(
        self, settings: Settings, instance: dg.DagsterInstance, now: datetime
    ) -> set[tuple[str, str]]:
        changes = SourceChanges(settings, DATASETS)
        result = changes.tick(instance, self.cursors.get("changes"), now, logging.getLogger("tick"))
        self.cursors["changes"] = result.cursor
        return {_range(request) for request in result.run_requests or ()}

    def _downstream(self, settings: Settings, instance: dg.DagsterInstance) -> set[tuple[str, str]]:
        repository = build_definitions(settings).get_repository_def()
        context = dg.build_sensor_context(
            instance, cursor=self.cursors.get("downstream"), repository_def=repository
        )
        data = repository.get_sensor_def("downstream_refresh").evaluate_tick(context)
        self.cursors["downstream"] = data.cursor
        return {_range(request) for request in data.run_requests or ()}


def _range(request: dg.RunRequest) -> tuple[str, str]:
    prefix = "dagster/asset_partition_range"
    return request.tags[f"{prefix}_start"], request.tags[f"{prefix}_end"]


def months(
    folder: Path, seed: int, nights: int, server: Server, buckets: Buckets | None = None
) -> None:
    """Live through so many nights; compare the lake with one that is made from scratch."""
    with ExitStack() as stack:
        proxy, place = None, f"{server.place} to a folder"
        if buckets:
            address, proxy = stack.enter_context(open_proxy(buckets.address))
            buckets, place = buckets.through(address), f"{server.place} to S3"
        world = World(folder / "lived", server.url, buckets)
        world.options = {
            "ECOM_LOOKBACK_DAYS": str(LOOKBACK),
            "ECOM_CHANGE_CHECK_HOURS": "1",
            "ECOM_MAX_CHANGED_DAYS": "10000",
        }
        life = Life(world, server, proxy, Random(seed), Shop(seed))  # noqa: S311
        days = days_from(FIRST, nights)
        tally, befell = Tally("simulated days, a run each night", place), dict[str, int]()
        asked = 0
        for number, day in enumerate(days, 1):
            with tally.attempt(str(day)):
                fault = life.night(day)
                befell[fault] = befell.get(fault, 0) + 1
            if number % 15 == 0 or day == days[-1]:
                with tally.attempt(f"sensors after {day}", times=0):
                    asked += life.sensors_until_quiet(day)
        with tally.attempt("the lake against one from scratch", times=0):
            ended = world.run(days[-min(nights, LOOKBACK)], days[-1])
            assert_code(ended.code, 0, said=ended.said)
            scratch = replace(world, folder=folder / "scratch", buckets=None)
            ended = scratch.run(FIRST, days[-1])
            assert_code(ended.code, 0, said=ended.said)
            assert_same(world.days(), scratch.days())
        told = ", ".join(f"{what}: {times}" for what, times in sorted(befell.items()))
        tally.notes = (
            f"{told}; the sensors asked for {asked} runs; then compared with a lake from scratch"
        )
