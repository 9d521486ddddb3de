"""What became of a run, read from its events: its failures in plain words, its exit code."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.events import RunFailureReason

from ecom_platform.calendar import contiguous_ranges
from ecom_platform.privacy import redact

if TYPE_CHECKING:
    from rich.console import Console

#: Tells the run of one call of `execute_range` from all others.
INVOCATION_TAG = "ecom/invocation"

DONE, FAILED, SOME_DAYS_FAILED = 0, 1, 2

INTERRUPTED = "Interrupted. What was published by then stays; run the same days again for the rest."

#: Days that are spelled out, of those that an asset check failed on.
SHOWN_DAYS = 5

#: What stands before the message of an error of ours, or of a failure that carries one.
_OURS = re.compile(r"^(ecom_platform\.errors\.\w+|dagster\._core\.definitions\.events\.Failure): ")
#: How the steps say that a day is bad only because another dataset's is.
_CONSEQUENCE = re.compile(
    r"^\d{4}-\d\d-\d\d: (?P<dataset>\S+) "
    r"(of this day failed in this run|was never computed for .*)$"
)


@dataclass(frozen=True)
class Outcome:
    """What became of a run.

    Args:
        code: Exit code of the command that asked for it.
        failures: What went wrong, without what followed from it.
        affected: Datasets that lack days only because of these failures.
        bad_days: Days that were not published, where nothing else is wrong.
        doubts: Asset checks that said no, with the days.
        seconds: By step.
        traceback: Of all failures, for whoever mends the platform itself.
    """

    code: int
    failures: list[str] = field(default_factory=list[str])
    affected: list[str] = field(default_factory=list[str])
    bad_days: list[date] = field(default_factory=list[date])
    doubts: list[str] = field(default_factory=list[str])
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    traceback: str = ""

    def print_problems(self, console: Console, *, debug: bool) -> None:
        """Say what went wrong, if anything did; with its traceback if asked for."""
        for doubt in self.doubts:
            console.print(f"! {doubt}", style="yellow", markup=False)
        for failure in self.failures:
            console.print(f"✗ {failure}", style="red", markup=False)
        if self.affected:
            names = ", ".join(self.affected)
            console.print(f"  Not computed because of that: {names}")
        for first, last in contiguous_ranges(self.bad_days):
            again = f"ecom run --from {first} --to {last}"
            console.print(f"  What to do: Mend what is named above, then run: {again}")
        if debug and self.traceback:
            console.print(self.traceback, markup=False)


def read_outcome(instance: dg.DagsterInstance, run_id: str, *, success: bool) -> Outcome:
    """Read what became of a run that has ended."""
    steps = instance.get_run_step_stats(run_id)
    seconds = {s.step_key: s.end_time - s.start_time for s in steps if s.end_time and s.start_time}
    doubts = _doubts(instance, run_id)
    if success:
        return Outcome(DONE, doubts=doubts, seconds=seconds)
    records = instance.get_records_for_run(
        run_id, of_type={dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
    ).records
    events = [record.event_log_entry.get_dagster_event() for record in records]
    if any(_is_interruption(event) for event in events):
        return Outcome(FAILED, [INTERRUPTED], doubts=doubts, seconds=seconds)
    steps_failed = [e for e in events if e.event_type is dg.DagsterEventType.STEP_FAILURE]
    if not steps_failed:
        errors = [event.job_failure_data.error for event in events]
        messages = [error_message(error) for error in errors if error]
        told = messages or [redact(event.message or "The run failed.") for event in events]
        return Outcome(FAILED, told, seconds=seconds, traceback=_traceback(errors))
    bad_days = [_bad_days(event) for event in steps_failed]
    only_days = all(bad_days)
    messages = {dataset_of(event.step_key or ""): _message(event) for event in steps_failed}
    own = {name: _without_consequences(text, messages) for name, text in messages.items()}
    datasets: dict[str, list[str]] = {}
    for name, text in own.items():
        if text:
            datasets.setdefault(text, []).append(name)
    return Outcome(
        SOME_DAYS_FAILED if only_days else FAILED,
        [f"{', '.join(names)}: {text}" for text, names in datasets.items()],
        [name for name, text in own.items() if not text],
        sorted(set().union(*bad_days)) if only_days else [],
        doubts,
        seconds,
        _traceback([event.step_failure_data.error for event in steps_failed]),
    )


def dataset_of(step: str) -> str:
    """Return a step's key as a user knows it: `raw__orders` is `raw/orders`."""
    name = re.sub(r"^clean_", "cleaned/", step.replace("__", "/"))
    return re.sub(r"^check_(?:anomalies_)?(raw|cleaned|metrics)_", r"checks of \1/", name)


def error_message(error: Any) -> str:
    """Return what an error says: that of ours behind it, if there is one, in its own words."""
    chain = [error]
    while chain[-1].cause:
        chain.append(chain[-1].cause)
    messages = [redact(link.message.strip()) for link in chain]
    ours = [_OURS.sub("", text) for text in messages if _OURS.match(text)]
    return ours[0] if ours else messages[-1]


def _is_interruption(event: dg.DagsterEvent) -> bool:
    if event.event_type is not dg.DagsterEventType.RUN_FAILURE:
        return False
    return event.job_failure_data.failure_reason is RunFailureReason.UNEXPECTED_TERMINATION


def _doubts(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """Return what the asset checks of a run said no to."""
    records = instance.get_records_for_run(
        run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ).records
    days: dict[str, list[str]] = {}
    for record in records:
        answer = record.event_log_entry.get_dagster_event().asset_check_evaluation_data
        if not answer.passed:
            verb = "fails" if answer.severity is dg.AssetCheckSeverity.ERROR else "warns"
            name = f"{answer.asset_key.to_user_string()}, check {answer.check_name} {verb}"
            days.setdefault(name, []).extend([answer.partition] if answer.partition else [])
    return [
        f"{name}: {_listed(sorted(found))}" if found else name
        for name, found in sorted(days.items())
    ]


def _listed(days: list[str]) -> str:
    more = f" and {len(days) - SHOWN_DAYS} more days" if len(days) > SHOWN_DAYS else ""
    return ", ".join(days[:SHOWN_DAYS]) + more


def _bad_days(event: dg.DagsterEvent) -> set[date]:
    """Return the days that a step says it did not publish; none where it failed as a whole."""
    user = event.step_failure_data.user_failure_data
    found = user.metadata.get("bad_days") if user else None
    days = found.value if isinstance(found, dg.JsonMetadataValue) else None
    return {date.fromisoformat(day) for day in days} if isinstance(days, list) else set()


def _message(event: dg.DagsterEvent) -> str:
    failure = event.step_failure_data
    if failure.user_failure_data and failure.user_failure_data.description:
        return redact(failure.user_failure_data.description)
    return error_message(failure.error) if failure.error else redact(event.message or "")


def _without_consequences(message: str, failed: dict[str, str]) -> str:
    """Return a message without days that are bad only because another failed dataset's are."""
    first, *lines = message.splitlines()
    causes = [
        line
        for line in lines
        if not ((found := _CONSEQUENCE.match(line)) and found["dataset"] in failed)
    ]
    return "\n".join([first, *causes]) if causes or not lines else ""


def _traceback(errors: list[Any]) -> str:
    return "\n".join(redact(error.to_string()) for error in errors if error)
