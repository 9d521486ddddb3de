"""Two runs over the same days that see different data: one wins, whole, and the other says so."""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING

from ecom_platform_tests.torture.change import DAYS
from ecom_platform_tests.torture.shop import Shop
from ecom_platform_tests.torture.tally import Tally, WrongCodeError, assert_code
from ecom_platform_tests.torture.world import DamagedLakeError, World

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ecom_platform_tests.torture.buckets import Buckets
    from ecom_platform_tests.torture.processes import Ended, Running
    from ecom_platform_tests.torture.world import Days

#: What is published before, and the data of the two writers.
OLD, ONE, OTHER = "old", "one", "other"
RUN = ("run", "--from", f"{DAYS[0]}", "--to", f"{DAYS[-1]}")
#: How the rounds go, in turn: who is stopped, if anybody; whether the other finds nothing new.
KINDS = (
    "both at once",
    "the first is stopped and goes on",
    "the first is stopped, the second finds nothing new",
    "the second is stopped and goes on",
)


def two_writers(folder: Path, seed: int, rounds: int, buckets: Buckets | None = None) -> Tally:
    """Let two runs meet, so many times.

    Args:
        folder: A new folder of its own.
        seed: Of all chance.
        rounds: How many times.
        buckets: Where the lake is, if not in the folder.
    """
    tally = Tally("two runs over the same days", "S3" if buckets else "folder")
    random = Random(seed)  # noqa: S311  -- not for secrets
    sources = _write_sources(folder / "sources", seed)
    before = World(folder / "before", sources[OLD], buckets)
    results: dict[str, Days] = {}
    seconds = 0.0
    for name, source in sources.items():
        world = before if name == OLD else before.copy(name)
        world.source, started = source, time.monotonic()
        ended = world.run(DAYS[0], DAYS[-1])
        seconds = time.monotonic() - started
        assert_code(ended.code, 0, said=ended.said)
        results[name] = world.days()
    for number in range(rounds):
        kind = KINDS[number % len(KINDS)]
        world = before.copy(f"round-{number}")
        with tally.attempt(f"round {number + 1}, {kind}"):
            _round(world, kind, sources, results, random, seconds)
        world.remove()
    return tally


def _write_sources(folder: Path, seed: int) -> dict[str, str]:
    """Write a shop as it was, and as two runs see it; return name -> `ECOM_SOURCE`."""
    folder.mkdir()
    sources: dict[str, str] = {}
    for number, name in enumerate((OLD, ONE, OTHER)):
        shop = Shop(seed)
        for day in DAYS:
            shop.trade(day, 10)
        # Of every day some rows of all tables, so that each object differs.
        for day in DAYS:
            shop.trade(day, number)
        for row in shop.tables["orders"].values():
            row[2] = f"{float(row[2]) + number:.2f}"
        for row in shop.tables["payments"].values():
            row[2] = f"{float(row[2]) + number:.2f}"
        shop.write_files(folder / name)
        sources[name] = (folder / name).as_uri()
    return sources


def _round(
    world: World,
    kind: str,
    sources: Mapping[str, str],
    results: Mapping[str, Days],
    random: Random,
    seconds: float,
) -> None:
    of_second = OLD if "nothing new" in kind else OTHER
    first = _writer(world, "first", sources[ONE])
    second = _writer(world, "second", sources[of_second])
    names = {"first": ONE, "second": of_second}
    with _started(first) as one:
        time.sleep(random.uniform(0, seconds * 0.8))
        if "the first is stopped" in kind:
            ended = {"second": _while_stopped(one, second), "first": one.wait()}
        else:
            with _started(second) as other:
                if "the second is stopped" in kind:
                    time.sleep(random.uniform(0, seconds * 0.8))
                    with _stopped(other):
                        code = one.wait()
                    ended = {"first": code, "second": other.wait()}
                else:
                    ended = {"first": one.wait(), "second": other.wait()}
    judge(world.days(), ended, {who: results[name] for who, name in names.items()})


def judge(found: Days, ended: Mapping[str, Ended], results: Mapping[str, Days]) -> None:
    """Compare a lake with what two writers say of it.

    Raises:
        DamagedLakeError: It is no writer's, or not that of the one who says that he has won.
        WrongCodeError: Nobody says so, or a loser does not name the days.
    """
    codes = {who: end.code for who, end in ended.items()}
    winners = [who for who, code in codes.items() if code == 0]
    for who, end in ended.items():
        assert_code(end.code, 0, 2, said=end.said)
        if end.code == 2 and not any(str(day) in end.said for day in DAYS):
            raise WrongCodeError(f"the {who} does not name its days: {end.said}")
    if not winners:
        raise WrongCodeError("\n".join(["neither has won", *(end.said for end in ended.values())]))
    if all(found != results[who] for who in winners):
        of = {
            path: [who for who, days in results.items() if days.get(path) == rows] or ["nobody"]
            for path, rows in found.items()
        }
        raise DamagedLakeError(f"{codes}, but the lake is a mixture: {of}")


def _writer(world: World, name: str, source: str) -> World:
    """Return a machine of its own with the same lake."""
    return World(
        world.folder / name, source, world.buckets, world.options | {"ECOM_LAKE": world.lake}
    )


def _while_stopped(one: Running, second: World) -> Ended:
    with _stopped(one), _started(second) as other:
        return other.wait()


@contextmanager
def _started(world: World) -> Iterator[Running]:
    running = world.start(*RUN)
    try:
        yield running
    finally:
        running.kill()


@contextmanager
def _stopped(running: Running) -> Iterator[None]:
    """Stop a process for as long as the block takes; it may have ended by itself."""
    number = running.process.pid
    if number and running.process.is_alive():
        os.kill(number, signal.SIGSTOP)
    try:
        yield
    finally:
        if number and running.process.is_alive():
            os.kill(number, signal.SIGCONT)
