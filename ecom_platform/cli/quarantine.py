"""How `ecom quarantine` is spelled; what it does is in `commands/quarantine.py`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from ecom_platform.commands.options import Format, FromAny, ToAny

app = typer.Typer(
    help="Look into the rows that were set aside, and try them again.", no_args_is_help=True
)


class Table(StrEnum):
    """A table of the source."""

    ORDERS = "orders"
    CUSTOMERS = "customers"
    PAYMENTS = "payments"


OnlyTable = Annotated[Table | None, typer.Option(help="Only rows of this table.")]
Printed = Annotated[Format, typer.Option(help="How to print.")]


@app.command("list")
def list_(
    table: OnlyTable = None,
    first: FromAny = None,
    last: ToAny = None,
    *,
    format: Printed = Format.TABLE,  # noqa: A002 - the option's name
) -> int:
    """Print how many rows are set aside, by table and reason."""
    from ecom_platform.commands.quarantine import list_reasons
    from ecom_platform.settings import load_settings

    return list_reasons(load_settings(), table and table.value, first, last, format.value)


@app.command()
def show(
    table: Annotated[Table, typer.Argument(metavar="TABLE", help="Whose rows")],
    first: FromAny = None,
    last: ToAny = None,
    *,
    reason: Annotated[
        str | None, typer.Option(metavar="REASON", help="Only rows with it, as `list` spells it.")
    ] = None,
    format: Printed = Format.TABLE,  # noqa: A002 - the option's name
) -> int:
    """Print the rows of a table: which, why, and the value that is wrong.

    CSV and JSON have all columns but those that identify a person.
    """
    from ecom_platform.commands.quarantine import show_rows
    from ecom_platform.settings import load_settings

    return show_rows(load_settings(), table.value, first, last, reason, format.value)


@app.command()
def replay(
    context: typer.Context,
    table: OnlyTable = None,
    first: FromAny = None,
    last: ToAny = None,
) -> int:
    """Make the days again that have rows set aside, once their cause is mended.

    The days are read from the source anew. Rows that are good now leave the quarantine.
    """
    from ecom_platform.commands.quarantine import replay
    from ecom_platform.settings import load_settings

    return replay(
        load_settings(), table and table.value, first, last, debug=bool(context.find_root().obj)
    )
