"""A run as it goes, on the terminal: its step, its partitions, its retries. Not what became of it.

While a step runs, Dagster sends the process's output to a file of the run, so this writes
to a copy of the terminal that was made before.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import dagster as dg
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ecom_platform.commands.formats import messages
from ecom_platform.commands.outcome import INVOCATION_TAG, dataset_of, error_message

if TYPE_CHECKING:
    from collections.abc import Generator

    from rich.console import Console
    from rich.progress import TaskID

POLL_SECONDS = 0.25


@contextmanager
def terminal() -> Generator[Console]:
    """Open a console on stderr that goes on writing there whatever Dagster captures."""
    with os.fdopen(os.dup(2), "w", encoding="utf-8") as stream:
        yield messages(stream)


@contextmanager
def progress(
    instance: dg.DagsterInstance, invocation: str, total: int, console: Console
) -> Generator[None]:
    """Show the run with that tag while the block runs, where there is somebody to look.

    Args:
        instance: Where the run is recorded.
        invocation: Value of the run's `INVOCATION_TAG`.
        total: Partitions that it is to make.
        console: As `terminal` gives it.
    """
    finished = threading.Event()
    columns = (
        BarColumn(20),
        MofNCompleteColumn(),
        TextColumn("partitions"),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        watcher = _Watcher(instance, invocation, bar, bar.add_task("planning", total=total))

        def watch() -> None:
            while not finished.wait(POLL_SECONDS):
                watcher.look()
            watcher.look()

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            finished.set()
            thread.join()


@dataclass
class _Watcher:
    """Reads what the run has recorded since the last look."""

    instance: dg.DagsterInstance
    invocation: str
    bar: Progress
    task: TaskID
    run_id: str = ""
    cursor: str | None = None
    told: set[str] = field(default_factory=set[str])

    def look(self) -> None:
        if not self.run_id:
            found = self.instance.get_run_records(
                dg.RunsFilter(tags={INVOCATION_TAG: self.invocation}), limit=1
            )
            if not found:
                return
            self.run_id = found[0].dagster_run.run_id
        seen = self.instance.get_records_for_run(
            self.run_id,
            self.cursor,
            {
                dg.DagsterEventType.STEP_START,
                dg.DagsterEventType.STEP_UP_FOR_RETRY,
                dg.DagsterEventType.ASSET_MATERIALIZATION,
            },
        )
        self.cursor = seen.cursor
        for record in seen.records:
            self._show(record.event_log_entry.get_dagster_event())

    def _show(self, event: dg.DagsterEvent) -> None:
        if event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION:
            self.bar.advance(self.task)
        elif event.event_type is dg.DagsterEventType.STEP_START:
            self.bar.update(self.task, description=dataset_of(event.step_key or ""))
        else:
            self._tell_retry(event)

    def _tell_retry(self, event: dg.DagsterEvent) -> None:
        retry = event.step_retry_data
        reason = error_message(retry.error) if retry.error else ""
        if reason not in self.told:  # the other tables have the same to say
            self.told.add(reason)
            again = f"{dataset_of(event.step_key or '')}, trying again"
            wait = f" in {retry.seconds_to_wait:.0f} s" if retry.seconds_to_wait else ""
            self.bar.console.print(f"[yellow]![/] {again}{wait}: {escape(reason)}")
