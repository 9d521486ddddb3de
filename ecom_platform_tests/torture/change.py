"""A shop that was published and has changed since: what a run that is disturbed begins with."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecom_platform_tests.torture.shop import FIRST, Shop, days_from
from ecom_platform_tests.torture.tally import assert_code
from ecom_platform_tests.torture.world import DamagedLakeError, assert_old_or_new, assert_same

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ecom_platform_tests.torture.processes import Ended
    from ecom_platform_tests.torture.world import Days, World

DAYS = days_from(FIRST, 2)


@dataclass
class Change:
    """Such a shop.

    Args:
        world: As it was published, with the changed source.
        old: What its lake holds.
        new: What it is to hold after a run.
        operations: What that run does.
        seconds: How long it takes.
    """

    world: World
    old: Days
    new: Days
    operations: int
    seconds: float

    def run_again(self, world: World) -> None:
        """Run in a world that was disturbed; nothing is to tell that it was.

        Raises:
            DamagedLakeError: The lake is not what it was to become.
            WrongCodeError: The run does not end with 0.
        """
        again = world.run(DAYS[0], DAYS[-1])
        assert_code(again.code, 0, said=again.said)
        assert_same(world.days(), self.new)
        if left := world.leftovers():
            raise DamagedLakeError(f"a run leaves {left} in its temporary folder")

    def judge(self, world: World, ended: Ended, *allowed: int) -> None:
        """Compare what a disturbed run left with what it says of it.

        Raises:
            DamagedLakeError: A day is neither old nor new; or not new, though the run ended well.
            WrongCodeError: The exit code is none of those allowed.
        """
        found = world.days()
        assert_old_or_new(found, self.old, self.new)
        if ended.code == 0:
            assert_same(found, self.new)
        assert_code(ended.code, *allowed, said=ended.said)


def publish_and_change(world: World, seed: int, write: Callable[[Shop], None]) -> Change:
    """Publish a shop, change it, and see what a run makes of it that nobody disturbs."""
    shop = Shop(seed)
    for day in DAYS:
        shop.trade(day, 10)
    write(shop)
    ended = world.run(DAYS[0], DAYS[-1])
    assert_code(ended.code, 0, said=ended.said)
    old = world.days()
    shop.change_the_past(DAYS, 6)
    write(shop)
    trial = world.copy("undisturbed")
    started = time.monotonic()
    ended = trial.run(DAYS[0], DAYS[-1])
    seconds = time.monotonic() - started
    assert_code(ended.code, 0, said=ended.said)
    new = trial.days()
    trial.remove()
    if old == new:
        raise AssertionError("the shop has not changed")
    return Change(world, old, new, ended.operations, seconds)


@contextmanager
def disturbed(change: Change) -> Iterator[World]:
    """Give a copy of the world, to be disturbed."""
    world = change.world.copy("disturbed")
    try:
        yield world
    finally:
        world.remove()
