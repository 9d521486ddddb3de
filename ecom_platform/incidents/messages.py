"""What an alert says: what is wrong, where, what was expected, since when, and what to do."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from ecom_platform.calendar import ranges
from ecom_platform.incidents.model import NO_DAY, Kind, Severity
from ecom_platform.incidents.parents import root
from ecom_platform.privacy import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from ecom_platform.incidents.model import Failing, Incident, State
    from ecom_platform.settings import Settings

#: What a message spells out: ranges of days, days with what was seen, what follows from it.
RANGES, DAYS, CHILDREN = 6, 3, 20
#: A reason is shown up to so many lines.
LINES = 8
#: The fact that says what should have been; a count of what is broken should have been none.
EXPECTED, BROKEN = "expected", "broken"


class Messages:
    """Writes alerts.

    Args:
        settings: The address of Dagster, and the business timezone.
    """

    def __init__(self, settings: Settings) -> None:
        self._dagster = settings.dagster_url and settings.dagster_url.rstrip("/")
        self._zone = settings.calendar.zone

    def write(self, state: State, incident: Incident, kind: Kind, now: datetime) -> tuple[str, str]:
        """Return subject and text, without personal data.

        Args:
            state: All incidents: those that follow from this one are listed.
            incident: What it is about, with what is new in it.
            kind: What is to be said.
            now: The moment.
        """
        recovered = kind is Kind.RECOVERED
        days = listed(incident.ever if recovered else incident.own_days(now))
        lines = [*self._what(incident, kind, days), *self._seen(incident, now)]
        if recovered and incident.closed:
            lasted = _lasted(incident, incident.closed.at)
            lines.append(f"Well since:  {self._moment(incident.closed.at)}, after {lasted}")
        else:
            lines.append(
                f"Since:       {self._moment(incident.opened_at)}, seen {_times(incident.times)}"
            )
        if incident.owner:
            lines.append(f"Owner:       {incident.owner}")
        run = max(incident.days.values(), key=lambda d: d.at).run if incident.days else ""
        if run:
            lines.append(f"Run:         {self.link(run)}")
        if incident.runbook and not recovered:
            lines.append(f"Runbook:     {incident.runbook}")
        if incident.acknowledged and not recovered:
            lines.append(f"Looked at:   by {incident.acknowledged.by}")
        lines += self._children(state, incident)
        lines += ["", f"Incident {incident.id}, alert {incident.id}.{incident.alerts}"]
        if not recovered and not incident.notice:
            lines += [
                f"I look after it:       ecom incidents ack {incident.id}",
                f"It is as it should be: ecom incidents fine {incident.id}",
            ]
        return redact(_headline(incident, kind, days)), redact("\n".join(lines))

    def link(self, run: str) -> str:
        """Return where a run is seen, or its id."""
        return f"{self._dagster}/runs/{run}" if self._dagster else run

    def _moment(self, moment: datetime) -> str:
        return f"{moment.astimezone(self._zone):%Y-%m-%d %H:%M} {self._zone.key}"

    def _what(self, incident: Incident, kind: Kind, days: str) -> Iterator[str]:
        if incident.question:
            no = "Yes, again." if kind is Kind.RECOVERED else "No."
            yield f"{incident.question}" if incident.notice else f"{incident.question} {no}"
            yield ""
        yield f"Where:       {incident.asset}" + (
            f", region {incident.region}" if incident.region is not None else ""
        )
        if days:
            yield f"Days:        {days}"

    def _seen(self, incident: Incident, now: datetime) -> Iterator[str]:
        own = incident.own_days(now)
        shown = [(day, incident.days[day]) for day in sorted(own, reverse=True)]
        for day, failing in shown[:DAYS]:
            found, expected = _facts(failing)
            if found:
                yield f"Found:       {found}" + (f"  ({day})" if day and len(shown) > 1 else "")
            if expected:
                yield f"Expected:    {expected}"
        if len(shown) > DAYS and any(failing.facts for _, failing in shown):
            yield f"             … and {len(shown) - DAYS} more days"
        for reason in dict.fromkeys(failing.reason for _, failing in shown[:DAYS]):
            if reason:
                first, *more = reason.splitlines()[:LINES]
                yield f"Reason:      {first}"
                yield from (f"             {line.strip()}" for line in more)

    def _children(self, state: State, incident: Incident) -> Iterator[str]:
        found = {
            f"{where(one)} {one.check}": [
                day
                for day, failing in one.days.items()
                if failing.parent and root(state, one, day) == incident.id
            ]
            for one in state.incidents
            if one is not incident
        }
        children = {name: days for name, days in found.items() if days}
        if children:
            yield ""
            yield f"{len(children)} more follow from it, and are not told apart:"
            for name, days in sorted(children.items())[:CHILDREN]:
                yield f"  {name}, {listed(days)}"
            if len(children) > CHILDREN:
                yield f"  … and {len(children) - CHILDREN} more"


def where(incident: Incident) -> str:
    """Return the asset, with the region if it is about one."""
    return incident.asset + (f" ({incident.region})" if incident.region is not None else "")


def _headline(incident: Incident, kind: Kind, days: str) -> str:
    about = f"{where(incident)}: {incident.check}" + (f", {days}" if days else "")
    if incident.notice:
        return about
    level = "Error" if incident.severity is Severity.ERROR else "Warning"
    return {
        Kind.OPENED: f"{level}: {about}",
        Kind.WORSENED: f"{level}, worse: {about}",
        Kind.REMINDED: f"{level}, still open: {about}",
        Kind.RECOVERED: f"Recovered: {about}",
    }[kind]


def _facts(failing: Failing) -> tuple[str, str]:
    facts = dict(failing.facts)
    expected = str(facts.pop(EXPECTED, "0 broken" if BROKEN in facts else ""))
    told = sorted(facts.items(), key=lambda fact: fact[0] != BROKEN)
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in told), expected


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _lasted(incident: Incident, end: datetime) -> str:
    minutes = int((end - incident.opened_at).total_seconds() // 60)
    for unit, size in (("day", 24 * 60), ("hour", 60)):
        if minutes >= 2 * size:
            return f"{minutes // size} {unit}s"
    return "a minute" if minutes <= 1 else f"{minutes} minutes"


def listed(days: Iterable[str]) -> str:
    """Return days for people: `2026-03-01 to 2026-03-03, 2026-03-07`, the newest where many."""
    found = ranges(date.fromisoformat(day) for day in days if day != NO_DAY)
    return ("… " if len(found) > RANGES else "") + ", ".join(found[-RANGES:])
