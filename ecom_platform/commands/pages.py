"""`ecom pages`: the marts and the pages made now, as the schedule `morning` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from ecom_platform.automation.dead_runs import process_tags
from ecom_platform.automation.jobs import MORNING_PAGES
from ecom_platform.commands.conclusion import print_incidents
from ecom_platform.commands.outcome import DONE, read_outcome
from ecom_platform.commands.progress import terminal
from ecom_platform.commands.run import prepare_instance
from ecom_platform.lake.pages import PAGES
from ecom_platform.lake.storage import open_storage

if TYPE_CHECKING:
    from ecom_platform.commands.outcome import Outcome
    from ecom_platform.settings import Settings


def make_pages(settings: Settings, *, debug: bool) -> int:
    """Make the marts and the pages; say where they are; return the exit code."""
    with terminal() as console:
        prepare_instance(console)
        outcome = execute_pages()
        outcome.print_problems(console, debug=debug)
        print_incidents(settings, outcome.run, console)
    if outcome.code == DONE:
        storage = open_storage(settings.pages)
        for page in PAGES:
            print(storage.uri(page.path))  # noqa: T201 - for whoever opens it
    return outcome.code


def morning_pages_job() -> dg.JobDefinition:
    """Return the job that `execute_pages` runs; Dagster asks for it by name."""
    from ecom_platform.definitions import defs

    return defs.resolve_job_def(MORNING_PAGES)


def execute_pages() -> Outcome:
    """Run the job of the pages in this process."""
    job = dg.build_reconstructable_job("ecom_platform.commands.pages", "morning_pages_job")
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    with dg.DagsterInstance.get() as instance:
        result = dg.execute_job(
            job, instance, run_config=quiet, tags=process_tags(), raise_on_error=False
        )
        return read_outcome(instance, result.run_id, success=result.success)
