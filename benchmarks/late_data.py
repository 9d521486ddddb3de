"""What it costs to follow a source without `updated_at`.

A made-up shop in a real PostgreSQL is materialized into a folder. Then the two sensors tick as
the daemon would have them: when nothing has changed, and after an order came late, of a recent
day and of one in the middle, until its revenue is restated and everything below is up to date.

Run: python benchmarks/late_data.py [DAYS] [ORDERS]   (default: 365 300,000)
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

#: An order that comes late, and is paid at once: it also counts in the retention of 90 days.
LATE = """
WITH late AS (
    INSERT INTO orders
    SELECT max(id) + 1, min(customer_id), 50, %(day)s + interval '12 hours', 'completed' FROM orders
    RETURNING id, created_at
)
INSERT INTO payments
SELECT (SELECT max(id) + 1 FROM payments), id, 50, 'paid', created_at FROM late
"""

SENSORS = ("source_changes", "downstream_refresh")


class Daemon:
    """Evaluates sensors and executes what they ask for, in this process."""

    def __init__(self, instance: Any, definitions: Any) -> None:
        self._instance = instance
        self._definitions = definitions
        self._repository = definitions.get_repository_def()
        self.cursors: dict[str, str | None] = {}

    def tick(self, name: str) -> list[Any]:
        """Evaluate a sensor; return what it asks for."""
        import dagster as dg

        context = dg.build_sensor_context(
            self._instance, cursor=self.cursors.get(name), repository_def=self._repository
        )
        data = self._repository.get_sensor_def(name).evaluate_tick(context)
        self.cursors[name] = data.cursor
        return list(data.run_requests or [])

    def work(self, requests: list[Any]) -> None:
        """Execute runs."""
        import dagster as dg

        job = dg.build_reconstructable_job("ecom_platform.commands.run", "daily_refresh_job")
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        for request in requests:
            dg.execute_job(
                job,
                self._instance,
                run_config=quiet,
                tags=request.tags,
                asset_selection=request.asset_selection,
            )


def timed(what: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds that a call takes, and what it returns."""
    begun = time.perf_counter()
    found = what()
    return time.perf_counter() - begun, found


def main(days: int = 365, orders: int = 300_000) -> None:
    """Measure, and print a table."""
    import dagster as dg
    import psycopg
    from rich.console import Console

    from ecom_platform.sources.demo_shop import DemoShop, load_demo_shop
    from ecom_platform.sources.embedded_postgres import embedded_postgres

    last = date.today() - timedelta(days=1)  # noqa: DTZ011 - some day that is over
    first = last - timedelta(days=days - 1)
    recent, old = last - timedelta(days=20), last - timedelta(days=days // 2)
    folder = Path.cwd()
    os.environ |= {"ECOM_LAKE": str(folder / "lake"), "ECOM_START_DATE": str(first)}
    with embedded_postgres(folder / "postgres") as address:
        os.environ["ECOM_SOURCE"] = address
        load_demo_shop(address, DemoShop(first, last, orders))
        from ecom_platform.automation.database_watch import DatabaseState
        from ecom_platform.commands.run import execute_range, prepare_instance
        from ecom_platform.definitions import defs

        console = Console(quiet=True)
        prepare_instance(console)
        seconds, outcome = timed(lambda: execute_range(first, last, console))
        if outcome.code:
            sys.exit("\n".join(outcome.failures))
        report(f"materialize {days} days with {orders:,} orders", seconds)
        with dg.DagsterInstance.get() as instance:
            daemon = Daemon(instance, defs)
            for which in ("first", "idle"):
                for name in SENSORS:
                    report(f"{which} tick of {name}", timed(lambda name=name: daemon.tick(name))[0])
            for what, changed in (("recent", recent), ("old", old)):
                with psycopg.connect(address) as shop:
                    shop.execute(LATE, {"day": changed})
                if changed is old:  # as if its turn had come
                    daemon.cursors["source_changes"] = DatabaseState(position=old).model_dump_json()
                seconds, asked = timed(lambda: daemon.tick("source_changes"))
                assert len(asked) == 1  # noqa: S101 - else nothing is measured
                report(f"{what} day: tick that finds it changed", seconds)
                report(f"{what} day: run that restates it", timed(lambda: daemon.work(asked))[0])  # noqa: B023
                begun = time.perf_counter()
                while asked := daemon.tick("downstream_refresh"):
                    daemon.work(asked)
                report(f"{what} day: ticks and runs below it", time.perf_counter() - begun)


def report(what: str, seconds: float) -> None:
    """Print what something cost."""
    print(f"{what:<48} {seconds:8.2f} s", flush=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        os.chdir(home)
        os.environ["DAGSTER_HOME"] = home
        main(*(int(argument.replace(",", "")) for argument in sys.argv[1:]))
