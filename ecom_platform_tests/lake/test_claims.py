"""Runs over the same days at the same time: the newest makes the day, whole; the others say so."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from ecom_platform.datasets import Column, Dataset, Type
from ecom_platform.engines.duckdb import add_view, create_result
from ecom_platform.lake.claims import CLAIMS, LIFETIME, Claims, claim_days
from ecom_platform.lake.publish import Lake
from ecom_platform.lake.storage import open_storage
from ecom_platform.lake.tables import Rows, overtaken
from ecom_platform.processes import Process
from ecom_platform_tests.lake.shelf import DAYS, Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ecom_platform.lake.base import Storage
    from ecom_platform.lake.claims import Hold

DAY = DAYS[0]
_SNAPSHOT = (Column("snapshot", Type.COUNT, "Of the source", required=True),)
ORDERS = Dataset("raw", "placed", "Orders.", "one row", _SNAPSHOT)
PAYMENTS = Dataset("raw", "paid", "Payments.", "one row", _SNAPSHOT)
BOTH = Dataset(
    "metrics",
    "both",
    "What the two raw datasets are of.",
    "one row",
    tuple(Column(name, Type.COUNT, "Snapshot", required=True) for name in ("orders", "payments")),
)
READS = {BOTH: (ORDERS, PAYMENTS)}
ALL, ONLY_METRICS = (ORDERS, PAYMENTS, BOTH), (BOTH,)


class Interrupted:
    """A storage that lets something else happen just before it is written to.

    Args:
        storage: The real one.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.before_put: Callable[[], None] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def put(self, path: str, file: Path, **how: Any) -> str:
        """Let it happen, then put."""
        happens, self.before_put = self.before_put, None
        if happens and path != CLAIMS:
            happens()
        return self._storage.put(path, file, **how)


class Actor:
    """A run that goes on by one dataset at a time.

    Args:
        address: Of the lake.
        name: Id of the run.
        snapshot: What it reads from the source.
        writes: The datasets that it makes, in this order.
        over: Runs of which Dagster knows that they have ended.
    """

    def __init__(
        self,
        address: str,
        name: str,
        snapshot: int,
        writes: tuple[Dataset, ...] = ALL,
        over: frozenset[str] = frozenset(),
        days: tuple[str, str] = (DAY, DAY),
    ) -> None:
        self._run = Run(address, name)
        self.snapshot = snapshot
        self.storage: Any = Interrupted(self._run.storage)
        self.todo = list(writes)
        self.is_full = writes == ALL
        self.hold: Hold = claim_days(
            self._run.storage,
            self._run.scratch,
            name,
            days,
            [dataset.path for dataset in writes],
            [read.path for made in writes for read in READS.get(made, ())],
            over.__contains__,
        )
        calendar = self._run.settings.calendar
        self.lake = Lake(self.storage, calendar, self._run.scratch, name, hold=self.hold)
        self.lake.remember(ALL)
        self.reasons: dict[str, str] = {}
        self.written: list[bool] = []

    def step(self) -> None:
        """Make the next dataset as a step of Dagster does."""
        dataset = self.todo.pop(0)
        bad: dict[str, str] = {}
        query = f"SELECT {self.snapshot} AS snapshot, DATE '{DAY}' AS date"
        with self._run.engine.connect() as connection:
            if dataset in READS:
                tables = [self.lake.table(read, [DAY]) for read in READS[dataset]]
                for table in tables:
                    if DAY in {*table.failed, *table.missing}:
                        bad[DAY] = f"{table.dataset.path} of this day failed in this run"
                    add_view(connection, table.partitions())
                query = (
                    "SELECT o.snapshot AS orders, p.snapshot AS payments, date FROM raw.placed AS o"
                    " INNER JOIN raw.paid AS p USING (date)"
                )
            create_result(connection, dataset, query, table="result")
            for read in READS.get(dataset, ()):
                if self.lake.changed(read, [DAY]):
                    bad.setdefault(DAY, overtaken(read.path, DAY))
            report = self.lake.publish(dataset, Rows(connection, "result", bad), [DAY], "v1")
        if report.bad_days:
            self.reasons[dataset.path] = report.bad_days[DAY]
        self.written += [found[dataset].changed for found in report.published.values()]

    def finish(self) -> dict[str, str]:
        """Go on to the end; return why days were not published, by dataset."""
        while self.todo:
            self.step()
        self.hold.end()
        return self.reasons

    def stop_in_next_put(self, happens: Callable[[], None]) -> None:
        """Let something happen between the next decision to write and the write."""
        self.storage.before_put = happens


def day_of(address: str) -> tuple[int, int, tuple[int, int]]:
    """Return what the lake holds of the day."""
    reader = Run(address)
    rows: list[Any] = []
    with reader.engine.connect() as connection:
        for dataset in ALL:
            add_view(connection, reader.lake.fetch(dataset, [DAY]))
            name = f"{dataset.layer}.{dataset.name}"
            rows += connection.execute(f"SELECT * EXCLUDE (date) FROM {name}").fetchall()
    (orders,), (payments,), both = rows
    return orders, payments, both


def whole(snapshot: int) -> tuple[int, int, tuple[int, int]]:
    """Return a day that is of one snapshot."""
    return snapshot, snapshot, (snapshot, snapshot)


def claims_of(address: str, scratch: Path) -> Claims:
    """Return all claims."""
    found = open_storage(address).fetch([CLAIMS], scratch)
    return Claims.model_validate_json(found[CLAIMS].read_bytes())


def test_of_two_runs_that_take_turns_the_newer_makes_the_whole_day(address: str) -> None:
    older = Actor(address, "older-run", 1)
    older.step()
    newer = Actor(address, "newer-run", 2)
    for actor in (newer, newer, older, older, newer):
        actor.step()
    assert newer.finish() == {}
    assert set(older.finish()) == {"raw/paid", "metrics/both"}
    assert (
        "run newer-ru, which began after this one, publishes this day"
        in (older.reasons["raw/paid"])
    )
    assert day_of(address) == whole(2)


def test_what_an_older_run_writes_at_the_last_moment_is_written_over(address: str) -> None:
    Actor(address, "before", 1).finish()
    older = Actor(address, "older", 2)
    newer: list[Actor] = []

    def begins() -> None:
        newer.append(Actor(address, "newer", 3))

    older.stop_in_next_put(begins)
    older.step()
    assert older.written == [True]
    assert newer[0].finish() == {}
    assert older.finish() != {}
    assert day_of(address) == whole(3)


def test_a_process_that_stood_still_does_not_undo_what_a_newer_run_found_right(
    address: str,
) -> None:
    """The lake holds A; it stops on the way to B; a newer run finds A right; it goes on."""
    Actor(address, "before", 1).finish()
    zombie = Actor(address, "zombie", 2)

    def newer() -> None:
        again = Actor(address, "newer", 1)
        assert again.finish() == {}
        assert again.written == [False] * 3

    zombie.stop_in_next_put(newer)
    reasons = zombie.finish()
    assert set(reasons) == {dataset.path for dataset in ALL}
    assert (
        "raw/placed/date=2024-01-01/data.parquet was changed by another run"
        in (reasons["raw/placed"])
    )
    assert day_of(address) == whole(1)
    history = zombie.lake.ledger.history(BOTH, [DAY])[DAY]
    assert [entry.restatements for entry in history] == [()]


def test_runs_that_make_the_same_do_not_fail_each_other(address: str) -> None:
    Actor(address, "before", 1).finish()
    older, newer = Actor(address, "older", 1), Actor(address, "newer", 1)
    for actor in (newer, older, older, newer, newer, older):
        actor.step()
    assert (older.finish(), newer.finish()) == ({}, {})
    assert day_of(address) == whole(1)


def test_a_run_of_metrics_alone_leaves_a_day_to_the_run_that_makes_it(address: str) -> None:
    Actor(address, "before", 1).finish()
    older = Actor(address, "older", 2)
    older.step()
    newer = Actor(address, "newer", 2, ONLY_METRICS)
    assert newer.finish() == {
        "metrics/both": "run older, which began before this one, is still at work on this day; "
        "run it again when that one has ended"
    }
    assert older.finish() == {}
    assert Actor(address, "again", 2, ONLY_METRICS).finish() == {}
    assert day_of(address) == whole(2)


def test_a_run_of_metrics_goes_on_beside_one_that_dagster_knows_has_ended(address: str) -> None:
    Actor(address, "before", 1).finish()
    Actor(address, "dead", 2)
    newer = Actor(address, "newer", 1, ONLY_METRICS, over=frozenset({"dead"}))
    assert newer.finish() == {}


def test_an_input_that_changes_while_it_is_read_fails_the_day(address: str) -> None:
    Actor(address, "before", 1).finish()
    run = Run(address, "reader")
    run.lake.remember(ALL)
    assert run.lake.table(ORDERS, [DAY]).days == (DAY,)
    Actor(address, "other", 2).finish()
    assert run.lake.changed(ORDERS, [DAY]) == {DAY}
    table = run.lake.table(ORDERS, [DAY])
    assert (table.days, table.changed) == ((), {DAY})
    assert run.lake.table(ORDERS, [DAY], latest=True).days == (DAY,)


def test_other_days_are_nobodys_business(address: str) -> None:
    one = Actor(address, "one", 1)
    other = Actor(address, "other", 2, days=(DAYS[1], DAYS[2]))
    assert not one.hold.refusals([DAY])
    assert not other.hold.is_contested(DAYS[1])


def test_claims_are_forgotten_when_nobody_needs_them(address: str, tmp_path: Path) -> None:
    older, newer = Actor(address, "older", 1), Actor(address, "newer", 2)
    newer.finish()
    # The older one must still learn that it was overtaken.
    assert [claim.run_id for claim in claims_of(address, tmp_path).claims] == ["older", "newer"]
    older.finish()
    assert claims_of(address, tmp_path).claims == []


@pytest.mark.parametrize("killed", ["its process is gone", "it is long ago"])
def test_a_claim_whose_run_was_killed_is_dropped(tmp_path: Path, killed: str) -> None:
    address = str(tmp_path / "lake")
    dead = Actor(address, "dead", 1)

    claims = claims_of(address, tmp_path)
    (claim,) = claims.claims
    now = datetime.now(UTC)
    assert not claim.process.is_gone()
    if killed == "it is long ago":
        claims.drop(now + LIFETIME - timedelta(minutes=1))
        assert claims.claims == [claim]
        claims.drop(now + LIFETIME + timedelta(minutes=1))
    else:
        here = claim.process
        claim.process = Process("elsewhere", here.machine, here.boot, here.pid, "at another time")
        claims.drop(now)
        assert claims.claims == [claim]  # nobody here can know
        claim.process = Process(here.host, here.machine, here.boot, here.pid, "at another time")
        claims.drop(now)
    assert claims.claims == []
    # Should it live after all, it finds that it is not counted any more.
    (tmp_path / "lake" / CLAIMS).write_text(claims.model_dump_json())
    assert dead.finish()["raw/placed"] == (
        "this run stood still for so long that it was taken for ended; run it again"
    )


class Runs(RuleBasedStateMachine):
    """Up to four runs over one day, in any order, stopped anywhere, some of them for ever."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.address = f"{self.folder.name}/lake"
        self.actors: list[Actor] = []
        self.ended: set[Actor] = set()
        self.killed: set[Actor] = set()
        Actor(self.address, "before", 1).finish()

    def alive(self) -> list[Actor]:
        return [a for a in self.actors if a not in self.killed | self.ended]

    @rule(snapshot=st.integers(1, 2), full=st.booleans())
    def begin(self, snapshot: int, full: bool) -> None:
        if len(self.actors) == 4:
            return
        writes = ALL if full or not self.actors else ONLY_METRICS
        self.actors.append(Actor(self.address, f"run-{len(self.actors)}", snapshot, writes))

    @precondition(lambda self: self.alive())
    @rule(which=st.integers(0, 3), interruptions=st.lists(st.integers(0, 3), max_size=4))
    def go_on(self, which: int, interruptions: list[int]) -> None:
        alive = self.alive()
        actor = alive[which % len(alive)]

        def others_go_on() -> None:
            for number in interruptions:
                if others := [other for other in self.alive() if other is not actor]:
                    self._step(others[number % len(others)])

        actor.stop_in_next_put(others_go_on)
        self._step(actor)
        actor.storage.before_put = None

    def _step(self, actor: Actor) -> None:
        if actor.todo:
            actor.step()
        if not actor.todo:
            actor.hold.end()
            self.ended.add(actor)

    @precondition(lambda self: self.alive())
    @rule(which=st.integers(0, 3))
    def kill(self, which: int) -> None:
        alive = self.alive()
        self.killed.add(alive[which % len(alive)])

    def teardown(self) -> None:
        while alive := self.alive():
            self._step(alive[0])
        full = [actor for actor in self.actors if actor.is_full]
        good = [actor for actor in self.actors if actor in self.ended and not actor.reasons]
        if not self.killed.intersection(full):
            # The newest of those that make all has won, unless there is none.
            assert set(full[-1:]) <= set(good)
            assert day_of(self.address) == whole(full[-1].snapshot if full else 1)
        self.folder.cleanup()


def test_whatever_runs_do_to_each_other_the_newest_one_makes_the_whole_day() -> None:
    with working_in_a_new_folder():
        run_state_machine_as_test(
            Runs, settings=hypothesis_settings(max_examples=10, stateful_step_count=12)
        )


@contextmanager
def working_in_a_new_folder() -> Iterator[None]:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield
