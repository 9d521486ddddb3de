"""Databases that fail in the middle of an extraction, in each way that operators know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecom_platform_tests.torture.change import DAYS, disturbed, publish_and_change
from ecom_platform_tests.torture.servers import open_maria, open_postgres
from ecom_platform_tests.torture.standby import open_standby
from ecom_platform_tests.torture.tally import Tally
from ecom_platform_tests.torture.world import World

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ecom_platform_tests.torture.servers import Server

#: Seconds that a statement may take where something is locked, and for which it is locked: less
#: than until a step has tried for the last time.
_TIMEOUT, _LOCKED = 2, 4


def failing_postgres(folder: Path, seed: int, times: int) -> None:
    """Let PostgreSQL fail, then a real standby of it cancel what is read."""
    with open_postgres() as server:
        failing = Failing(server, folder, seed, times)
        failing.misfortunes()
        failing.act("the snapshot is lost", server.end_first_client)
        with open_standby(server) as standby:
            failing.wire = standby.wire
            failing.change.world.source = standby.url
            failing.act("a standby cancels (40001)", standby.conflict)


def failing_mariadb(folder: Path, seed: int, times: int) -> None:
    """Let MariaDB fail."""
    with open_maria() as server:
        Failing(server, folder, seed, times).misfortunes()


class Failing:
    """A shop in a database that fails while it is read.

    Args:
        server: Of the database.
        folder: For the platform.
        seed: Of the shop.
        times: How often to let it fail, in each way.
    """

    def __init__(self, server: Server, folder: Path, seed: int, times: int) -> None:
        self.server = server
        self.times = times
        self.wire = server.wire
        world = World(folder / "world", server.url)
        self.change = publish_and_change(
            world, seed, lambda shop: shop.write_database(server.database)
        )
        self.wire.arm(0, lambda: None)
        with disturbed(self.change) as world:
            world.run(DAYS[0], DAYS[-1])
        self.statements = self.wire.seen

    def misfortunes(self) -> None:
        """Let it fail in the ways that every database knows."""
        server, options = self.server, self.change.world.options
        self.act("connections are ended", server.end_clients)
        self.act("the server restarts", server.restart)
        self.act("too many connections for 2 s", lambda: server.for_a_while(server.full(), 2))
        options["ECOM_SOURCE_STATEMENT_TIMEOUT"] = str(_TIMEOUT)
        self.act(
            f"a table is locked for {_LOCKED} s",
            lambda: server.for_a_while(server.locked(), _LOCKED),
        )
        options["ECOM_RETRY_SECONDS"] = "0"
        tally = Tally("locked, or full, for as long as a run takes", server.place)
        tally.notes = "the run ends with 1, the next one with 0"
        for misfortune in (server.locked, server.full):
            with disturbed(self.change) as world, tally.attempt(misfortune.__name__):
                with misfortune():
                    ended = world.run(DAYS[0], DAYS[-1])
                self.change.judge(world, ended, 1)
                self.change.run_again(world)
        options.clear()

    def act(self, kind: str, act: Callable[[], object]) -> None:
        """Act before statements that lie evenly in a run; each run is to end well by itself."""
        step = -(-self.statements // self.times)
        chosen = range(max(1, step // 2), self.statements + 1, step)
        tally = Tally(kind, self.server.place)
        tally.notes = f"before {len(chosen)} of {self.statements} statements; each run ends with 0"
        for number in chosen:
            with disturbed(self.change) as world, tally.attempt(f"statement {number}"):
                self.wire.arm(number, act)
                ended = world.run(DAYS[0], DAYS[-1])
                self.wire.arm(0, act)
                if self.wire.failed:
                    raise self.wire.failed[0]
                self.change.judge(world, ended, 0)
