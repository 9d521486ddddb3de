"""`ecom shop live`: the demo's shop goes on, as fast as asked, and says what happens.

What happens is in `sources.demo_shop.live`.
"""

from __future__ import annotations

import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Event as Flag
from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table
from rich.text import Text

from ecom_platform.commands.demo import DATABASE, ENVIRONMENT, read_environment
from ecom_platform.commands.formats import PlainConsole, print_table
from ecom_platform.commands.outcome import DONE
from ecom_platform.errors import SourceError
from ecom_platform.sources.demo_shop.live import NEW_ORDER, open_live_shop
from ecom_platform.sources.embedded_postgres import start_postgres

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from datetime import date
    from decimal import Decimal
    from pathlib import Path

    from ecom_platform.sources.demo_shop.live import Event


def live(folder: Path, speed: float, seconds: float | None, seed: int) -> int:
    """Let events happen, print each and a summary, return the exit code.

    Args:
        folder: Of the demo.
        speed: Events per minute, on average.
        seconds: How long; None until Ctrl-C.
        seed: Of chance.

    Raises:
        SourceError: There is no demo, its settings name another database, or the shop is
            going on already.
    """
    address = _demo_database(folder)
    console = PlainConsole(highlight=False, soft_wrap=True)
    happened: list[Event] = []
    with (
        open_live_shop(address, seed) as shop,
        _until_interrupted() as ended,
        # In the main thread, the driver keeps a Ctrl-C that comes during a statement to itself.
        ThreadPoolExecutor(1) as database,
    ):
        console.print(f"The shop goes on, {speed:g} events a minute. Ctrl-C ends it.", style="dim")
        for _ in _moments(speed, seconds, seed, ended):
            now = datetime.now(UTC)
            event = database.submit(shop.next_event, now).result()
            console.print(_line(now, event))
            happened.append(event)
    _print_summary(happened, console)
    return DONE


def _demo_database(folder: Path) -> str:
    """Return the address of the demo's own server, started if need be."""
    folder = folder.expanduser().absolute()
    if not (folder / ENVIRONMENT).exists():
        raise SourceError(
            f"There is no demo in {folder}, and only a demo's shop can be made to go on.",
            hint="Run ecom demo, or name its folder with --folder.",
        )
    address = start_postgres(folder / DATABASE)
    if read_environment(folder).get("ECOM_SOURCE") != address:
        raise SourceError(
            f"ECOM_SOURCE in {folder / ENVIRONMENT} is not the demo's own database. Nothing was "
            "changed.",
            hint="Make the demo anew: ecom demo. A real shop is never written to.",
        )
    return address


@contextmanager
def _until_interrupted() -> Generator[Flag]:
    """Turn Ctrl-C into a flag, so that it never comes amid a transaction."""
    ended = Flag()
    before = signal.signal(signal.SIGINT, lambda *_: ended.set())
    try:
        yield ended
    finally:
        signal.signal(signal.SIGINT, before)


def _moments(speed: float, seconds: float | None, seed: int, ended: Flag) -> Iterator[None]:
    """Yield at each moment at which something happens: as many in so many seconds, each time."""
    chance, begun, due = np.random.default_rng(seed), time.monotonic(), 0.0
    while True:
        due += chance.exponential(60 / speed)
        end = due if seconds is None else min(due, seconds)
        if ended.wait(max(0.0, begun + end - time.monotonic())) or end < due:
            return
        yield


def _line(now: datetime, event: Event) -> Text:
    days = ", ".join(
        f"{day} {revenue:+,.2f}" if revenue else str(day) for day, revenue in event.days.items()
    )
    what = "green" if event.what == NEW_ORDER else "yellow"
    return Text.assemble(
        (f"{now.astimezone():%H:%M:%S}  ", "dim"),
        (f"{event.what:<20}", what),
        f" order {event.order:<9,} {event.amount:>9,.2f}",
        ("   revenue of ", "dim"),
        days,
    )


def _print_summary(happened: list[Event], console: PlainConsole) -> None:
    """Print, of each business day, how many events touched it and what it is worth now."""
    events: Counter[date] = Counter()
    revenue: dict[date, Decimal] = {}
    for event in happened:
        for day, change in event.days.items():
            events[day] += 1
            revenue[day] = revenue.get(day, change * 0) + change
    console.print(f"\n{len(happened)} events. What they touched:")
    table = Table("business day")
    table.add_column("events", justify="right")
    table.add_column("revenue changed by", justify="right")
    for day, change in sorted(revenue.items()):
        table.add_row(str(day), str(events[day]), f"{change:+,.2f}" if change else "-")
    print_table(table)
