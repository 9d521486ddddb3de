"""Rows without a day: are there too many of them to publish the days that could hold them?

A row whose time is missing or unreadable is of no day that anybody knows. What was there before is
accepted; what is new could be of the days that were never published, or of those that have lost
rows since. See the decision record on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Verdict:
    """What becomes of a run's days.

    Args:
        bad_days: Those that are not published.
        share: Of what could be rows of these days, how many have no day.
        accepted: How many rows without a day are known from now on.
    """

    bad_days: frozenset[str]
    share: float
    accepted: int


def judge(
    undated: int,
    known: int,
    rows: Mapping[str, int],
    before: Mapping[str, int],
    unpublished: int,
    *,
    is_first: bool,
    max_share: float,
    min_rows: int,
) -> Verdict:
    """Say which days could hold too many rows without a day.

    Args:
        undated: How many such rows the table has.
        known: How many of them were accepted before.
        rows: The run's days -> how many rows each has.
        before: Those of them that are published -> how many rows they had.
        unpublished: How many days, since the first, are not published.
        is_first: Whether no day was ever published.
        max_share: Of the rows that could be of some days, so many may lack a day.
        min_rows: As many new ones never make a day fail, where a table was ever read.
    """
    new = undated - known
    # Not one row could be read, of a table that is new: it need not be a large one.
    nothing = is_first and not sum(rows.values())
    if new <= (0 if nothing else min_rows):
        # Known once a day that could hold them is there; mended ones are forgotten at once.
        grown = known + max(new, 0) * any(day not in before for day in rows)
        return Verdict(frozenset(), 0.0, min(grown, undated))
    fresh = {day: count for day, count in rows.items() if day not in before}
    # Of days that were never published, each is taken to have as many.
    theirs = new * len(fresh) / max(unpublished, len(fresh), 1)
    lost = {day: before[day] - rows[day] for day in before if rows[day] < before[day]}
    shares = [(theirs / (sum(fresh.values()) + theirs), [*fresh])] if fresh else []
    shares += [(min(gone, new) / before[day], [day]) for day, gone in lost.items()]
    bad = {day for share, days in shares if share > max_share for day in days}
    if not fresh.keys() & bad and sum(lost.get(day, 0) for day in bad) <= min_rows:
        bad = set[str]()
    share = max((share for share, days in shares if bad & {*days}), default=0.0)
    accepted = known if bad else known + round(theirs) + min(new, sum(lost.values()))
    return Verdict(frozenset(bad), share, min(accepted, undated))
