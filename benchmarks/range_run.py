"""Where the seconds of a range run go, and how far they are from the limit.

A made-up shop in a real PostgreSQL is materialized by the daily job into a folder, once more
when nothing has changed, and then its last day alone, which was taken from the lake. Beside it
a bare script: the same raw files, the same SQL files, the same metrics to the last digit, but
no customers (whom no metric reads), Dagster, audits, quarantine, checks or lake. Each runs in a
process of its own, in turns.

Run: python benchmarks/range_run.py [DAYS] [ORDERS] [ROUNDS]   (default: 120 300,000 3)
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    #: Seconds by layer, and peak memory.
    Cost = dict[str, float]

LAST = date(2025, 6, 30)
KILOBYTES = 1 if sys.platform == "linux" else 1024
STEPS = {"raw__": "extract", "clean_": "clean", "metrics__": "metrics", "check_": "checks"}
ROWS = ("start", *STEPS.values(), "Dagster", "all", "peak MB")
SQL = Path(__file__).parents[1] / "ecom_platform" / "sql"
#: What the metrics read, and they themselves, those first that others read.
CLEANED = ("orders", "payments")
METRICS = (
    "total_revenue", "total_orders", "total_customers", "payment_status", "average_order_value",
    "customer_retention_rate",
)  # fmt: skip


def fill(address: str, first: date, orders: int) -> int:
    """Make the shop; return how many orders it has."""
    from ecom_platform.sources.demo_shop import DemoShop, load_demo_shop

    return load_demo_shop(address, DemoShop(first, LAST, orders))["orders"]


def platform(first: date) -> Cost:
    """Materialize the days from `first` on, as `ecom run` does."""
    begun = time.perf_counter()
    from rich.console import Console

    from ecom_platform.commands.run import daily_refresh_job, execute_range, prepare_instance

    console = Console(quiet=True)
    prepare_instance(console)
    daily_refresh_job()
    started = time.perf_counter()
    outcome = execute_range(first, LAST, console)
    ended = time.perf_counter()
    if outcome.code:
        sys.exit("\n".join(outcome.failures))
    cost = defaultdict[str, float](float, start=started - begun)
    for step, seconds in outcome.seconds.items():
        cost[next(layer for prefix, layer in STEPS.items() if step.startswith(prefix))] += seconds
    cost["Dagster"] = ended - started - sum(outcome.seconds.values())
    return {**cost, "all": ended - begun, "peak MB": peak()}


def bare() -> Cost:
    """Compute the metrics with nothing but DuckDB; fail where the lake has others."""
    import duckdb

    lake = Path("lake")
    begun = time.perf_counter()
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("ATTACH 'given.duckdb' AS given (READ_ONLY)")
        connection.execute("COPY FROM DATABASE given TO memory")
        connection.execute("CREATE SCHEMA raw; CREATE SCHEMA cleaned; CREATE SCHEMA metrics")
        connection.execute((SQL / "functions.sql").read_text())
        for name in CLEANED:
            connection.execute(
                f"CREATE TABLE raw.{name} AS SELECT row_number() OVER () AS row_id, * "
                f"FROM (SELECT DISTINCT * FROM {objects(lake / 'raw' / name)})"
            )
            sql = (SQL / "cleaned" / f"{name}.sql").read_text()
            connection.execute(
                f"CREATE TABLE cleaned.{name} AS FROM ({sql}) WHERE reject_reason IS NULL"
            )
        cleaned = time.perf_counter()
        for name in METRICS:
            sql = (SQL / "metrics" / f"{name}.sql").read_text()
            connection.execute(f"CREATE TABLE metrics.{name} AS {sql}")
            connection.execute(f"COPY metrics.{name} TO '{name}.parquet'")
        ended = time.perf_counter()
        memory = peak()
        for name in METRICS:
            mine, theirs = f"FROM metrics.{name}", f"FROM {objects(lake / 'metrics' / name)}"
            columns = [column for column, *_ in connection.execute(f"DESCRIBE {mine}").fetchall()]
            mine, theirs = (f"SELECT {', '.join(columns)} {table}" for table in (mine, theirs))
            differ = f"({mine} EXCEPT ALL {theirs}) UNION ALL ({theirs} EXCEPT ALL {mine})"
            if connection.execute(differ).fetchone():
                sys.exit(f"The lake's {name} is not that of the bare script.")
    return {
        "clean": cleaned - begun,
        "metrics": ended - cleaned,
        "all": ended - begun,
        "peak MB": memory,
    }


def objects(folder: Path) -> str:
    """Return the days of a dataset as a table of DuckDB."""
    form = "hive_partitioning = true, hive_types = {'date': DATE}"
    return f"read_parquet('{folder}/*/data.parquet', {form})"


def peak() -> float:
    """Return the most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KILOBYTES / 1024


def alone(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a process of its own: one peak must not hide another."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def write_settings(first: date) -> None:
    """Write what the SQL files read of the settings into a database."""
    import duckdb

    from ecom_platform.assets.steps import add_settings
    from ecom_platform.settings import load_settings

    days = [(first + timedelta(days=n)).isoformat() for n in range((LAST - first).days + 1)]
    with duckdb.connect("given.duckdb") as connection:
        connection.execute("CREATE SCHEMA settings")
        add_settings(connection, load_settings(), days)


def versions() -> dict[Path, int]:
    """Return when each object of the lake was written."""
    return {file: file.stat().st_mtime_ns for file in Path("lake").rglob("*.parquet")}


def main() -> None:
    """Measure in turns; print medians of seconds and memory, and ratios to the bare script."""
    from ecom_platform.sources.embedded_postgres import embedded_postgres

    defaults = (120, 300_000, 3)
    days, orders, rounds = (*map(int, sys.argv[1:]), *defaults[len(sys.argv) - 1 :])
    first = LAST - timedelta(days=days - 1)
    costs: dict[str, list[Cost]] = defaultdict(list)
    for name in [name for name in os.environ if name.startswith("ECOM_")]:
        del os.environ[name]
    with tempfile.TemporaryDirectory() as folder, embedded_postgres(Path(folder)) as address:
        made = alone(fill, address, first, orders)
        for number in range(rounds):
            home = Path(folder) / f"round-{number}"
            home.mkdir()
            os.chdir(home)
            os.environ |= {"ECOM_SOURCE": address, "ECOM_START_DATE": str(first)}
            os.environ |= {"ECOM_LAKE": "lake", "DAGSTER_HOME": str(home)}
            alone(write_settings, first)
            costs["first run"].append(alone(platform, first))
            before = versions()
            costs["again"].append(alone(platform, first))
            if versions() != before:
                sys.exit("The second run wrote what had not changed.")
            for file in Path("lake").glob(f"*/*/date={LAST}/data.parquet"):
                file.unlink()
            costs["one day"].append(alone(platform, LAST))
            costs["bare"].append(alone(bare))
        written = len(versions())
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    print(f"{days} days, {made:,} orders, {written:,} objects, {cores} cores\n")
    print(f"{'seconds':10}" + "".join(f"{name:>11}" for name in costs))
    middle = {
        name: {row: median(c.get(row, 0.0) for c in found) for row in ROWS}
        for name, found in costs.items()
    }
    for row in ROWS:
        values = (f"{cost[row]:.2f}" if cost[row] else "-" for cost in middle.values())
        print(f"{row:10}" + "".join(f"{value:>11}" for value in values))
    limit, whole = middle["bare"]["all"], middle["first run"]["all"]
    computing = middle["first run"]["clean"] + middle["first run"]["metrics"]
    print(
        f"\nOver the bare script: cleaning and metrics {computing / limit:.1f} times, "
        f"the whole run {whole / limit:.1f} times, "
        f"unchanged {middle['again']['all'] / limit:.1f} times.\n"
        f"Over the range, one day at a time: {days * middle['one day']['all'] / whole:.0f} times."
    )


if __name__ == "__main__":
    main()
