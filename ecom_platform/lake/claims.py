"""Which runs are at work on which days: of runs that meet, the newest makes the day.

`runs/claims.json` holds a claim of each run that publishes, from its start to its end. Conditional
puts alone let two runs win some objects of a day each; and they let a process that stood still
replace an object that a newer run found to be right already.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from ecom_platform.lake.document import Document
from ecom_platform.processes import Process, this_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from ecom_platform.lake.base import Storage

CLAIMS = "runs/claims.json"
#: A claim whose end nobody told is dropped after this time, if its process is not known to be gone.
LIFETIME = timedelta(hours=24)


class Claim(BaseModel):
    """What one run is at work on.

    Args:
        number: The higher, the newer.
        run_id: Of the run.
        first: The first of its days, ISO; nothing of what has no days, such as marts.
        last: The last one.
        writes: `layer/name` of the datasets that it publishes.
        reads: Those that these are computed from.
        since: When it began.
        process: Which works on it.
        ended: Whether it has ended; kept as long as an older claim on the same days has not.
    """

    number: int
    run_id: str
    first: str
    last: str
    writes: frozenset[str]
    reads: frozenset[str]
    since: datetime
    process: Process
    ended: bool = False

    @property
    def name(self) -> str:
        """The run as Dagster's pages show it."""
        return self.run_id[:8]

    def is_of(self, day: str) -> bool:
        """Say whether a day is among its days."""
        return self.first <= day <= self.last

    def meets(self, other: Claim) -> bool:
        """Say whether one of the two writes, on the same days, what the other reads or writes."""
        if self.first > other.last or other.first > self.last:
            return False
        mine, theirs = _parts(self.writes), _parts(other.writes)
        return bool(mine & (theirs | other.reads) or theirs & self.reads)

    def covers(self, other: Claim) -> bool:
        """Say whether it makes anew all that another makes."""
        return self.writes >= other.writes


def _parts(writes: Iterable[str]) -> set[str]:
    # The raw tables of a day are of one snapshot, so that whoever writes one writes them all.
    return {*writes, *(name for path in writes if (name := path.partition("/")[0]) == "raw")}


class Claims(BaseModel):
    """All claims of a lake."""

    last: int = 0
    claims: list[Claim] = Field(default_factory=list[Claim])

    def drop(self, now: datetime) -> None:
        """Forget claims that no longer matter."""
        working = [
            claim
            for claim in self.claims
            if not claim.ended and now - claim.since < LIFETIME and not claim.process.is_gone()
        ]
        self.claims = [
            claim
            for claim in self.claims
            if claim in working
            or (claim.ended and any(o.number < claim.number and o.meets(claim) for o in working))
        ]


class Hold:
    """A run's hold on what it claimed.

    Args:
        document: All claims.
        claim: The run's own.
        older: Claims of runs that had not ended when this one began, and meet it.
        is_over: Whether Dagster knows that a run has ended.
    """

    def __init__(
        self,
        document: Document[Claims],
        claim: Claim,
        older: list[Claim],
        is_over: Callable[[str], bool],
    ) -> None:
        self._document = document
        self._claim = claim
        self._older = older
        self._busy = [c for c in older if not claim.covers(c) and not is_over(c.run_id)]
        #: The runs of which this one replaces what they still publish.
        self.superseded = frozenset({claim.run_id, *(c.run_id for c in older if claim.covers(c))})

    def is_contested(self, day: str) -> bool:
        """Say whether an older run may still write the day, be it one that stands still."""
        return any(claim.is_of(day) for claim in self._older)

    def refusals(self, days: Iterable[str]) -> dict[str, str]:
        """Return day -> why this run must not publish it, of those that are not its own (any more).

        Raises:
            LakeError: The lake cannot be read.
        """
        now = self._document.read().claims
        newer = [
            claim
            for claim in now
            if claim.number > self._claim.number and claim.covers(self._claim)
        ]
        known = any(claim.number == self._claim.number for claim in now)
        found: dict[str, str] = {}
        for day in days:
            if not known:
                found[day] = (
                    "this run stood still for so long that it was taken for ended; run it again"
                )
            elif taken := [claim.name for claim in newer if claim.is_of(day)]:
                found[day] = (
                    f"run {taken[-1]}, which began after this one, publishes this day; "
                    "run it again if that one fails"
                )
            elif busy := [claim.name for claim in self._busy if claim.is_of(day)]:
                found[day] = (
                    f"run {busy[0]}, which began before this one, is still at work on this day; "
                    "run it again when that one has ended"
                )
        return found

    def end(self) -> None:
        """Say that the run has ended.

        Raises:
            LakeError: The lake cannot be written.
        """

        def change(claims: Claims) -> None:
            for claim in claims.claims:
                claim.ended |= claim.number == self._claim.number
            claims.drop(datetime.now(UTC))

        self._document.update(change)


def claim_days(
    storage: Storage,
    scratch: Path,
    run_id: str,
    days: tuple[str, str],
    writes: Iterable[str],
    reads: Iterable[str],
    is_over: Callable[[str], bool],
) -> Hold:
    """Claim some days for a run, before it looks at anything that it will replace.

    Args:
        storage: The lake.
        scratch: A folder of the run's own.
        run_id: Of the run.
        days: The first and the last, ISO; two empty texts for what has no days.
        writes: `layer/name` of the datasets that it publishes.
        reads: Those that these are computed from.
        is_over: Whether Dagster knows that a run, given by its id, has ended.

    Raises:
        LakeError: The lake cannot be read or written.
    """
    document = Document(
        storage,
        scratch,
        CLAIMS,
        Claims,
        "Delete it. Runs that are at work fail then, and can be run again.",
    )
    first, last = days

    def change(claims: Claims) -> tuple[Claim, list[Claim]]:
        now = datetime.now(UTC)
        claims.drop(now)
        claims.last += 1
        mine = Claim(
            number=claims.last,
            run_id=run_id,
            first=first,
            last=last,
            writes=frozenset(writes),
            reads=frozenset(reads),
            since=now,
            process=this_process(),
        )
        older = [claim for claim in claims.claims if not claim.ended and claim.meets(mine)]
        claims.claims.append(mine)
        return mine, older

    claim, older = document.update(change)
    return Hold(document, claim, older, is_over)
