"""How `ecom incidents` is spelled; what it does is in `commands/incidents.py`."""

from __future__ import annotations

from datetime import date  # noqa: TC003 - Typer reads annotations
from typing import Annotated

import typer

from ecom_platform.commands.options import Format, parse_day

app = typer.Typer(help="See what is wrong, and say who looks after it.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="Of the incident, as `list` prints it.")]
By = Annotated[
    str | None, typer.Option(metavar="NAME", help="Who says so; by default, who is logged in.")
]
Note = Annotated[str, typer.Option(metavar="TEXT", help="What others should know.")]
Printed = Annotated[Format, typer.Option(help="How to print.")]


@app.command("list")
def list_(
    *,
    closed: Annotated[
        bool, typer.Option("--closed", help="Those that are over, instead of those open.")
    ] = False,
    format: Printed = Format.TABLE,  # noqa: A002 - the option's name
) -> int:
    """Print the incidents: what fails where, since when, and who knows of it."""
    from ecom_platform.commands.incidents import list_incidents
    from ecom_platform.settings import load_settings

    return list_incidents(load_settings(), format.value, closed=closed)


@app.command()
def show(incident: Id) -> int:
    """Print all that is known of an incident, and what happened to it."""
    from ecom_platform.commands.incidents import show_incident
    from ecom_platform.settings import load_settings

    return show_incident(load_settings(), incident)


@app.command()
def ack(incident: Id, *, by: By = None, note: Note = "") -> int:
    """Look after an incident: no reminders are sent.

    What becomes worse, or well again, is told all the same.
    """
    from ecom_platform.commands.incidents import acknowledge_incident
    from ecom_platform.settings import load_settings

    return acknowledge_incident(load_settings(), incident, by, note)


@app.command()
def fine(
    incident: Id,
    *,
    day: Annotated[
        list[date] | None,
        typer.Option(
            parser=parse_day, metavar="YYYY-MM-DD", help="Only this day; may be given again."
        ),
    ] = None,
    by: By = None,
    note: Note = "",
) -> int:
    """Say that the data are as they should be: the incident closes.

    The days count no more until the check has passed on them once.
    """
    from ecom_platform.commands.incidents import call_incident_fine
    from ecom_platform.settings import load_settings

    return call_incident_fine(load_settings(), incident, day or [], by, note)
