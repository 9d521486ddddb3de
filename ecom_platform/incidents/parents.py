"""Which failures follow from others, so that one cause is told once."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from ecom_platform.incidents.model import NO_DAY, PUBLISHED, Failing, Incident, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from ecom_platform.incidents.model import State

    #: Asset -> each asset that it is computed from, near or far -> how many days further back.
    Lineage = Mapping[str, Mapping[str, int]]

#: For so long after its parent is well, a child may still be made well by a run that follows.
GRACE = timedelta(hours=1)


def find_parents(state: State, lineage: Lineage, now: datetime) -> None:
    """Note of each failing day which other incident it follows from.

    That is one of an asset that it is computed from, whose day was not published or has an error;
    or of a check of the same asset that kept the same run from publishing it; or, of assets that
    one run could not publish for one reason, the one nearest to the source.
    """
    living = [incident for incident in state.incidents if incident.days and not incident.notice]
    # No incident follows from one that comes after it: else two could wait for each other.
    living.sort(key=lambda one: (len(lineage.get(one.asset, ())), one.asset, int(one.id)))
    for place, incident in enumerate(living):
        for day, failing in incident.days.items():
            parent = next(_parents(incident, day, failing, living[:place], lineage), None)
            if failing.parent is not None and parent is None:
                failing.freed_at = now + GRACE
            failing.parent = parent


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
