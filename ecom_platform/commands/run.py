"""`ecom run`: one Dagster run over a range of days. How it is shown is in `progress.py`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import dagster as dg
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)

from ecom_platform.automation.dead_runs import end_dead_runs, process_tags
from ecom_platform.automation.jobs import DAILY_REFRESH
from ecom_platform.commands.conclusion import print_conclusion
from ecom_platform.commands.outcome import INVOCATION_TAG, read_outcome
from ecom_platform.commands.progress import progress, terminal
from ecom_platform.commands.quarantined import print_rows_set_aside
from ecom_platform.errors import EcomError
from ecom_platform.lake.breaker import ACCEPT_LOSS_TAG, ACCEPTED

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from rich.console import Console

    from ecom_platform.commands.outcome import Outcome
    from ecom_platform.settings import Settings

#: Where runs are recorded when DAGSTER_HOME does not say.
DEFAULT_HOME = ".dagster"
#: Materialization events are written to the database in batches of this many.
EVENT_BATCH = "1000"

#: The instance of a new, empty home. For one that runs all day see the project's dagster.yaml.
INSTANCE = """\
event_log_storage:
  module: ecom_platform.instance.sqlite
  class: KeptSqliteEventLogStorage
concurrency:
  runs:
    max_concurrent_runs: 2
run_monitoring:
  enabled: true
  max_runtime_seconds: 21600
telemetry:
  enabled: false
"""


def run_range(
    settings: Settings, first: date, last: date, *, accept_loss: bool = False, debug: bool
) -> int:
    """Materialize the days `first` to `last`; say what happened; return the exit code.

    Args:
        settings: Of the environment.
        first: The first day.
        last: The last day.
        accept_loss: Whether days may lose more than the thresholds allow.
        debug: Whether to print tracebacks too.

    Raises:
        SettingsError: A day is not over yet or before the first, or the range is empty.
    """
    settings.calendar.closed_range(first, last)
    with terminal() as console:
        prepare_instance(console)
        tags = {ACCEPT_LOSS_TAG: ACCEPTED} if accept_loss else {}
        outcome = execute_range(first, last, console, tags)
        outcome.print_problems(console, debug=debug)
        print_conclusion(settings, outcome, first, last, console)
    return outcome.code


def prepare_instance(console: Console) -> None:
    """Make sure that there is a Dagster home, and that events are written in batches.

    Raises:
        EcomError: DAGSTER_HOME cannot be written to.
    """
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", EVENT_BATCH)
    home = Path(os.environ.get("DAGSTER_HOME") or DEFAULT_HOME).expanduser().absolute()
    if not os.environ.get("DAGSTER_HOME"):
        console.print(f"DAGSTER_HOME is not set: runs are recorded in {home}", style="dim")
    os.environ["DAGSTER_HOME"] = str(home)
    try:
        home.mkdir(parents=True, exist_ok=True)
        if not (home / "dagster.yaml").exists():
            (home / "dagster.yaml").write_text(INSTANCE)
    except OSError as error:
        raise EcomError(
            f"Runs cannot be recorded in {home}: {error.strerror}.",
            hint="Set DAGSTER_HOME to a folder that can be written to.",
        ) from None


def tell_dead_runs(instance: dg.DagsterInstance, console: Console) -> None:
    """End the runs that were killed, and say which."""
    for run in end_dead_runs(instance):
        told = f"! A {run} was killed before it ended: it is marked as failed in Dagster."
        console.print(told, style="yellow", markup=False)


def daily_refresh_job() -> dg.JobDefinition:
    """Return the job that `execute_range` runs; Dagster asks for it by name."""
    from ecom_platform.definitions import defs

    return defs.resolve_job_def(DAILY_REFRESH)


def execute_range(
    first: date, last: date, console: Console, more_tags: Mapping[str, str] | None = None
) -> Outcome:
    """Run the daily job over a range in this process, showing its progress."""
    job = dg.build_reconstructable_job("ecom_platform.commands.run", "daily_refresh_job")
    graph = job.get_definition().asset_layer.asset_graph
    partitioned = [node for node in graph.asset_nodes if node.is_executable and node.is_partitioned]
    partitions = len(partitioned) * ((last - first).days + 1)
    invocation = uuid4().hex
    tags = {
        **process_tags(),
        ASSET_PARTITION_RANGE_START_TAG: first.isoformat(),
        ASSET_PARTITION_RANGE_END_TAG: last.isoformat(),
        INVOCATION_TAG: invocation,
        **(more_tags or {}),
    }
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    with dg.DagsterInstance.get() as instance:
        tell_dead_runs(instance, console)
        with progress(instance, invocation, partitions, console):
            result = dg.execute_job(
                job, instance, run_config=quiet, tags=tags, raise_on_error=False
            )
        print_rows_set_aside(instance, result.run_id, console)
        return read_outcome(instance, result.run_id, success=result.success)
