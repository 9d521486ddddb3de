"""Which failures follow from others, so that one cause is told once."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, TypeGuard

from ecom_platform.incidents.model import NO_DAY, PUBLISHED, VALUE, Failing, Incident, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from ecom_platform.incidents.model import Fact, State

    #: Asset -> each asset that it is computed from, near or far -> how many days further back.
    Lineage = Mapping[str, Mapping[str, int]]

#: For so long after its parent is well, a child may still be made well by a run that follows.
GRACE = timedelta(hours=1)


def find_parents(state: State, lineage: Lineage, now: datetime) -> None:
    """Note of each failing day which other incident it follows from.

    That is one of an asset that it is computed from, whose day was not published or has an error;
    or of a check of the same asset that kept the same run from publishing it; or, of assets that
    one run could not publish for one reason, the one nearest to the source; or, of metrics that
    moved the same way on the same day, as on a busy one, the worst, or first, of them.
    """
    living = [incident for incident in state.incidents if incident.days and not incident.notice]
    # No incident follows from one that comes after it: else two could wait for each other.
    living.sort(key=lambda one: (len(lineage.get(one.asset, ())), one.asset, int(one.id)))
    before = {
        (incident.id, day): failing.parent
        for incident in living
        for day, failing in incident.days.items()
    }
    for place, incident in enumerate(living):
        for day, failing in incident.days.items():
            failing.parent = next(_parents(incident, day, failing, living[:place], lineage), None)
    for moved in _moves(living):
        # Whoever leads follows from nothing, so that here no two wait for each other either.
        leader, day = min(moved, key=lambda move: _rank(*move, lineage))
        for incident, _ in moved:
            if incident is not leader:
                incident.days[day].parent = leader.id
    known = {incident.id: incident for incident in living}
    for incident in living:
        for day, failing in incident.days.items():
            parent = before[incident.id, day]
            if failing.parent is None and parent and not _leads(incident, known.get(parent), day):
                failing.freed_at = now + GRACE


def _leads(incident: Incident, other: Incident | None, day: str) -> bool:
    """Say whether another incident follows from this one: what is worse now waits for nothing."""
    failing = other.days.get(day) if other else None
    return failing is not None and failing.parent == incident.id


def _moves(living: list[Incident]) -> Iterable[list[tuple[Incident, str]]]:
    """Group the metrics that moved the same way on a day: of all regions, else of each region."""
    found: dict[tuple[str, bool], list[tuple[Incident, str]]] = {}
    for incident in living:
        for day, failing in incident.days.items() if incident.check == VALUE else ():
            value, expected = failing.facts.get("value"), failing.facts.get("expected")
            if failing.parent is None and _is_number(value) and _is_number(expected):
                found.setdefault((day, value > expected), []).append((incident, day))
    groups: dict[tuple[str, bool, str], list[tuple[Incident, str]]] = {}
    for (day, up), moved in found.items():
        whole = any(incident.region is None for incident, _ in moved)
        for incident, _ in moved:
            region = "" if whole else incident.region or ""
            groups.setdefault((day, up, region), []).append((incident, day))
    return groups.values()


def _is_number(fact: Fact | None) -> TypeGuard[int | float]:
    return isinstance(fact, int | float)


def _rank(incident: Incident, day: str, lineage: Lineage) -> tuple[bool, bool, int, int, str, int]:
    """Order metrics that moved: errors, then all regions, then whose numbers others are made of."""
    return (
        incident.days[day].severity is not Severity.ERROR,
        incident.region is not None,
        len(lineage.get(incident.asset, ())),
        -sum(incident.asset in above for above in lineage.values()),
        incident.asset,
        int(incident.id),
    )


def _parents(
    child: Incident, day: str, failing: Failing, before: list[Incident], lineage: Lineage
) -> Iterator[str]:
    above = lineage.get(child.asset, {})
    for one in before:
        if one.asset in above:
            if any(
                _is_needed(found, day, above[one.asset]) and _breaks(one, how)
                for found, how in one.days.items()
            ):
                yield one.id
        elif one.asset == child.asset and child.check == PUBLISHED != one.check:
            same = one.days.get(day)
            if same and same.run == failing.run and same.severity is Severity.ERROR:
                yield one.id
        elif one.check == child.check == PUBLISHED and one.asset != child.asset:
            same = one.days.get(day)
            if same and (same.run, same.reason) == (failing.run, failing.reason):
                yield one.id


def _breaks(incident: Incident, failing: Failing) -> bool:
    return incident.check == PUBLISHED or failing.severity is Severity.ERROR


def _is_needed(found: str, day: str, back: int) -> bool:
    if NO_DAY in (found, day):
        return found == day
    return 0 <= (date.fromisoformat(day) - date.fromisoformat(found)).days <= back


def root(state: State, incident: Incident, day: str) -> str:
    """Return the id of the incident that tells of a day: the last of its line of parents."""
    known = {one.id: one for one in state.incidents}
    while (failing := incident.days.get(day)) and failing.parent in known:
        parent = known[failing.parent]
        if day not in parent.days:
            return parent.id
        incident = parent
    return incident.id
