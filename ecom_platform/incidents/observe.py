"""What answers and people do to incidents: they open, worsen, recover, are acknowledged or fine.

Whether somebody is told is decided in `policy.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecom_platform.errors import EcomError
from ecom_platform.incidents.model import Accepted, Act, Failing, Incident, Severity
from ecom_platform.privacy import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from ecom_platform.incidents.model import Observation, State

RECOVERED, FINE, TOLD = "recovered", "fine", "told"
#: A reason may be an error message of many lines.
REASON = 1500


def observe(state: State, observations: Iterable[Observation]) -> None:
    """Take in answers, in the order in which they were given."""
    for seen in observations:
        if seen.passed:
            _pass(state, seen)
        else:
            _fail(state, seen)


def _pass(state: State, seen: Observation) -> None:
    for accepted in list(state.accepted):
        if seen.day in accepted.days and _speaks_of(seen, accepted):
            accepted.days.remove(seen.day)
            if not accepted.days:
                state.accepted.remove(accepted)
    for incident in state.incidents:
        if incident.notice or not _speaks_of(seen, incident):
            continue
        failing = incident.days.get(seen.day)
        if failing and failing.at <= seen.at:
            _end_days(incident, [seen.day])
            if not incident.days:
                incident.closed = Act(at=seen.at, what=RECOVERED)
                incident.log.append(incident.closed)


def _speaks_of(seen: Observation, one: Incident | Accepted) -> bool:
    """Say whether a pass is one of what an incident is about."""
    if (one.check, one.asset) != (seen.check, seen.asset):
        return False
    return one.region == seen.region or (seen.region is None and one.region not in seen.but)


def _accepted(state: State, one: Incident | Observation) -> Accepted | None:
    about = (one.check, one.asset, one.region)
    found = (a for a in state.accepted if (a.check, a.asset, a.region) == about)
    return next(found, None)


def _fail(state: State, seen: Observation) -> None:
    accepted = _accepted(state, seen)
    if accepted and seen.day in accepted.days:
        return
    about = (seen.check, seen.asset, seen.region)
    same = (one for one in state.incidents if (one.check, one.asset, one.region) == about)
    incident = next((one for one in same if _lives(one)), None)
    if incident is None:
        incident = Incident(
            id=str(state.next_id),
            check=seen.check,
            asset=seen.asset,
            region=seen.region,
            opened_at=seen.at,
            severity=seen.severity,
            worst=seen.severity,
            log=[Act(at=seen.at, what="opened")],
        )
        state.next_id += 1
        state.incidents.append(incident)
    before = incident.days.get(seen.day)
    if before and seen.at < before.at:
        return
    if incident.closed:
        incident.closed = None
        incident.log.append(Act(at=seen.at, what="failed again"))
    incident.question, incident.owner = redact(seen.about.question), seen.about.owner
    incident.runbook, incident.notice = seen.about.runbook, seen.about.notice
    facts = {
        redact(name): redact(fact) if isinstance(fact, str) else fact
        for name, fact in seen.facts.items()
    }
    if before and incident.notice:
        facts = before.facts | facts
    incident.days[seen.day] = Failing(
        since=before.since if before else seen.at,
        at=seen.at,
        severity=seen.severity,
        times=before.times + 1 if before else 1,
        run=seen.run,
        reason=redact(seen.reason)[:REASON],
        facts=facts,
        parent=before.parent if before else None,
        freed_at=before.freed_at if before else None,
    )
    incident.times += 1
    incident.ever = sorted({*incident.ever, seen.day})
    incident.severity = _worst(incident)
    if incident.severity is Severity.ERROR:
        incident.worst = Severity.ERROR


def _worst(incident: Incident) -> Severity:
    bad = any(day.severity is Severity.ERROR for day in incident.days.values())
    return Severity.ERROR if bad else Severity.WARN


def _lives(incident: Incident) -> bool:
    """Say whether a new failure belongs to it: one that recovered before it was told goes on."""
    return incident.closed is None or incident.closed.what == RECOVERED


def _end_days(incident: Incident, days: Sequence[str]) -> None:
    for day in days:
        del incident.days[day]
        if incident.told:
            incident.told.days.pop(day, None)  # if it fails again, that is news
    if incident.days:
        incident.severity = _worst(incident)


def acknowledge(state: State, name: str, now: datetime, by: str, note: str) -> Incident:
    """Note that somebody looks after an incident: no reminders are sent.

    Raises:
        EcomError: No such incident is open.
    """
    incident = find_open(state, name)
    incident.acknowledged = Act(at=now, what="acknowledged", by=redact(by), note=redact(note))
    incident.log.append(incident.acknowledged)
    return incident


def call_fine(
    state: State, name: str, days: Sequence[str], now: datetime, by: str, note: str
) -> tuple[Incident, list[str]]:
    """Note that days were as they should be: they count no more until they have passed once.

    Args:
        state: All incidents.
        name: Id of the incident.
        days: Which of its days; none: all of them.
        now: The moment.
        by: Who says so.
        note: Why.

    Returns:
        The incident, closed where no day is left, and the days.

    Raises:
        EcomError: No such incident is open, or a day of these does not fail.
    """
    incident = find_open(state, name)
    wanted = list(days) or list(incident.days)
    for day in wanted:
        if day not in incident.days:
            raise EcomError(
                f"Incident {incident.id} has no failing day {day}.",
                hint=f"See its days: ecom incidents show {incident.id}",
            )
    accepted = _accepted(state, incident)
    if accepted is None:
        accepted = Accepted(check=incident.check, asset=incident.asset, region=incident.region)
        state.accepted.append(accepted)
    accepted.days = sorted({*accepted.days, *wanted})
    _end_days(incident, wanted)
    act = Act(at=now, what=FINE, by=redact(by), note=redact(note))
    incident.log.append(act)
    if not incident.days:
        incident.closed = act
    return incident, wanted


def find_open(state: State, name: str) -> Incident:
    """Return an open incident by its id.

    Raises:
        EcomError: There is none.
    """
    for incident in state.incidents:
        if incident.id == name and incident.closed is None:
            return incident
    raise EcomError(
        f"No incident {redact(name)} is open.", hint="See those that are: ecom incidents list"
    )
