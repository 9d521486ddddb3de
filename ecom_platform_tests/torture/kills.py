"""kill -9: a run is killed at every n-th thing that it does, and run again."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, TypeVar

from ecom_platform_tests.torture.change import DAYS, disturbed, publish_and_change
from ecom_platform_tests.torture.processes import KILLED
from ecom_platform_tests.torture.proxy import open_proxy
from ecom_platform_tests.torture.tally import Tally
from ecom_platform_tests.torture.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ecom_platform_tests.torture.buckets import Buckets
    from ecom_platform_tests.torture.change import Change
    from ecom_platform_tests.torture.processes import Running
    from ecom_platform_tests.torture.shop import Shop

#: At which moment of a request a client is killed.
MOMENTS = ("reset", "lost answer", "half answer")
#: Killed runs after each other in one world; each finds what those before it left.
IN_A_ROW = 5
_IN_A_ROW = f"{IN_A_ROW} in a row, then a run to its end"
RUN = ("run", "--from", f"{DAYS[0]}", "--to", f"{DAYS[-1]}")

T = TypeVar("T")


def files_in_folder(folder: Path, seed: int) -> Change:
    """Publish files of a folder into a lake in a folder, and change them."""
    world = World(folder / "folder", (folder / "shop").as_uri())
    return publish_and_change(world, seed, lambda shop: shop.write_files(folder / "shop"))


def files_in_s3(folder: Path, seed: int, buckets: Buckets) -> Change:
    """Publish files of a bucket into a lake of the same bucket, and change them."""
    prefix = f"{folder.name}/shop"

    def write(shop: Shop) -> None:
        shop.write_files(folder / "shop")
        buckets.upload(folder / "shop", prefix)

    world = World(folder / "s3", f"s3://{buckets.bucket}/{prefix}", buckets)
    return publish_and_change(world, seed, write)


def kills_on_a_folder(folder: Path, seed: int, kills: int) -> None:
    """Kill before every n-th operation, then at moments that chance chooses."""
    change = files_in_folder(folder, seed)
    random = Random(seed)  # noqa: S311  -- not for secrets
    before = Tally("kill -9 before every n-th file or network operation", "folder")
    step = max(1, change.operations // kills)
    before.notes = f"every {step}. of {change.operations}; {_IN_A_ROW}"
    numbers = list(range(1, change.operations, step))
    for some in batched(random.sample(numbers, len(numbers))):
        with disturbed(change) as world, before.attempt(f"operations {some}", len(some)):
            for number in some:
                _judge_killed(change, world, world.start(*RUN, kill_at=number))
            change.run_again(world)
    anytime = Tally("kill -9 at a random moment", "folder", notes=_IN_A_ROW)
    for some in batched([random.uniform(0, change.seconds) for _ in range(max(1, kills // 4))]):
        with disturbed(change) as world, anytime.attempt(f"seconds {some}", len(some)):
            for seconds in some:
                running = world.start(*RUN)
                running.process.join(seconds)
                running.kill()
                _judge_killed(change, world, running)
            change.run_again(world)


def kills_on_s3(folder: Path, seed: int, kills: int, buckets: Buckets) -> None:
    """Kill at every n-th request: before the server sees it, after, half way through the answer."""
    random = Random(seed)  # noqa: S311  -- not for secrets
    with open_proxy(buckets.address) as (address, proxy):
        change = files_in_s3(folder, seed, buckets.through(address))
        proxy.seen = 0
        with disturbed(change) as world:
            world.run(DAYS[0], DAYS[-1])
        moments = [(request, moment) for request in range(1, proxy.seen + 1) for moment in MOMENTS]
        step = max(1, len(moments) // kills)
        tally = Tally("kill -9 at every n-th request", "S3")
        tally.notes = (
            f"every {step}. of {proxy.seen} requests x {len(MOMENTS)} moments; {_IN_A_ROW}"
        )
        chosen = moments[::step]
        for some in batched(random.sample(chosen, len(chosen))):
            with disturbed(change) as world, tally.attempt(f"requests {some}", len(some)):
                for request, moment in some:
                    running = world.start(*RUN)
                    proxy.kill_at(running.kill, request, moment)
                    _judge_killed(change, world, running)
                change.run_again(world)


def _judge_killed(change: Change, world: World, running: Running) -> None:
    """Wait for the end of a run that is killed, and look at what it left.

    Some are not killed: operations and requests differ a little from run to run.
    """
    change.judge(world, running.wait(), KILLED, 0)


def batched(chosen: list[T]) -> Iterator[list[T]]:
    """Return what is tried in a row, before a run that nobody disturbs."""
    for start in range(0, len(chosen), IN_A_ROW):
        yield chosen[start : start + IN_A_ROW]
