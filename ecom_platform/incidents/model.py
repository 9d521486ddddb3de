"""What an incident is, and what the platform remembers of all of them; what happens to them is not.

One incident is about one question (a check) to one asset, in one region or none, and covers all
days on which the answer is no.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal
from uuid import uuid4

from pydantic import BaseModel, Field

#: A value that a check has seen.
Fact = int | float | str
#: The day of what is asked of no day.
NO_DAY = ""
#: The question that is asked of every day of every asset: whether it was published.
PUBLISHED = "is_published"
#: Whether a metric is as its weekday usually is; what was seen has `value` and `expected`.
VALUE = "value_is_usual"


class Severity(StrEnum):
    """How bad it is; `error` may wake people."""

    WARN = "warn"
    ERROR = "error"


class Kind(StrEnum):
    """What an alert says of its incident."""

    OPENED = "opened"
    WORSENED = "worsened"
    REMINDED = "reminded"
    RECOVERED = "recovered"


@dataclass(frozen=True)
class About:
    """What is known of a question beside its answers.

    Args:
        question: In words.
        owner: Dagster owner of the asset.
        runbook: What to do about it: a link or a page.
        notice: Whether it happened once, and does not go on: people are told, and that is all.
    """

    question: str
    owner: str = ""
    runbook: str = ""
    notice: bool = False


@dataclass(frozen=True)
class Observation:
    """One answer: whether all is well with an asset on a day.

    Args:
        check: Name of the question.
        asset: `layer/name`.
        day: ISO, or `NO_DAY`.
        passed: Whether all is well.
        at: The moment it was seen, aware.
        region: The region it is about. A pass of no region is one of all of them,
        but: except of these.
        severity: If it is not well.
        run: Id of the run that saw it.
        reason: Why, in words.
        facts: What was seen.
        about: What is known of the question.
    """

    check: str
    asset: str
    day: str
    passed: bool
    at: datetime
    region: str | None = None
    but: frozenset[str] = frozenset()
    severity: Severity = Severity.ERROR
    run: str = ""
    reason: str = ""
    facts: dict[str, Fact] = field(default_factory=dict[str, Fact])
    about: About = About("")


class Failing(BaseModel):
    """A day that fails.

    Args:
        since: When it was first seen to fail.
        at: When it was last seen to.
        severity: By the last answer.
        times: How often it was seen to fail.
        run: The last run that saw it.
        reason: Why, in words.
        facts: What was seen last.
        parent: Id of the incident that it follows from, and that tells of it.
        freed_at: When it last ceased to follow from another.
    """

    since: datetime
    at: datetime
    severity: Severity
    times: int = 1
    run: str = ""
    reason: str = ""
    facts: dict[str, Fact] = {}
    parent: str | None = None
    freed_at: datetime | None = None


class Told(BaseModel):
    """What people were last told: when, and which days failed how badly."""

    at: datetime
    days: dict[str, Severity]


class Act(BaseModel):
    """What happened to an incident: when, what, by whom, with which note."""

    at: datetime
    what: str
    by: str = ""
    note: str = ""


class Incident(BaseModel):
    """One incident.

    Args:
        id: A number, counted up within the lake.
        check: The question that it is about.
        asset: `layer/name`.
        region: Or None.
        question: In words.
        owner: Dagster owner of the asset.
        runbook: What to do about it.
        notice: Whether it ends when it is told.
        opened_at: When it was first seen.
        severity: The worst of the days that fail; of a closed one, what it last was.
        worst: The worst that it has been: who heard of an error hears of its end.
        days: Day -> how it fails, of those that still do.
        ever: All days that it has covered.
        times: How often a day was seen to fail.
        told: What people know; None: nothing.
        alerts: How many there were.
        acknowledged: Who looks after it.
        closed: How it ended: `recovered`, `fine` or `told`.
        log: All that happened, the oldest first.
    """

    id: str
    check: str
    asset: str
    region: str | None = None
    question: str = ""
    owner: str = ""
    runbook: str = ""
    notice: bool = False
    opened_at: datetime
    severity: Severity
    worst: Severity
    days: dict[str, Failing] = {}
    ever: list[str] = []
    times: int = 0
    told: Told | None = None
    alerts: int = 0
    acknowledged: Act | None = None
    closed: Act | None = None
    log: list[Act] = []

    @property
    def status(self) -> str:
        """`open`, `acknowledged`, or how it ended."""
        return self.closed.what if self.closed else "acknowledged" if self.acknowledged else "open"

    def own_days(self, now: datetime) -> dict[str, Severity]:
        """Return the failing days that no other incident tells of, and how badly they fail."""
        return {
            day: failing.severity
            for day, failing in self.days.items()
            if failing.parent is None and not (failing.freed_at and now < failing.freed_at)
        }


class Delivery(BaseModel):
    """An alert on its way through one channel.

    Args:
        channel: Its name.
        attempts: How often it was tried.
        next_at: When it may be tried again.
        error: Why the last attempt failed.
        failing_since: When the first attempt failed.
        delivered_at: When the channel took it.
    """

    channel: str
    attempts: int = 0
    next_at: datetime | None = None
    error: str = ""
    failing_since: datetime | None = None
    delivered_at: datetime | None = None


class Alert(BaseModel):
    """An alert that is recorded, and sent until every channel it is meant for has taken it.

    Args:
        id: The incident's and a number.
        incident: Its id.
        kind: What it says.
        at: When it was recorded.
        severity: The worst that the incident has been.
        owner: Of the asset.
        asset: `layer/name`.
        region: Of the incident.
        day: The newest day that it is about.
        subject: A few words.
        text: All of it, without personal data.
        deliveries: None: not routed yet.
    """

    id: str
    incident: str
    kind: Kind
    at: datetime
    severity: Severity
    owner: str
    asset: str
    region: str | None
    day: str
    subject: str
    text: str
    deliveries: list[Delivery] | None = None


class Position(BaseModel):
    """How far finished runs were read: to `at`, and `runs` are those that ended shortly before."""

    at: datetime | None = None
    runs: dict[str, datetime] = {}


class Accepted(BaseModel):
    """Days that a person called fine: until they have passed once, they do not count."""

    check: str
    asset: str
    region: str | None = None
    days: list[str] = []


class State(BaseModel):
    """All that is open, in one object, so that every step is one write.

    Args:
        format: Of this object.
        uid: Tells lakes apart.
        next_id: Of the next incident.
        position: How far runs were read.
        incidents: Those open, and those closed that people are yet to hear of.
        alerts: Those that a channel has not taken yet.
        accepted: What a person called fine.
        gone: Those that this step has let go of; they are kept apart from then on.
    """

    format: Literal[1] = 1
    uid: str = Field(default_factory=lambda: uuid4().hex[:8])
    next_id: int = 1
    position: Position = Position()
    incidents: list[Incident] = []
    alerts: list[Alert] = []
    accepted: list[Accepted] = []
    gone: list[Incident] = Field(default=[], exclude=True)

    @property
    def open(self) -> list[Incident]:
        """Those that are not over."""
        return [incident for incident in self.incidents if incident.closed is None]

    def causes(self, now: datetime) -> list[Incident]:
        """Those that are not over, and follow from no other."""
        return [incident for incident in self.open if incident.own_days(now)]
