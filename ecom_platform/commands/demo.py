"""`ecom demo` and `ecom dev`: a made-up shop in a real database, materialized and looked at."""

from __future__ import annotations

import os
import shutil
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from ecom_platform.errors import EcomError
from ecom_platform.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from ecom_platform.settings import Settings

ENVIRONMENT = "demo.env"
SHOWN_DAYS = 7

def run_demo(orders: int, days: int, folder: Path) -> int:
    """Make the shop, materialize its last closed days, show them; return the exit code."""
    from ecom_platform.commands.run import DONE, execute_range
    from ecom_platform.sources.demo_shop import DemoShop, load_demo_shop
    from ecom_platform.sources.embedded_postgres import start_postgres

    console = Console(highlight=False)
    seconds: dict[str, float] = {}
    folder = folder.absolute()
    last = datetime.now(UTC).date() - timedelta(days=1)
    first = last - timedelta(days=days - 1)
    with _timed(seconds, "start PostgreSQL", console):
        address = start_postgres(folder / "postgres")
    with _timed(seconds, f"make a shop of {orders:,} orders", console):
        shop = DemoShop(orders=orders, first_day=first, last_day=last)
        with Progress(
            TextColumn("  orders"), BarColumn(), TextColumn("{task.completed:,}/{task.total:,}"),
            console=console, transient=True,
        ) as bar:  # fmt: skip
            task = bar.add_task("orders", total=orders)
            load_demo_shop(
                address, shop, lambda done, total: bar.update(task, completed=done, total=total)
            )
    _write_environment(folder, address, first)
    settings = _use_environment(folder)
    with _timed(seconds, f"materialize {days} days through Dagster", console):
        outcome = execute_range(first, last, console)
    for failure in outcome.failures:
        console.print(f"✗ {failure}", style="red", markup=False)
    if outcome.code == DONE:
        _print_kpis(settings, max(first, last - timedelta(days=SHOWN_DAYS - 1)), last, console)
        _print_seconds(seconds, outcome.seconds, console)
        _print_next(folder, first, last, console)
    return outcome.code


def open_dagster(folder: Path, port: int) -> None:
    """Become `dagster dev`, with the demo's environment where a demo was run."""
    from ecom_platform.commands.run import prepare_instance

    if (folder / ENVIRONMENT).exists():
        from ecom_platform.sources.embedded_postgres import start_postgres

        start_postgres(folder.absolute() / "postgres")
        _use_environment(folder.absolute())
    prepare_instance(Console(stderr=True, highlight=False))
    dagster = shutil.which("dagster", path=str(Path(sys.executable).parent))
    if dagster is None:
        raise EcomError("There is no `dagster` beside this Python.", hint="Run: make install")
    arguments = ["dev", "-m", "ecom_platform.definitions", "-p", str(port)]
    os.execv(dagster, [dagster, *arguments])  # noqa: S606 - the very point: no shell between


def _write_environment(folder: Path, shop: str, first: date) -> None:
    values = {
        "ECOM_SOURCE": shop,
        "ECOM_LAKE": str(folder / "lake"),
        "ECOM_START_DATE": first.isoformat(),
        "DAGSTER_HOME": str(folder),
    }
    lines = [f"{name}='{value}'" for name, value in values.items()]
    (folder / ENVIRONMENT).write_text("\n".join(lines) + "\n")


def _use_environment(folder: Path) -> Settings:
    for line in (folder / ENVIRONMENT).read_text().splitlines():
        name, _, value = line.partition("=")
        os.environ[name] = value.strip("'")
    from ecom_platform.commands.run import prepare_instance

    prepare_instance(Console(stderr=True))
    return load_settings()


@contextmanager
def _timed(seconds: dict[str, float], what: str, console: Console) -> Iterator[None]:
    start = time.monotonic()
    yield
    seconds[what] = time.monotonic() - start
    console.print(f"✓ {what} [dim]({seconds[what]:.1f} s)[/]")


def _print_kpis(settings: Settings, first: date, last: date, console: Console) -> None:
    from ecom_platform.commands.show import display, read_days

    table = Table(title="\nThe last days, all regions", title_justify="left")
    columns = {
        "total_revenue": "revenue",
        "total_orders": "orders",
        "total_customers": "customers",
        "average_order_value": "average order",
        "customer_retention_rate": "retention 90 d",
    }
    days: dict[str, list[str]] = {}
    for metric in columns:
        for row in read_days(settings, metric, first, last, "all"):
            days.setdefault(str(row["date"]), []).append(display(row[metric]))
    table.add_column("day")
    for title in columns.values():
        table.add_column(title, justify="right")
    for day, values in sorted(days.items()):
        table.add_row(day, *values)
    console.print(table)


def _print_seconds(total: dict[str, float], steps: dict[str, float], console: Console) -> None:
    table = Table(title="\nWhere the seconds went", title_justify="left")
    table.add_column("what")
    table.add_column("seconds", justify="right")
    for what, seconds in total.items():
        table.add_row(what, f"{seconds:.1f}")
    for prefix, what in (
        ("raw__", "extract from PostgreSQL"),
        ("clean_", "clean and quarantine"),
        ("metrics__", "compute metrics"),
        ("check_", "check"),
    ):
        spent = sum(s for step, s in steps.items() if step.startswith(prefix))
        table.add_row(f"  of which {what}", f"{spent:.1f}")
    table.add_row("  of which planning and loading", f"{[*total.values()][-1] - sum(steps.values()):.1f}")
    table.add_row("all", f"{sum(total.values()):.1f}", style="bold")
    console.print(table)


def _print_next(folder: Path, first: date, last: date, console: Console) -> None:
    name = os.path.relpath(folder)
    ecom = os.path.relpath(Path(sys.executable).parent / "ecom")
    console.print(
        f"""
What to look at next:
  make dev                           the same lake in Dagster's UI, on http://localhost:3000
  set -a; . {name}/{ENVIRONMENT}; set +a    for the commands below
  {ecom} show total_revenue --from {first} --to {last} --region all
  {ecom} show payment_status --from {last} --to {last}
  {ecom} doctor
  {name}/lake                         the lake: one Parquet file a day and dataset""",
        markup=False,
    )
