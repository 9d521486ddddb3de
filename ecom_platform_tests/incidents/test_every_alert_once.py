"""Whatever happens, people are told of every incident, in order, and of nothing twice.

Checks fail and pass, days go by, channels go down, processes are killed between any two steps: a
machine of hypothesis tries all of it, and a few lines beside say what people ought to know.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings as budget
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ecom_platform.alerts.routes import Route, Routes
from ecom_platform.errors import AlertError, EcomError
from ecom_platform.incidents.messages import Messages
from ecom_platform.incidents.model import About, Alert, Kind, Observation, Severity, State
from ecom_platform.incidents.observe import acknowledge, call_fine, observe
from ecom_platform.incidents.outbox import GIVEN_UP_AFTER, LEASE, LONGEST_PAUSE, Outbox
from ecom_platform.incidents.parents import GRACE
from ecom_platform.incidents.policy import Policy, QuietHours
from ecom_platform.incidents.store import IncidentStore
from ecom_platform.lake.folder import FolderStorage
from ecom_platform.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecom_platform.alerts.channels import Message

#: What is computed from what: failures of the metric follow from those of raw orders.
LINEAGE = {"raw/orders": {}, "metrics/revenue": {"raw/orders": 1}, "raw/customers": {}}
SUBJECTS = [
    ("raw/orders", "is_published"),
    ("raw/customers", "matches_source"),
    ("metrics/revenue", "adds_up"),
]
DAYS = ["2026-03-01", "2026-03-02", "2026-03-04"]
#: Soon the quiet hours begin.
BEGIN = datetime(2026, 3, 10, 21, tzinfo=UTC)
REMIND = timedelta(hours=24)
POLICY = Policy(
    Messages(Settings(_env_file=None)),  # pyright: ignore[reportCallIssue]
    QuietHours(time(22), time(7), UTC),  # pyright: ignore[reportArgumentType]
    REMIND,
)
#: Customers are for the second channel alone, unless it is down.
ROUTES = Routes(
    route=[
        Route(owner="team:people", channels=["email"]),
        Route(channels=["slack", "email"]),
    ]
)


class KilledError(BaseException):
    """The process is gone."""


@dataclass
class Fuse:
    """Kills the process at one of the next steps, before it is done or right after."""

    steps: int = 0
    before: bool = True

    @contextmanager
    def step(self) -> Iterator[None]:
        self.steps -= 1
        if self.steps == 0 and self.before:
            raise KilledError
        yield
        if self.steps == 0:
            raise KilledError


@dataclass
class Channel:
    """A channel that keeps what it takes."""

    name: str
    fuse: Fuse
    down: bool = False
    taken: list[str] = field(default_factory=list)
    #: Alerts after whose delivery the process was killed: they may come again.
    forgiven: set[str] = field(default_factory=set)

    def send(self, message: Message) -> None:
        if self.down:
            raise AlertError(f"{self.name} is down")
        with self.fuse.step():
            self.taken.append(message.id.partition(".")[2])

    def check(self) -> None:
        pass


class Storage(FolderStorage):
    """A lake whose writer may be killed."""

    fuse: Fuse

    def put(self, path: str, file: Path, **options: Any) -> str:
        with self.fuse.step():
            return super().put(path, file, **options)


class Machine(RuleBasedStateMachine):
    """The platform, and what people ought to know."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.fuse = Fuse()
        self.now = BEGIN
        self.slack, self.email = Channel("slack", self.fuse), Channel("email", self.fuse)
        self.runs: list[tuple[str, list[Observation]]] = []  # not read yet
        self.answers = 0
        #: (asset, check) -> day -> severity, by the answers that were taken in.
        self.truth: dict[tuple[str, str], dict[str, Severity]] = {s: {} for s in SUBJECTS}
        self.fine: set[tuple[str, str, str]] = set()
        #: (asset, check) -> what was recorded to be told of the incident that is open.
        self.known: dict[tuple[str, str], dict[str, Severity] | None] = dict.fromkeys(SUBJECTS)
        self.told_at: dict[str, datetime] = {}
        self.acknowledged: set[str] = set()
        self.freed: dict[str, datetime] = {}
        self.covered: set[str] = set()
        self.recorded: dict[str, Alert] = {}

    def teardown(self) -> None:
        try:
            self.end()
        finally:
            self.folder.cleanup()

    def end(self) -> None:
        # In the end all is well with channels and processes, and the day is long.
        self.slack.down = self.email.down = False
        self.fuse.steps = 0
        self.now = self.now.replace(hour=9) + timedelta(days=1)
        for _ in range(4):
            self.tick()
            self.now += max(LEASE, LONGEST_PAUSE, GRACE) / 2
        self.tick()
        state = self.state()
        assert state.alerts == []
        assert self.runs == []
        # Whatever ever was an incident is kept.
        kept = {one.id for one in [*state.incidents, *self.store().closed()]}
        assert kept == {str(number) for number in range(1, state.next_id)}
        for alert in self.recorded.values():
            meant = [self.email] if alert.owner == "team:people" else [self.email, self.slack]
            missed = [channel for channel in meant if alert.id not in channel.taken]
            assert alert.id in {*self.slack.taken, *self.email.taken}
            assert not missed or self.now - alert.at > GIVEN_UP_AFTER
        for channel in (self.slack, self.email):
            for alert in set(channel.taken) - channel.forgiven:
                assert channel.taken.count(alert) == 1
            # The first times, in the order of each incident.
            first = list(dict.fromkeys(channel.taken))
            for incident in {alert.partition(".")[0] for alert in first}:
                own = [int(a.partition(".")[2]) for a in first if a.partition(".")[0] == incident]
                assert own == sorted(own)
        for subject in SUBJECTS:
            own = self.own(subject)
            known = self.known[subject]
            assert bool(own) <= (known is not None)
            if known is not None:
                assert self.failing(subject)
                assert _milder(own, known)

    # ------------------------------------------------------------------ what happens

    @rule(
        answers=st.lists(
            st.tuples(
                st.sampled_from(SUBJECTS),
                st.sampled_from(DAYS),
                st.sampled_from([None, Severity.WARN, Severity.ERROR]),
            ),
            min_size=1,
            max_size=4,
        )
    )
    def a_run_ends(self, answers: list[tuple[tuple[str, str], str, Severity | None]]) -> None:
        seen: list[Observation] = []
        for (asset, check), day, severity in answers:
            self.answers += 1
            at = self.now + timedelta(microseconds=self.answers)
            bad = Severity.ERROR if severity and check == "is_published" else severity
            seen.append(_observation(asset, check, day, bad, at))
        self.runs.append((f"run {self.answers}", seen))

    @rule(minutes=st.sampled_from([0, 1, 5, 30, 61, 300, 900, 1441]))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(minutes=st.sampled_from([1, 2, 61, 400]))
    def the_sensor_ticks(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        self.tick()

    @rule(slack=st.booleans(), email=st.booleans())
    def channels_break_or_are_mended(self, slack: bool, email: bool) -> None:
        self.slack.down, self.email.down = slack, email

    @rule(steps=st.integers(1, 12), before=st.booleans())
    def the_process_is_to_be_killed(self, steps: int, before: bool) -> None:
        self.fuse.steps, self.fuse.before = steps, before

    @rule(subject=st.sampled_from(SUBJECTS))
    def somebody_acknowledges(self, subject: tuple[str, str]) -> None:
        self.say(subject, lambda state, name: acknowledge(state, name, self.now, "ann", ""))
        for incident in self.state().incidents:
            if incident.acknowledged:
                self.acknowledged.add(incident.id)

    @rule(subject=st.sampled_from(SUBJECTS))
    def somebody_says_that_it_is_fine(self, subject: tuple[str, str]) -> None:
        name = self.say(
            subject, lambda state, name: call_fine(state, name, [], self.now, "ann", "")
        )
        for incident in self.state().incidents:
            if incident.id == name and incident.status == "fine":
                self.fine |= {(*subject, day) for day in self.truth[subject]}
                self.truth[subject].clear()
                self.known[subject] = None

    # ------------------------------------------------------------------ how

    def store(self) -> IncidentStore:
        storage = Storage(Path(self.folder.name) / "lake")
        storage.fuse = self.fuse
        return IncidentStore(storage, Path(self.folder.name))

    def state(self) -> State:
        return self.store().read()

    def say(self, subject: tuple[str, str], act: Any) -> str:
        found = [i for i in self.state().incidents if (i.asset, i.check) == subject]
        name = next((i.id for i in found if i.closed is None), "none")
        try:
            self.store().update(lambda state: act(state, name))
        except EcomError:
            assert name == "none"
        except KilledError:
            pass
        return name

    def tick(self) -> None:
        """Do what a tick of the sensor does."""
        store = self.store()
        try:
            for run, seen in list(self.runs):
                try:
                    store.update(lambda state: _take_in(state, run, seen))  # noqa: B023
                finally:
                    self.follow(store)
            before = store.read()
            try:
                store.update(lambda state: POLICY.raise_alerts(state, LINEAGE, self.now))
            finally:
                if store.read() != before:
                    self.judge(store)
            outbox = Outbox(store, [self.slack, self.email], ROUTES, lambda _: None)
            outbox.send(lambda: self.now)
        except KilledError:
            self.forgive(store)
            return
        self.complete()

    def forgive(self, store: IncidentStore) -> None:
        """Allow for a second time what a channel took, and nobody lived to note."""
        for alert in store.read().alerts:
            for delivery in alert.deliveries or ():
                for channel in (self.slack, self.email):
                    if delivery.channel == channel.name and not delivery.delivered_at:
                        channel.forgiven |= {alert.id} & {*channel.taken[-1:]}

    # ------------------------------------------------------------------ what people ought to know

    def follow(self, store: IncidentStore) -> None:
        """Believe the answers that the platform has taken in."""
        read = store.read().position.runs
        for run, seen in list(self.runs):
            if run in read:
                self.runs.remove((run, seen))
                for one in seen:
                    self.believe(one)

    def believe(self, one: Observation) -> None:
        subject, day = (one.asset, one.check), one.day
        if one.passed:
            self.truth[subject].pop(day, None)
            self.fine.discard((*subject, day))
            if subject == SUBJECTS[2]:
                self.covered.discard(day)
                self.freed.pop(day, None)
            known = self.known[subject]
            if known is not None:
                known.pop(day, None)
        elif (*subject, day) not in self.fine:
            self.truth[subject][day] = one.severity

    def failing(self, subject: tuple[str, str]) -> dict[str, Severity]:
        return self.truth[subject]

    def own(self, subject: tuple[str, str]) -> dict[str, Severity]:
        """Return the failing days that do not follow from another failure, or did an hour ago."""
        if subject[0] != "metrics/revenue":
            return dict(self.truth[subject])
        return {
            day: severity
            for day, severity in self.truth[subject].items()
            if day not in self.covered and self.freed.get(day, self.now) <= self.now
        }

    def cover(self) -> None:
        """Note which days of the metric follow from raw orders: of the same day, or one before."""
        revenue, orders = self.truth[SUBJECTS[2]], self.truth[SUBJECTS[0]]
        before = {"2026-03-01": [], "2026-03-02": ["2026-03-01"], "2026-03-04": []}
        covered = {day for day in revenue if orders.keys() & {day, *before[day]}}
        for day in DAYS:
            if day not in revenue:
                self.freed.pop(day, None)
            elif day in self.covered and day not in covered:
                self.freed[day] = self.now + GRACE
        self.covered = covered

    def judge(self, store: IncidentStore) -> None:
        """Compare what was recorded to be told with what people ought to be told."""
        state = store.read()
        fresh = [alert for alert in state.alerts if alert.id not in self.recorded]
        self.cover()
        quiet = POLICY.quiet is not None and POLICY.quiet.include(self.now)
        for alert in fresh:
            self.recorded[alert.id] = alert
            subject = next(s for s in SUBJECTS if alert.subject.partition(": ")[2].startswith(
                f"{s[0]}: {s[1]}"))  # fmt: skip
            known, own = self.known[subject], self.own(subject)
            news = {
                day: severity
                for day, severity in own.items()
                if (known or {}).get(day) not in (severity, Severity.ERROR)
            }
            if alert.kind is Kind.OPENED:
                assert known is None
                assert news
            elif alert.kind is Kind.WORSENED:
                assert known is not None
                assert news
            elif alert.kind is Kind.REMINDED:
                assert known is not None
                assert not news
                assert self.now - self.told_at[alert.incident] >= REMIND
                assert alert.incident not in self.acknowledged
            else:
                assert known is not None
                assert not self.failing(subject)
            if quiet:
                assert alert.kind in (Kind.OPENED, Kind.WORSENED)
                assert Severity.ERROR in news.values()
            recovered = alert.kind is Kind.RECOVERED
            self.known[subject] = None if recovered else {**(known or {}), **own}
            self.told_at[alert.incident] = self.now

    def complete(self) -> None:
        """After a whole tick by day, people have been told all that they ought to be."""
        state = self.state()
        for subject in SUBJECTS:
            own = self.own(subject)
            errors = {day: bad for day, bad in own.items() if bad is Severity.ERROR}
            assert _milder(errors, self.known[subject])
        if POLICY.quiet is not None and POLICY.quiet.include(self.now):
            return
        for incident in state.incidents:
            if self.own((incident.asset, incident.check)) and not incident.acknowledged:
                assert self.now - self.told_at[incident.id] < REMIND
        for subject in SUBJECTS:
            known, own = self.known[subject], self.own(subject)
            assert _milder(own, known)
            assert (known is None) or self.failing(subject)
        open_ = [i for i in state.incidents if i.closed is None]
        assert len({(i.asset, i.check) for i in open_}) == len(open_)

    @invariant()
    def what_is_recorded_is_never_lost(self) -> None:
        waiting = {alert.id for alert in self.state().alerts}
        taken = {*self.slack.taken, *self.email.taken}
        assert self.recorded.keys() <= waiting | taken


def _milder(own: dict[str, Severity], known: dict[str, Severity] | None) -> bool:
    """Say whether people know of every day, and of none less than is true."""
    return all(
        day in (known or {}) and (known or {})[day] in (severity, Severity.ERROR)
        for day, severity in own.items()
    )


def _observation(
    asset: str, check: str, day: str, severity: Severity | None, at: datetime
) -> Observation:
    owner = "team:people" if asset == "raw/customers" else "team:data"
    return Observation(
        check, asset, day, severity is None, at,
        severity=severity or Severity.WARN, about=About("Is it?", owner),
    )  # fmt: skip


def _take_in(state: State, run: str, seen: list[Observation]) -> None:
    if run not in state.position.runs:
        observe(state, seen)
        state.position.runs[run] = seen[-1].at


TestMachine = Machine.TestCase
TestMachine.settings = budget(max_examples=40, stateful_step_count=25, deadline=None)
TestMachine = pytest.mark.timeout(200)(TestMachine)
