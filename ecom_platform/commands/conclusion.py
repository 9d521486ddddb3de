"""The last lines of a command that made something: checks, incidents, pages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from ecom_platform.automation.catalog import Catalog
from ecom_platform.automation.incidents import take_in_runs
from ecom_platform.check_results import Verdict, count
from ecom_platform.commands.outcome import DONE, SOME_DAYS_FAILED
from ecom_platform.errors import EcomError
from ecom_platform.findings import several
from ecom_platform.incidents.messages import listed, where
from ecom_platform.incidents.model import Severity
from ecom_platform.lake.pages import DAILY
from ecom_platform.lake.storage import open_storage

if TYPE_CHECKING:
    from datetime import date

    from rich.console import Console

    from ecom_platform.commands.outcome import Outcome
    from ecom_platform.incidents.model import Incident
    from ecom_platform.settings import Settings

#: Incidents that are named.
SHOWN = 5


def print_conclusion(
    settings: Settings, outcome: Outcome, first: date, last: date, console: Console
) -> None:
    """Say how a run over days ended: days, checks, incidents, and whether a page shows them."""
    total = (last - first).days + 1
    span = f"{total} days, {first} to {last}," if total > 1 else str(first)
    checks = count(outcome.checks)
    said, style = {
        Verdict.PASSED: (f"✓ {span} published.", "green"),
        Verdict.WARNED: (f"! {span} published, with warnings.", "yellow"),
        Verdict.FAILED: (f"✗ {span} published, but checks failed.", "red"),
    }[checks.verdict]
    if outcome.code == SOME_DAYS_FAILED:
        bad = several(len(outcome.bad_days), "day", "days")
        said, style = f"✗ {bad} of {total} not published in every dataset.", "red"
    if outcome.code in (DONE, SOME_DAYS_FAILED):
        console.print(said, style=style)
    if checks.total:
        console.print(f"  {checks.sentence}.")
    print_incidents(settings, outcome.run, console)
    if outcome.code == DONE:
        console.print(f"  {_page(settings)}", markup=False)


def print_incidents(settings: Settings, run: str, console: Console) -> None:
    """Make incidents of what a run says, and name those that it is in."""
    from ecom_platform.definitions import defs

    catalog, now = Catalog(defs.get_repository_def().asset_graph), datetime.now(UTC)
    try:
        with dg.DagsterInstance.get() as instance:
            state = take_in_runs(settings, instance, catalog, now)
            began = instance.get_run_stats(run).start_time or 0
    except EcomError as error:
        told = f"! Incidents are made at the next tick of Dagster's sensor instead: {error}"
        console.print(told, style="yellow", markup=False)
        return
    own = [one for one in state.open if any(day.run == run for day in one.days.values())]
    causes = [one for one in state.causes(now) if one in own]
    causes.sort(key=lambda one: one.severity is not Severity.ERROR)
    for one in causes[:SHOWN]:
        new = "is new" if one.opened_at.timestamp() >= began else "goes on"
        console.print(f"  Incident {one.id} {new}: {_about(one)}", markup=False)
    more = [f"{len(causes) - SHOWN} more"] if causes[SHOWN:] else []
    more += [f"{len(own) - len(causes)} that follow from others"] if own[len(causes) :] else []
    if own:
        console.print(f"  {' and '.join(['See them', *more])}: ecom incidents list")


def _about(incident: Incident) -> str:
    days = listed(incident.days)
    return f"{where(incident)} {incident.check}" + (f", {days}" if days else "")


def _page(settings: Settings) -> str:
    try:
        day = DAILY.day(open_storage(settings.pages))
    except EcomError as error:
        return f"The page cannot be read: {error}"
    if not day:
        return "No page is made of it yet. Make it: ecom pages"
    return f"The page shows what was there when it was made, up to {day}. Make it anew: ecom pages"
