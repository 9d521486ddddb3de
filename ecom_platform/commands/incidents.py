"""`ecom incidents`: what is wrong, who knows of it, and what people say to it."""

from __future__ import annotations

import getpass
import sys
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from rich.table import Column, Table
from rich.text import Text

from ecom_platform.commands.formats import (
    messages,
    print_table,
    write_csv,
    write_json,
    write_table,
)
from ecom_platform.commands.outcome import DONE
from ecom_platform.errors import EcomError
from ecom_platform.incidents.messages import Messages, listed
from ecom_platform.incidents.model import NO_DAY
from ecom_platform.incidents.observe import acknowledge, call_fine
from ecom_platform.incidents.outbox import undelivered
from ecom_platform.incidents.store import IncidentStore
from ecom_platform.lake.fine import mark_fine
from ecom_platform.lake.storage import open_storage
from ecom_platform.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from ecom_platform.incidents.model import Incident, State
    from ecom_platform.settings import Settings

#: What fits a terminal; the others are for programs.
SHOWN = ("id", "severity", "asset", "check", "days", "since", "status")
COLUMNS = (
    "id", "severity", "asset", "check", "region", "days", "since", "times", "status",
    "owner", "follows_from", "by", "note", "not_delivered_since",
)  # fmt: skip


@contextmanager
def _open(settings: Settings) -> Generator[IncidentStore]:
    with scratch_folder() as scratch:
        yield IncidentStore(open_storage(settings.lake), scratch)


def list_incidents(settings: Settings, form: str, *, closed: bool) -> int:
    """Print incidents as `table`, `csv` or `json`; return the exit code.

    Raises:
        LakeError: The lake cannot be read.
    """
    with _open(settings) as store:
        state = store.read()
        found = [*store.closed(), *(one for one in state.incidents if one.closed)]
    if not closed:
        found = [one for one in state.incidents if one.closed is None]
    rows = [_row(settings, state, incident) for incident in found]
    if form == "csv":
        write_csv(COLUMNS, rows, sys.stdout)
    elif form == "json":
        write_json(COLUMNS, rows)
    elif rows:
        places = [COLUMNS.index(column) for column in SHOWN]
        title = "Incidents that are over" if closed else "Open incidents"
        write_table(title, SHOWN, [[_brief(row, place) for place in places] for row in rows])
    else:
        messages().print("No incident is over yet." if closed else "No incident is open.")
    silent = undelivered(state)
    for incident, since in silent.items() if form == "table" and not closed else ():
        told = f"Not delivered since {_moment(settings, since)}: an alert of incident {incident}."
        messages().print(told, style="red")
    return DONE


def _brief(row: Sequence[Any], place: int) -> Any:
    value = row[place]
    if COLUMNS[place] == "asset" and row[COLUMNS.index("region")] is not None:
        return f"{value} ({row[COLUMNS.index('region')]})"
    if COLUMNS[place] == "status":
        parent, by = (row[COLUMNS.index(name)] for name in ("follows_from", "by"))
        return f"follows from {parent}" if parent else f"{value} by {by}" if by else value
    return value


def _row(settings: Settings, state: State, incident: Incident) -> list[Any]:
    parents = {failing.parent for failing in incident.days.values()}
    act = incident.closed or incident.acknowledged
    since = undelivered(state).get(incident.id)
    return [
        incident.id,
        incident.severity.value,
        incident.asset,
        incident.check,
        incident.region,
        listed(incident.days or incident.ever),
        _moment(settings, incident.opened_at),
        incident.times,
        incident.status,
        incident.owner,
        ", ".join(sorted(p for p in parents if p)) if None not in parents else None,
        act.by if act else None,
        act.note if act else None,
        _moment(settings, since) if since else None,
    ]


def _moment(settings: Settings, moment: datetime) -> str:
    return f"{moment.astimezone(settings.calendar.zone):%Y-%m-%d %H:%M}"


def show_incident(settings: Settings, name: str) -> int:
    """Print an incident and its history; return the exit code.

    Raises:
        EcomError: There is none with this id.
        LakeError: The lake cannot be read.
    """
    with _open(settings) as store:
        state = store.read()
        incident = next((one for one in state.incidents if one.id == name), None)
        incident = incident or store.find_closed(name)
    if incident is None:
        raise EcomError(
            f"There is no incident {name}.",
            hint="See them: ecom incidents list, or those over: ecom incidents list --closed",
        )
    table = Table.grid(Column(), Column(overflow="fold"), padding=(0, 2, 0, 0))
    for label, value in _facts(settings, state, incident):
        table.add_row(label, Text(value))
    print_table(table)
    rows = [[_moment(settings, act.at), act.what, act.by, act.note] for act in incident.log]
    write_table("\nWhat happened", ("when", "what", "by", "note"), rows)
    return DONE


def _facts(settings: Settings, state: State, incident: Incident) -> list[tuple[str, str]]:
    links = Messages(settings)
    facts = [
        ("Incident", f"{incident.id}, {incident.status}"),
        ("Question", incident.question),
        ("Where", f"{incident.asset}, {incident.check}"),
        ("Region", incident.region or ""),
        ("Severity", incident.severity.value),
        ("Owner", incident.owner),
        ("Since", _moment(settings, incident.opened_at)),
        ("Seen", f"{incident.times} times"),
        ("Days covered", listed(incident.ever)),
        ("Runbook", incident.runbook),
    ]
    for day, failing in sorted(incident.days.items()):
        seen = ", ".join(f"{fact} {value}" for fact, value in failing.facts.items())
        parent = f"follows from incident {failing.parent}" if failing.parent else ""
        run = links.link(failing.run) if failing.run else ""
        told = [text for text in (seen, failing.reason, parent, run) if text]
        facts.append((f"Fails: {day}" if day != NO_DAY else "Fails", "\n".join(told)))
    for alert in state.alerts:
        if alert.incident == incident.id:
            facts += [
                (f"Alert {alert.id}", f"waits for {delivery.channel}: {delivery.error or 'unsent'}")
                for delivery in alert.deliveries or ()
                if not delivery.delivered_at
            ]
    return [(label, value) for label, value in facts if value]


def acknowledge_incident(settings: Settings, name: str, by: str | None, note: str) -> int:
    """Note that somebody looks after an incident; return the exit code.

    Raises:
        EcomError: It is not open.
        LakeError: The lake cannot be written.
    """
    now, who = datetime.now(UTC), by or getpass.getuser()
    with _open(settings) as store:
        incident = store.update(lambda state: acknowledge(state, name, now, who, note))
    messages().print(f"Incident {incident.id} is acknowledged by {who}: no more reminders.")
    return DONE


def call_incident_fine(
    settings: Settings, name: str, days: Sequence[date], by: str | None, note: str
) -> int:
    """Note that days are as they should be, and pass it on; return the exit code.

    Raises:
        EcomError: It is not open, or a day of it does not fail.
        LakeError: The lake cannot be written.
    """
    now, who = datetime.now(UTC), by or getpass.getuser()
    wanted = [day.isoformat() for day in days]
    with _open(settings) as store:
        incident, fine = store.update(lambda state: call_fine(state, name, wanted, now, who, note))
    storage = open_storage(settings.lake)
    for day in fine:
        if day != NO_DAY:
            known = date.fromisoformat(day)
            mark_fine(storage, incident.check, incident.asset, known, incident.region, note)
    left = f"; {len(incident.days)} of its days still fail" if incident.days else ", and closed"
    messages().print(f"Incident {incident.id} is fine for {listed(fine) or 'now'}{left}.")
    return DONE
