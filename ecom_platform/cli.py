"""The command line: how `ecom` is spelled, its errors and its exit codes.

Exit codes: 0 done; 1 an error, told in one message; 2 some days were not published, or
do not exist, and the others were.
"""

from __future__ import annotations

import sys
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ecom_platform import __version__
from ecom_platform.errors import EcomError
from ecom_platform.privacy import redact
from ecom_platform.settings import load_settings

app = typer.Typer(
    help="The daily analytics platform of an e-commerce company.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_DAY = typer.Option(formats=["%Y-%m-%d"], metavar="YYYY-MM-DD")
From = Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day.")]
To = Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day.")]


class Format(StrEnum):
    """How `show` prints."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


class FileFormat(StrEnum):
    """What `export` writes."""

    CSV = "csv"
    PARQUET = "parquet"


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    *,
    debug: Annotated[
        bool, typer.Option("--debug", help="Print the traceback of an error too.")
    ] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    context.obj = debug
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def demo(
    *,
    orders: Annotated[int, typer.Option(min=1000, help="Orders of the made-up shop.")] = 300_000,
    days: Annotated[int, typer.Option(min=7, help="Closed days to materialize.")] = 120,
    folder: Annotated[Path, typer.Option(help="Where everything is kept.")] = Path(".demo"),
) -> None:
    """Run the whole platform on a made-up shop in a real database."""
    from ecom_platform.commands.demo import run_demo

    raise typer.Exit(run_demo(orders, days, folder))


@app.command()
def dev(
    *,
    folder: Annotated[Path, typer.Option(help="The demo's folder.")] = Path(".demo"),
    port: Annotated[int, typer.Option(help="Port of the Dagster UI.")] = 3000,
) -> None:
    """Open the Dagster UI on the demo's lake, or on the environment's where no demo was run."""
    from ecom_platform.commands.demo import open_dagster

    open_dagster(folder, port)


@app.command()
def doctor() -> None:
    """Check settings, source, lake, alert channels and the Dagster instance."""
    from ecom_platform.commands.doctor import examine

    raise typer.Exit(examine())


@app.command()
def run(first: From, last: To) -> None:
    """Materialize a range of days through Dagster, in one run."""
    from ecom_platform.commands.run import run_range

    raise typer.Exit(run_range(load_settings(), first.date(), last.date()))


@app.command()
def show(
    metric: Annotated[str, typer.Argument(help="Such as total_revenue.")],
    first: From,
    last: To,
    *,
    region: Annotated[str | None, typer.Option(help="Only this region, or `all`.")] = None,
    format: Annotated[Format, typer.Option(help="How to print.")] = Format.TABLE,  # noqa: A002 - the option's name
) -> None:
    """Print a metric: a row per day and region, with all its columns."""
    from ecom_platform.commands.show import show_metric

    raise typer.Exit(
        show_metric(load_settings(), metric, first.date(), last.date(), region, format.value)
    )


@app.command()
def export(
    dataset: Annotated[str, typer.Argument(help="A metric, or layer/name: cleaned/orders.")],
    first: From,
    last: To,
    *,
    to: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    format: Annotated[  # noqa: A002 - the option's name
        FileFormat, typer.Option(help="Of the file.")
    ] = FileFormat.CSV,
) -> None:
    """Write days of a dataset to one file. Personal data is left out."""
    from ecom_platform.commands.show import export_dataset

    raise typer.Exit(
        export_dataset(load_settings(), dataset, first.date(), last.date(), to, format.value)
    )


def main() -> None:
    """Run the command line; an error is one message, and its traceback only with --debug."""
    try:
        app()
    except EcomError as error:
        if "--debug" in sys.argv:
            raise
        message = redact(str(error))
        Console(stderr=True, highlight=False).print(f"[bold red]Error:[/] {_plain(message)}")
        sys.exit(1)


def _plain(text: str) -> str:
    return text.replace("[", r"\[")
