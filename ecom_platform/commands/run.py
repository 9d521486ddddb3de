"""`ecom run`: one Dagster run over a range of days, with its progress on the screen."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import dagster as dg
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ecom_platform.automation.jobs import DAILY_REFRESH
from ecom_platform.privacy import redact

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from ecom_platform.settings import Settings

#: Where runs are recorded when DAGSTER_HOME does not say.
DEFAULT_HOME = Path(".dagster")
INVOCATION_TAG = "ecom/invocation"
#: Materialization events are written to the database in batches of this many.
EVENT_BATCH = "1000"

#: The instance of a new, empty home. For one that runs all day see the project's dagster.yaml.
INSTANCE = """\
event_log_storage:
  module: ecom_platform.event_storage
  class: KeptSqliteEventLogStorage
telemetry:
  enabled: false
"""

DONE, FAILED, SOME_DAYS_FAILED = 0, 1, 2


@dataclass(frozen=True)
class Outcome:
    """What became of a run: its exit code, its failures as messages, its seconds by step."""

    code: int
    failures: list[str]
    seconds: dict[str, float]


def prepare_instance(console: Console) -> None:
    """Make sure that there is a Dagster home, and that events are written in batches."""
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", EVENT_BATCH)
    if "DAGSTER_HOME" not in os.environ:
        home = DEFAULT_HOME.absolute()
        os.environ["DAGSTER_HOME"] = str(home)
        console.print(f"DAGSTER_HOME is not set: runs are recorded in {home}", style="dim")
    home = Path(os.environ["DAGSTER_HOME"])
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "dagster.yaml").exists():
        (home / "dagster.yaml").write_text(INSTANCE)


def run_range(settings: Settings, first: date, last: date) -> int:
    """Materialize the days `first` to `last`; print failures; return the exit code."""
    settings.calendar.closed_range(first, last)
    console = Console(stderr=True, highlight=False)
    prepare_instance(console)
    outcome = execute_range(first, last, console)
    days = (last - first).days + 1
    for failure in outcome.failures:
        console.print(f"✗ {failure}", style="red", markup=False)
    if outcome.code == DONE:
        console.print(f"{days} days published.", style="green")
    return outcome.code


def daily_refresh_job() -> dg.JobDefinition:
    """Return the job that `execute_range` runs; Dagster asks for it by name."""
    from ecom_platform.definitions import defs

    return defs.resolve_job_def(DAILY_REFRESH)


def execute_range(first: date, last: date, console: Console) -> Outcome:
    """Run the daily job over a range in this process, showing its progress."""
    job = dg.build_reconstructable_job("ecom_platform.commands.run", "daily_refresh_job")
    invocation = uuid4().hex
    tags = {
        ASSET_PARTITION_RANGE_START_TAG: first.isoformat(),
        ASSET_PARTITION_RANGE_END_TAG: last.isoformat(),
        INVOCATION_TAG: invocation,
    }
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    with dg.DagsterInstance.get() as instance:
        with _progress(instance, invocation, console):
            result = dg.execute_job(
                job, instance, run_config=quiet, tags=tags, raise_on_error=False
            )
        return _outcome(instance, result.run_id, success=result.success)


@contextmanager
def _progress(instance: dg.DagsterInstance, invocation: str, console: Console) -> Iterator[None]:
    """Show the steps of the run with that tag, as Dagster records them."""
    finished = threading.Event()

    def watch() -> None:
        columns = (
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        )  # fmt: skip
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task("planning", total=None)
            while not finished.wait(0.5):
                runs = instance.get_run_records(dg.RunsFilter(tags={INVOCATION_TAG: invocation}))
                if not runs:
                    continue
                run = runs[0].dagster_run
                stats = instance.get_run_step_stats(run.run_id)
                done = [step for step in stats if step.end_time]
                active = [step.step_key for step in stats if not step.end_time]
                plan = run.step_keys_to_execute or ()
                bar.update(
                    task,
                    completed=len(done),
                    total=len(plan) or None,
                    description=(active[0] if active else "planning").replace("__", "/"),
                )

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        finished.set()
        watcher.join()


def _outcome(instance: dg.DagsterInstance, run_id: str, *, success: bool) -> Outcome:
    steps = instance.get_run_step_stats(run_id)
    seconds = {s.step_key: s.end_time - s.start_time for s in steps if s.end_time and s.start_time}
    if success:
        return Outcome(DONE, [], seconds)
    failures: list[str] = []
    only_days = True
    records = instance.get_records_for_run(
        run_id, of_type={dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
    ).records
    for record in records:
        event = record.event_log_entry.get_dagster_event()
        if event.event_type is dg.DagsterEventType.STEP_FAILURE:
            failure = event.step_failure_data
            user = failure.user_failure_data
            error = failure.error
            text = user.description if user else error.to_string() if error else ""
            only_days = only_days and bool(user and user.metadata.get("bad_days"))
            failures.append(redact(text or event.message or ""))
    if not failures:
        failures = [redact(record.event_log_entry.message or "") for record in records]
        only_days = False
    return Outcome(SOME_DAYS_FAILED if only_days else FAILED, failures, seconds)
