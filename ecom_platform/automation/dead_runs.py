"""Runs in processes of their own, as `ecom run` makes them: which have died, and ending those.

A process that is killed ends no run. Dagster's run monitoring sees to the runs that its daemon has
launched; of these it knows no process.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from ecom_platform.automation.runs import days_of
from ecom_platform.processes import Process, this_process

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Of a run: the process that it is in.
PROCESS_TAG = "ecom/process"


def process_tags() -> dict[str, str]:
    """Return the tags of a run that this process makes itself."""
    return {PROCESS_TAG: json.dumps(asdict(this_process()))}


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark the runs as failed whose process is gone, of this machine.

    Returns:
        Which they were, in words.
    """
    return list(_end_dead_runs(instance))


def _end_dead_runs(instance: dg.DagsterInstance) -> Iterator[str]:
    for run in instance.get_runs(dg.RunsFilter(statuses=list(NOT_FINISHED_STATUSES))):
        # What is launched anew from Dagster's page has the tags of the run before.
        process = None if run.remote_job_origin else _process_of(run.tags)
        if process is None or not process.is_gone():
            continue
        # It may have ended by itself before it was looked at.
        current = instance.get_run_by_id(run.run_id)
        if current is None or current.is_finished:
            continue
        instance.report_run_failed(
            current,
            f"The run was killed: {process}, which it was in, is gone. What was published by then "
            "stays; run the same days again for the rest.",
        )
        days = days_of(run.tags)
        of = f" of {days[0]} to {days[-1]}" if days else ""
        yield f"run {run.run_id[:8]}{of}"


def _process_of(tags: Mapping[str, str]) -> Process | None:
    try:
        return Process(**json.loads(tags.get(PROCESS_TAG, "")))
    except (ValueError, TypeError):
        return None
