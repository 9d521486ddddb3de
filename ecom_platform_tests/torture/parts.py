"""`make torture`: does to the platform what machines do, and counts what is lost.

Run by hand: `python -m ecom_platform_tests.torture --help`.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from ecom_platform_tests.torture.buckets import open_buckets
from ecom_platform_tests.torture.databases import failing_mariadb, failing_postgres
from ecom_platform_tests.torture.kills import kills_on_a_folder, kills_on_s3
from ecom_platform_tests.torture.machine import clocks, full_disks
from ecom_platform_tests.torture.months import months
from ecom_platform_tests.torture.servers import open_maria, open_postgres
from ecom_platform_tests.torture.stumbles import stumbling_s3
from ecom_platform_tests.torture.tally import Tally, report
from ecom_platform_tests.torture.two_writers import two_writers

if TYPE_CHECKING:
    from collections.abc import Callable

    from ecom_platform_tests.torture.buckets import Buckets

    Part = Callable[["Torture"], None]


class Torture:
    """What the parts share.

    Args:
        seed: Of all chance.
        stack: Closes what they open, at the end.
        scale: Of the full size.
        short: Whether to try a little of everything, whatever the scale.
    """

    def __init__(self, seed: int, stack: ExitStack, *, scale: float, short: bool) -> None:
        self.scale = scale
        self.short = short
        self.seed = seed
        self.folder = Path(stack.enter_context(TemporaryDirectory(prefix="ecom-torture-")))
        self.buckets = stack.enter_context(open_buckets())

    def times(self, full: int, short: int) -> int:
        """Return how often to try something."""
        return short if self.short else max(short, round(full * self.scale))

    def try_part(self, name: str) -> None:
        """Run a part; one that cannot begin is no pass."""
        try:
            PARTS[name](self)
        except pytest.skip.Exception as error:
            Tally(name, "-", notes=f"not tried: {error}")
        except (Exception, pytest.fail.Exception):  # noqa: BLE001  -- whatever it is, it is told
            Tally(name, "-", wrong=[traceback.format_exc()])

    def room(self, name: str) -> Path:
        """Return a new folder."""
        folder = self.folder / name
        folder.mkdir()
        return folder


def _months_of_postgres(torture: Torture) -> None:
    with open_postgres() as server:
        months(torture.room("mp"), torture.seed, torture.times(90, 4), server, torture.buckets)


def _months_of_mariadb(torture: Torture) -> None:
    with open_maria() as server:
        months(torture.room("mm"), torture.seed, torture.times(30, 3), server)


def _two_writers(torture: Torture, name: str, buckets: Buckets | None = None) -> None:
    two_writers(torture.room(name), torture.seed, torture.times(20, 4), buckets)


#: Parts at a time; a run keeps one core busy.
PARALLEL = 2
PARTS: dict[str, Part] = {
    "kills-folder": lambda t: kills_on_a_folder(t.room("kf"), t.seed, t.times(100, 5)),
    "disks": lambda t: full_disks(t.room("df"), t.seed, t.times(5, 1)),
    "clocks": lambda t: clocks(t.room("cl"), t.seed),
    "postgres": lambda t: failing_postgres(t.room("pg"), t.seed, t.times(12, 1)),
    "mariadb": lambda t: failing_mariadb(t.room("my"), t.seed, t.times(12, 1)),
    "stumbles": lambda t: stumbling_s3(t.room("st"), t.seed, t.times(1000, 30), t.buckets),
    "kills-s3": lambda t: kills_on_s3(t.room("ks"), t.seed, t.times(100, 5), t.buckets),
    "writers-folder": lambda t: _two_writers(t, "wf"),
    "writers-s3": lambda t: _two_writers(t, "ws", t.buckets),
    "months-postgres": _months_of_postgres,
    "months-mariadb": _months_of_mariadb,
}


def main() -> None:
    """Run the parts that are asked for; end with 1 where anything was lost or told wrong."""
    parser = argparse.ArgumentParser(prog="make torture", description=__doc__)
    parser.add_argument("--short", action="store_true", help="a little of everything")
    parser.add_argument("--scale", type=float, default=1, help="0.5: half of the full size")
    parser.add_argument("--seed", type=int, default=20240301, help="of all chance")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="some parts alone")
    parser.add_argument("--output", type=Path, default=Path("build/torture.json"))
    asked = parser.parse_args()
    started = datetime.now(UTC).isoformat(timespec="seconds")
    about = {
        "started": started,
        "seed": asked.seed,
        "scale": "short" if asked.short else asked.scale,
    }
    with ExitStack() as stack, ThreadPoolExecutor(PARALLEL) as pool:
        torture = Torture(asked.seed, stack, scale=asked.scale, short=asked.short)
        for name in asked.only or PARTS:
            pool.submit(torture.try_part, name)
    sys.exit(0 if report(asked.output, about) else 1)
