"""From numbers to an answer for each day: what is out of the ordinary, and not explained.

An expected event, a day that was marked as fine, and a day at the level of one explain what
would alarm. The arithmetic is in `anomalies.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from dagster import AssetCheckSeverity

from ecom_platform.quality.anomalies import WEEK, look
from ecom_platform.quality.checks import SEVERITY, Answer
from ecom_platform.quality.events import ALL

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from datetime import date

    from ecom_platform.quality.anomalies import Outlook, Series
    from ecom_platform.quality.checks import Facts
    from ecom_platform.quality.events import Event
    from ecom_platform.quality.thresholds import AnomalyLimits

#: What is said of a day. An expected event is followed by its note.
USUAL, UNUSUAL = "as usual", "unusual"
NO_HISTORY = "not enough history"
EVENT, FINE, FINE_LEVEL = "expected event", "marked fine", "at a level that was marked fine"


@dataclass(frozen=True)
class Known:
    """What people have said of days.

    Args:
        events: What they expected.
        fine: Days and regions they marked as fine; None is every region.
    """

    events: Sequence[Event] = ()
    fine: Collection[tuple[date, str | None]] = ()

    def is_fine(self, day: date, region: str) -> bool:
        """Say whether a day was marked as fine for a region."""
        return (day, None) in self.fine or (day, region) in self.fine

    def is_usual(self, day: date, region: str) -> bool:
        """Say whether a day counts for what is usual: no event, or one that was marked fine."""
        is_event = any(event.covers(day, region) for event in self.events)
        return not is_event or self.is_fine(day, region)


@dataclass(frozen=True)
class _Finding:
    """What was found of one row on one day; `badness` is 2 for an error, 1 for a warning."""

    row: int
    badness: int
    result: str


def judge(
    series: Series,
    days: Sequence[date],
    asked: Collection[str],
    known: Known,
    limits: Callable[[str], AnomalyLimits],
    part: str = "",
) -> list[Answer]:
    """Answer for each day that is asked about, of those with enough weeks before them in `days`.

    Args:
        series: The numbers of `days`.
        days: Consecutive.
        asked: The days to answer for, ISO.
        known: What people have said.
        limits: Region -> its thresholds.
        part: What a part is, such as `status`: the name of the fact that tells it.

    Returns:
        Answers whose facts are about the worst number of the day: `value`, `expected`, `low`
        and `high` (beyond which it warns), `z`, `change`, `weeks`, `region`, the part; and
        `alarms`, how many numbers were out of the ordinary. `result` says what to make of it.
        What moves the sum is one thing, unless it is one region that does: the facts are about
        the sum, and the answer is about no region.
    """
    usual = np.array([[known.is_usual(day, r) for day in days] for r in series.regions])
    outlook = look(replace(series, usual=series.usual & usual), limits)
    judged = days[len(days) - outlook.z.shape[1] :]
    return [
        _answer(outlook, place, day, known, limits, part)
        for place, day in enumerate(judged)
        if day.isoformat() in asked
    ]


def _answer(
    outlook: Outlook,
    place: int,
    day: date,
    known: Known,
    limits: Callable[[str], AnomalyLimits],
    part: str,
) -> Answer:
    rows = np.flatnonzero(~np.isnan(outlook.z[:, place]))
    if not len(rows):
        weeks = int(outlook.weeks[:, place].max())
        return Answer(day.isoformat(), passed=True, facts={"result": NO_HISTORY, "weeks": weeks})
    found = [_find(outlook, int(row), place, day, known, limits) for row in rows]
    found.sort(key=lambda f: (f.result == UNUSUAL, f.badness, abs(outlook.z[f.row, place])))
    alarms = [finding for finding in found if finding.result == UNUSUAL]
    by_region = {outlook.regions[alarm.row]: alarm for alarm in alarms}  # the worst of each
    shown, judged = by_region.pop(ALL, None), {outlook.regions[row] for row in rows} - {ALL}
    if shown and not len(by_region) == 1 < len(judged):
        by_region = {}
    else:
        shown = max(by_region.values(), key=found.index, default=found[-1])
    return Answer(
        day.isoformat(),
        passed=not alarms,
        facts={**_facts(outlook, shown, place, part), "alarms": len(alarms)},
        severity=_severity(found[-1]),
        regions={
            region: {**_facts(outlook, alarm, place, part), SEVERITY: _severity(alarm).value}
            for region, alarm in by_region.items()
        },
    )


def _severity(finding: _Finding) -> AssetCheckSeverity:
    return AssetCheckSeverity.ERROR if finding.badness > 1 else AssetCheckSeverity.WARN


def _find(
    outlook: Outlook,
    row: int,
    place: int,
    day: date,
    known: Known,
    limits: Callable[[str], AnomalyLimits],
) -> _Finding:
    came, region = outlook.compared[row, place], outlook.regions[row]
    badness = sum(
        bool(came < low[row, place] or came > high[row, place])
        for low, high in (outlook.warn, outlook.err)
    )
    if not badness:
        return _Finding(row, 0, USUAL)
    if known.is_fine(day, region):
        return _Finding(row, badness, FINE)
    higher = bool(came > outlook.expected[row, place])
    for event in known.events:
        if event.covers(day, region) and event.explains(higher=higher):
            return _Finding(row, badness, f"{EVENT}: {event.note}".removesuffix(": "))
    if any(
        _same_level(outlook, row, place, back, limits)
        for back in _fine_before(day, region, known, limits)
    ):
        return _Finding(row, badness, FINE_LEVEL)
    return _Finding(row, badness, UNUSUAL)


def _fine_before(
    day: date, region: str, known: Known, limits: Callable[[str], AnomalyLimits]
) -> Iterator[int]:
    """Yield how many days ago a region was marked fine, as far back as counts for the usual."""
    for then, marked in known.fine:
        back = (day - then).days
        if marked in {None, region} and 0 < back <= limits(ALL).weeks * WEEK:
            yield back


def _same_level(
    outlook: Outlook, row: int, place: int, back: int, limits: Callable[[str], AnomalyLimits]
) -> bool:
    own, distance = limits(outlook.regions[row]), outlook.level(row, place, back)
    change = np.expm1(abs(distance) * outlook.spread[row, place])
    return bool(abs(distance) <= own.warn_z or change <= own.warn_change)


def _facts(outlook: Outlook, finding: _Finding, place: int, part: str) -> Facts:
    at = finding.row, place
    value, expected = outlook.value[at], outlook.expected[at]
    named = {part: outlook.parts[finding.row]} if outlook.parts[finding.row] else {}
    return {
        "result": finding.result,
        "region": outlook.regions[finding.row],
        **named,
        "value": rounded(value),
        "expected": rounded(expected),
        "low": rounded(max(outlook.warn[0][at], 0)),
        "high": rounded(outlook.warn[1][at]),
        "z": round(float(outlook.z[at]), 2),
        "change": round(float(value / expected - 1), 4),
        "weeks": int(outlook.weeks[at]),
    }


def rounded(number: float) -> float:
    """Round money to the cent, and what is small to six digits."""
    return round(float(number), 2) if abs(number) >= 1000 else float(f"{number:.6g}")  # noqa: PLR2004
