"""How `ecom demo` and `ecom dev` are spelled; what they do is in `commands/demo.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    context: typer.Context,
    *,
    orders: Annotated[
        int, typer.Option(min=1000, metavar="NUMBER", help="Orders of the made-up shop.")
    ] = 300_000,
    days: Annotated[
        int, typer.Option(min=7, max=3660, metavar="NUMBER", help="Days up to yesterday.")
    ] = 120,
    folder: Annotated[Path, typer.Option(metavar="FOLDER", help="Where it all is kept.")] = Path(
        ".demo"
    ),
    stop: Annotated[
        bool, typer.Option("--stop", help="Only stop the database that a demo left running.")
    ] = False,
) -> int:
    """Make up a shop in a real database, and run on it."""
    from ecom_platform.commands.demo import run_demo, stop_demo

    if stop:
        return stop_demo(folder)
    return run_demo(orders, days, folder, debug=bool(context.obj))


def dev(
    *,
    folder: Annotated[Path, typer.Option(metavar="FOLDER", help="The demo's.")] = Path(".demo"),
    port: Annotated[int, typer.Option(metavar="NUMBER", help="Of the web page.")] = 3000,
) -> None:
    """Open Dagster's web page on the demo.

    Where no demo was run, on the lake and source of the environment.
    """
    from ecom_platform.commands.demo import open_dagster

    open_dagster(folder, port)
