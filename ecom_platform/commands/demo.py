"""`ecom demo` and `ecom dev`: a made-up shop in a real database, materialized and looked at."""

from __future__ import annotations

import os
import shlex
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

from ecom_platform.commands.formats import messages
from ecom_platform.settings import CODE_LOCATION, load_settings

if TYPE_CHECKING:
    from collections.abc import Generator
    from datetime import date

    from ecom_platform.settings import Settings

ENVIRONMENT = "demo.env"
DATABASE = "postgres"
SHOWN_DAYS = 7

#: As the project's own workspace.yaml, which an installed package does not have.
WORKSPACE = f"""\
load_from:
  - python_module:
      module_name: ecom_platform.definitions
      location_name: {CODE_LOCATION}
"""

#: Dagster recommends `dg dev`, which starts the same services but is not installed with them.
QUIETLY = ("-W", "ignore:Function `dev_command` is superseded")


def run_demo(orders: int, days: int, folder: Path, *, debug: bool) -> int:
    """Make the shop, materialize its last closed days, show them; return the exit code."""
    from ecom_platform.commands.outcome import DONE
    from ecom_platform.commands.progress import terminal
    from ecom_platform.commands.run import execute_range
    from ecom_platform.sources.embedded_postgres import start_postgres

    seconds: dict[str, float] = {}
    last = datetime.now(UTC).date() - timedelta(days=1)
    first = last - timedelta(days=days - 1)
    shown_folder = _shown(folder)
    folder = folder.expanduser().absolute()
    with terminal() as console:
        with _timed(seconds, "start PostgreSQL", console):
            address = start_postgres(folder / DATABASE)
        with _timed(seconds, f"make a shop of {orders:,} orders", console):
            _make_shop(address, orders, first, last, console)
        write_environment(folder, address, first)
        ecom = _own_command()
        settings = _use_environment(folder)
        with _timed(seconds, f"materialize {days} days through Dagster", console):
            outcome = execute_range(first, last, console)
        outcome.print_problems(console, debug=debug)
    if outcome.code == DONE:
        console = Console(highlight=False)
        shown = max(first, last - timedelta(days=SHOWN_DAYS - 1))
        _print_kpis(settings, shown, last, console)
        _print_seconds(seconds, outcome.seconds, console)
        _print_next(shown_folder, ecom, f"--from {shown} --to {last}", console)
    return outcome.code


def stop_demo(folder: Path) -> int:
    """Stop the demo's database; return the exit code."""
    from ecom_platform.sources.embedded_postgres import stop_postgres

    stop_postgres(folder / DATABASE)
    return 0


def open_dagster(folder: Path, port: int) -> None:
    """Become `dagster dev`, with the demo's environment where a demo was run."""
    from ecom_platform.commands.run import prepare_instance
    from ecom_platform.sources.embedded_postgres import start_postgres

    folder = folder.expanduser().absolute()
    if (folder / ENVIRONMENT).exists():
        start_postgres(folder / DATABASE)
        _use_environment(folder)
    else:
        prepare_instance(messages())
    workspace = Path(os.environ["DAGSTER_HOME"]) / "workspace.yaml"
    workspace.write_text(WORKSPACE)
    command = [sys.executable, *QUIETLY, "-m", "dagster", "dev", "-w", str(workspace)]
    # The very point: no shell between.
    os.execv(sys.executable, [*command, "-p", str(port)])  # noqa: S606


def _make_shop(address: str, orders: int, first: date, last: date, console: Console) -> None:
    from ecom_platform.sources.demo_shop import DemoShop, load_demo_shop

    shop = DemoShop(orders=orders, first_day=first, last_day=last)
    with Progress(
        TextColumn("orders"),
        BarColumn(20),
        TextColumn("{task.completed:,}/{task.total:,}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("orders", total=orders)
        load_demo_shop(
            address, shop, lambda done, total: bar.update(task, completed=done, total=total)
        )


def write_environment(folder: Path, shop: str, first: date) -> None:
    """Leave the settings of a demo in its folder: its database, its lake, its first day."""
    values = {
        "ECOM_SOURCE": shop,
        "ECOM_LAKE": str(folder / "lake"),
        "ECOM_START_DATE": first.isoformat(),
        # Whoever looks on does not wait for minutes.
        "ECOM_CHANGE_CHECK_MINUTES": "1",
        "DAGSTER_HOME": str(folder),
    }
    lines = [f"{name}={shlex.quote(value)}" for name, value in values.items()]
    (folder / ENVIRONMENT).write_text("\n".join(lines) + "\n")


def read_environment(folder: Path) -> dict[str, str]:
    """Return the settings that a demo has left in its folder."""
    lines = (folder / ENVIRONMENT).read_text().splitlines()
    values = (line.partition("=") for line in lines)
    return {name: shlex.split(value)[0] for name, _, value in values}


def _use_environment(folder: Path) -> Settings:
    """Make the demo's settings the only ones: not the user's own, nor those of a `.env` file."""
    for name in [name for name in os.environ if name.startswith("ECOM_")]:
        del os.environ[name]
    os.environ |= read_environment(folder)
    os.chdir(folder)
    from ecom_platform.commands.run import prepare_instance

    prepare_instance(messages())
    return load_settings()


@contextmanager
def _timed(seconds: dict[str, float], what: str, console: Console) -> Generator[None]:
    start = time.monotonic()
    yield
    seconds[what] = time.monotonic() - start
    console.print(f"[green]✓[/] {what} [dim]({seconds[what]:.1f} s)[/]")


def _print_kpis(settings: Settings, first: date, last: date, console: Console) -> None:
    from ecom_platform.commands.show import read_days

    columns = {
        "total_revenue": ("revenue", "{:,.2f}"),
        "total_orders": ("orders", "{:,}"),
        "total_customers": ("customers", "{:,}"),
        "average_order_value": ("average order", "{:,.2f}"),
        "customer_retention_rate": ("retention", "{:.1%}"),
    }
    days: dict[str, list[str]] = {}
    for metric, (_, form) in columns.items():
        for row in read_days(settings, metric, first, last, "all"):
            shown = "-" if row[metric] is None else form.format(row[metric])
            days.setdefault(str(row["date"]), []).append(shown)
    console.print(f"\n[bold]The last {len(days)} days, all regions[/]")
    table = Table("day")
    for title, _ in columns.values():
        table.add_column(title, justify="right")
    for day, values in sorted(days.items()):
        table.add_row(day, *values)
    console.print(table)


def _print_seconds(total: dict[str, float], steps: dict[str, float], console: Console) -> None:
    console.print("\n[bold]Where the seconds went[/]")
    table = Table("what")
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
    other = [*total.values()][-1] - sum(steps.values())
    table.add_row("  of which planning and loading", f"{other:.1f}")
    table.add_row("all", f"{sum(total.values()):.1f}", style="bold")
    console.print(table)


def _print_next(folder: str, ecom: str, days: str, console: Console) -> None:
    option = "" if folder == ".demo" else f" --folder {shlex.quote(folder)}"
    environment = shlex.quote(f"{folder}/{ENVIRONMENT}")
    console.print("\n[bold]What to look at next[/]")
    for what, commands in (
        ("Every run, day and number in Dagster, at http://localhost:3000", [f"{ecom} dev{option}"]),
        (
            "Any metric on the command line",
            [
                f"set -a; . {environment}; set +a",
                f"{ecom} show total_revenue {days}",
                f"{ecom} doctor",
            ],
        ),
        ("The shop going on, for Dagster to follow", [f"{ecom} shop live{option} --for 60"]),
        (
            "The lake itself: one Parquet file for each day of a dataset",
            [f"ls {shlex.quote(f'{folder}/lake')}"],
        ),
        ("When you have seen enough, stop the database", [f"{ecom} demo{option} --stop"]),
    ):
        console.print(f"  {what}")
        for command in commands:
            console.print(f"    {command}", style="cyan", markup=False, soft_wrap=True)


def _shown(path: Path) -> str:
    """Return a path as it is shortest from here."""
    path = path.expanduser().absolute()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _own_command() -> str:
    """Return how this very command is called again from here."""
    ecom = Path(sys.executable).parent / "ecom"
    if not ecom.exists() or shutil.which("ecom") == str(ecom):
        return "ecom"
    return shlex.quote(_shown(ecom))
