"""What `ecom demo` prints at its end: the figures, where the time went, and what to look at."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from datetime import date

    from rich.console import Console

    from ecom_platform.settings import Settings


def print_kpis(settings: Settings, first: date, last: date, console: Console) -> None:
    """Print the figures of some days, a row for each."""
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


def print_seconds(total: dict[str, float], steps: dict[str, float], console: Console) -> None:
    """Print what took how long; of the run, its steps too."""
    console.print("\n[bold]Where the seconds went[/]")
    table = Table("what")
    table.add_column("seconds", justify="right")
    for what, seconds in total.items():
        table.add_row(what, f"{seconds:.1f}")
        if what.endswith("through Dagster"):
            _add_steps(table, seconds, steps)
    table.add_row("all", f"{sum(total.values()):.1f}", style="bold")
    console.print(table)


def _add_steps(table: Table, whole: float, steps: dict[str, float]) -> None:
    for prefix, what in (
        ("raw__", "extract from PostgreSQL"),
        ("clean_", "clean and quarantine"),
        ("metrics__", "compute metrics"),
        ("check_", "check"),
    ):
        spent = sum(s for step, s in steps.items() if step.startswith(prefix))
        table.add_row(f"  of which {what}", f"{spent:.1f}")
    other = whole - sum(steps.values())
    table.add_row("  of which planning and loading", f"{other:.1f}")


def print_next(folder: str, environment: str, ecom: str, days: str, console: Console) -> None:
    """Print commands to go on with.

    Args:
        folder: Of the demo, as it is shortest from here.
        environment: The file of its settings, in that folder.
        ecom: How the command is called.
        days: The options that name the last days.
        console: Where to.
    """
    option = "" if folder == ".demo" else f" --folder {shlex.quote(folder)}"
    environment = shlex.quote(f"{folder}/{environment}")
    console.print("\n[bold]What to look at next[/]")
    for what, commands in (
        (
            "The page of the morning, in a browser",
            [f"{shlex.quote(f'{folder}/lake/dashboards/latest/index.html')}"],
        ),
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
