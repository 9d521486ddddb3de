"""How `ecom shop` is spelled; what it does is in `commands/shop.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Have the demo's shop go on.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `live` a word of its own: typer would drop the name of an only command."""


@app.command()
def live(
    *,
    speed: Annotated[
        float, typer.Option(min=1, max=6000, metavar="NUMBER", help="Events per minute.")
    ] = 30,
    seconds: Annotated[
        float | None,
        typer.Option("--for", min=1, metavar="SECONDS", help="By default, until Ctrl-C."),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, metavar="NUMBER", help="Another seed is another future.")
    ] = 1,
    folder: Annotated[Path, typer.Option(metavar="FOLDER", help="The demo's.")] = Path(".demo"),
) -> int:
    """Have the demo's shop go on: orders, late payments, refunds, corrections.

    Prints a line for each event: when, what, the order and its total, and what it changed the
    revenue of each business day it touches by. Ends with a summary, on Ctrl-C too. Only ever
    writes to a database that `ecom demo` has made.
    """
    from ecom_platform.commands.shop import live

    return live(folder, speed, seconds, seed)
