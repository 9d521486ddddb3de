"""How `ecom` is spelled, its errors and its exit codes.

What a command does is in `commands/`, imported when it is called: Dagster alone takes seconds.
"""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated, cast

import typer
from dotenv import load_dotenv

from ecom_platform import __version__
from ecom_platform.cli.demo import demo, dev
from ecom_platform.cli.incidents import app as incidents
from ecom_platform.cli.quarantine import app as quarantine
from ecom_platform.cli.shop import app as shop
from ecom_platform.cli.warehouse import catalog, warehouse
from ecom_platform.commands.options import AsOf, FileFormat, Format, From, FromAny, To, ToAny
from ecom_platform.errors import EcomError
from ecom_platform.privacy import redact

EXIT_CODES = """\b
Exit codes:
  0  All is done: every day was published, or found.
  1  An error, told in one message; --debug adds its traceback.
  2  Some days were not published, or were never computed; others are there.
"""

app = typer.Typer(
    help="The daily analytics platform of an e-commerce company.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.add_typer(incidents, name="incidents")
app.add_typer(quarantine, name="quarantine")
app.add_typer(shop, name="shop")
app.add_typer(warehouse, name="warehouse")
app.add_typer(catalog, name="catalog")

#: Typer has bundled click since 0.26: its usage errors have no other name in all its versions.
_UsageError = cast("type[typer.BadParameter]", typer.BadParameter.__base__)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    *,
    debug: Annotated[
        bool,
        typer.Option("--debug", help="Print an error's traceback too; before or after COMMAND."),
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Stand for the options of all commands; `main` and callbacks act on them."""


@app.command(epilog=EXIT_CODES)
def run(
    context: typer.Context,
    first: From,
    last: To,
    *,
    accept_loss: Annotated[
        bool,
        typer.Option("--accept-loss", help="Publish days that lose much of what they had, too."),
    ] = False,
) -> int:
    """Extract, clean and compute a range of days.

    All of it is one Dagster run. A day that cannot be made keeps its last good version, and
    does not keep the others from being made. So does a day of which the source has lost much;
    --accept-loss says that it is meant, and is recorded. A check holds no day back, and does not
    change the exit code: the last lines say how many failed, and which incidents are open. The
    pages are not made: that is `ecom pages`.
    """
    from ecom_platform.commands.run import run_range
    from ecom_platform.settings import load_settings

    return run_range(load_settings(), first, last, accept_loss=accept_loss, debug=bool(context.obj))


@app.command()
def pages(context: typer.Context) -> int:
    """Make the marts and the pages now, as the schedule `morning` does."""
    from ecom_platform.commands.pages import make_pages
    from ecom_platform.settings import load_settings

    return make_pages(load_settings(), debug=bool(context.obj))


@app.command(epilog=EXIT_CODES)
def show(
    metric: Annotated[str, typer.Argument(metavar="METRIC", help="Such as total_revenue.")],
    first: From,
    last: To,
    *,
    region: Annotated[
        str | None,
        typer.Option(metavar="REGION", help="Only this region; `all` for all of them together."),
    ] = None,
    as_of: AsOf = None,
    format: Annotated[Format, typer.Option(help="How to print.")] = Format.TABLE,  # noqa: A002 - the option's name
) -> int:
    """Print a metric: a row per day and region.

    CSV and JSON have every stored column, exactly. What a spreadsheet would run as a formula
    is preceded by an apostrophe in CSV.
    """
    from ecom_platform.commands.show import show_metric
    from ecom_platform.settings import load_settings

    return show_metric(load_settings(), metric, first, last, region, format.value, as_of)


@app.command(epilog=EXIT_CODES)
def restatements(
    metric: Annotated[
        str | None,
        typer.Option(metavar="METRIC", help="Only of this metric, such as total_revenue."),
    ] = None,
    first: FromAny = None,
    last: ToAny = None,
    *,
    format: Annotated[Format, typer.Option(help="How to print.")] = Format.TABLE,  # noqa: A002 - the option's name
) -> int:
    """Print what was published and changed later: when, and why.

    A row for each value that changed. A day is settled ECOM_CLOSE_AFTER_DAYS days after it is
    over.
    """
    from ecom_platform.commands.restatements import show_restatements
    from ecom_platform.settings import load_settings

    return show_restatements(load_settings(), metric, first, last, format.value)


@app.command(epilog=EXIT_CODES)
def export(
    dataset: Annotated[
        str,
        typer.Argument(metavar="DATASET", help="A metric, or layer/name such as cleaned/orders."),
    ],
    first: From,
    last: To,
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The file to write.")
    ],
    format: Annotated[  # noqa: A002 - the option's name
        FileFormat | None,
        typer.Option(help="Of the file; by default Parquet where its name ends so, else CSV."),
    ] = None,
) -> int:
    """Write days of a dataset to one file.

    Columns that identify a person are left out.
    """
    from ecom_platform.commands.export import export_dataset
    from ecom_platform.settings import load_settings

    parquet = format is FileFormat.PARQUET or (format is None and output.suffix == ".parquet")
    return export_dataset(load_settings(), dataset, first, last, output, parquet=parquet)


@app.command()
def doctor(
    aws: Annotated[
        bool,
        typer.Option("--aws", help="Check what it runs on in AWS instead: tasks, buckets, alarms"),
    ] = False,
) -> int:
    """Check settings, source, lake, alerts, Dagster; or AWS.

    Prints what it finds, and what to do about it. Ends with exit code 1 when something is
    broken. With --aws, ECOM_ECS_TASK_DEFINITION says which deployment.
    """
    from ecom_platform.commands.doctor import examine
    from ecom_platform.commands.doctor_aws import examine_aws

    return examine_aws() if aws else examine()


@app.command()
def status() -> int:
    """Print how everything is: days, checks, incidents, runs, schedules and sensors.

    Ends with exit code 1 when something is wrong. Runs whose process was killed on this machine
    are marked as failed.
    """
    from ecom_platform.commands.status import show_status
    from ecom_platform.settings import load_settings

    return show_status(load_settings())


app.command()(demo)
app.command()(dev)


def main() -> None:
    """Run the command line; an error is one message, and its traceback only with --debug."""
    # For the variables that are not the platform's own, too: AWS_*, DAGSTER_HOME.
    load_dotenv(".env")
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        sys.exit(app(arguments, prog_name="ecom", obj=debug, standalone_mode=False))
    except _UsageError as error:
        error.show()
    except typer.Abort:
        _complain("Interrupted.")
    except EcomError as error:
        if debug:
            raise
        _complain(str(error))
    except Exception as error:
        from ecom_platform.instance.errors import explain_instance_error

        if debug:
            raise
        foreseen = explain_instance_error(error)
        _complain(
            str(foreseen)
            if foreseen
            else f"{type(error).__name__}: {error}\n  What to do: This is none of the errors that "
            "the platform foresees. Run the same with --debug to see where it comes from."
        )
    sys.exit(1)


def _complain(message: str) -> None:
    from rich.text import Text

    from ecom_platform.commands.formats import messages

    messages().print(Text.assemble(("Error:", "bold red"), " ", redact(message)))
