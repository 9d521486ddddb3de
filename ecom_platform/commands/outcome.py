"""What became of a run, read from its events: its failures in plain words, its exit code."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.events import RunFailureReason

from ecom_platform.calendar import contiguous_ranges, ranges
from ecom_platform.check_results import Verdict, results_of_run
from ecom_platform.incidents.model import NO_DAY
from ecom_platform.lake.events import bad_days_of, by_reason
from ecom_platform.privacy import redact

if TYPE_CHECKING:
    from collections.abc import Collection

    from rich.console import Console

    from ecom_platform.check_results import CheckResult

#: Tells the run of one call of `execute_range` from all others.
INVOCATION_TAG = "ecom/invocation"

DONE, FAILED, SOME_DAYS_FAILED = 0, 1, 2

INTERRUPTED = "Interrupted. What was published by then stays; run the same days again for the rest."

#: Ranges of days that are spelled out of those on which a check said no, and incidents.
SHOWN = 10

#: What stands before the message of an error of ours, or of a failure that carries one.
_OURS = re.compile(r"^(ecom_platform\.errors\.\w+|dagster\._core\.definitions\.events\.Failure): ")
#: How the steps say that a day is bad only because another dataset's is.
_CONSEQUENCE = re.compile(
    r"^(?P<dataset>\S+) (of this day failed in this run|was never computed for .*)$"
)


@dataclass(frozen=True)
class Outcome:
    """What became of a run.

    Args:
        code: Exit code of the command that asked for it.
        run: Its id.
        failures: What went wrong, without what followed from it.
        affected: Datasets that lack days only because of these failures.
        bad_days: Days that were not published, where nothing else is wrong.
        checks: What the run's checks said.
        seconds: By step.
        traceback: Of all failures, for whoever mends the platform itself.
    """

    code: int
    run: str
    failures: list[str] = field(default_factory=list[str])
    affected: list[str] = field(default_factory=list[str])
    bad_days: list[date] = field(default_factory=list[date])
    checks: list[CheckResult] = field(default_factory=list["CheckResult"])
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    traceback: str = ""

    def print_problems(self, console: Console, *, debug: bool) -> None:
        """Say what went wrong, if anything did; with its traceback if asked for."""
        _print_checks(self.checks, console)
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


def _print_checks(checks: list[CheckResult], console: Console) -> None:
    """Say which checks said no, and of which days; the errors last."""
    days: dict[tuple[Verdict, str], list[str]] = {}
    for one in checks:
        if one.verdict is not Verdict.PASSED:
            days.setdefault((one.verdict, one.name), []).append(one.day)
    for (verdict, name), of in sorted(days.items(), reverse=True):
        fails = verdict is Verdict.FAILED
        mark, verb, style = ("✗", "fails", "red") if fails else ("!", "warns", "yellow")
        found = ranges(date.fromisoformat(day) for day in of if day != NO_DAY)
        more = f" and {len(found) - SHOWN} more: see the check in Dagster" if found[SHOWN:] else ""
        told = f": {', '.join(found[:SHOWN])}{more}" if found else ""
        asset, check = name.split(" ")
        console.print(f"{mark} {asset}, check {check} {verb}{told}", style=style, markup=False)


def read_outcome(instance: dg.DagsterInstance, run_id: str, *, success: bool) -> Outcome:
    """Read what became of a run that has ended."""
    steps = instance.get_run_step_stats(run_id)
    seconds = {s.step_key: s.end_time - s.start_time for s in steps if s.end_time and s.start_time}
    checks = results_of_run(instance, run_id)
    if success:
        return Outcome(DONE, run_id, checks=checks, seconds=seconds)
    records = instance.get_records_for_run(
        run_id, of_type={dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
    ).records
    events = [record.event_log_entry.get_dagster_event() for record in records]
    if any(_is_interruption(event) for event in events):
        return Outcome(FAILED, run_id, [INTERRUPTED], checks=checks, seconds=seconds)
    steps_failed = [e for e in events if e.event_type is dg.DagsterEventType.STEP_FAILURE]
    if not steps_failed:
        errors = [event.job_failure_data.error for event in events]
        messages = [error_message(error) for error in errors if error]
        told = messages or [redact(event.message or "The run failed.") for event in events]
        return Outcome(
            FAILED, run_id, told, checks=checks, seconds=seconds, traceback=_traceback(errors)
        )
    failed = {dataset_of(event.step_key or ""): event for event in steps_failed}
    bad_days = [bad_days_of(event) for event in steps_failed]
    only_days = all(bad_days)
    datasets: dict[str, list[str]] = {}
    for name, event in failed.items():
        datasets.setdefault(_own_message(event, failed), []).append(name)
    affected = datasets.pop("", [])
    return Outcome(
        SOME_DAYS_FAILED if only_days else FAILED,
        run_id,
        [f"{', '.join(names)}: {text}" for text, names in datasets.items()],
        affected,
        sorted({date.fromisoformat(day) for days in bad_days for day in days} if only_days else ()),
        checks,
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


def _own_message(event: dg.DagsterEvent, failed: Collection[str]) -> str:
    """Return why a step failed: of days, each reason; nothing where others that failed are why."""
    days = bad_days_of(event)
    if not days:
        return _message(event)
    own = {
        day: why
        for day, why in days.items()
        if not ((found := _CONSEQUENCE.match(why)) and found["dataset"] in failed)
    }
    summary, *_ = _message(event).splitlines()
    return "\n".join([summary, *by_reason(own)]) if own else ""


def _message(event: dg.DagsterEvent) -> str:
    failure = event.step_failure_data
    if failure.user_failure_data and failure.user_failure_data.description:
        return redact(failure.user_failure_data.description)
    return error_message(failure.error) if failure.error else redact(event.message or "")


def _traceback(errors: list[Any]) -> str:
    return "\n".join(redact(error.to_string()) for error in errors if error)
