"""A run as it goes, on the terminal: its step, its partitions, its retries. Not what became of it.

While a step runs, Dagster sends the process's output to a file of the run, so this writes
to a copy of the terminal that was made before.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ecom_platform.commands.outcome import INVOCATION_TAG, dataset_of, error_message

if TYPE_CHECKING:
    from collections.abc import Generator

    from rich.progress import TaskID

POLL_SECONDS = 0.25


@contextmanager
def terminal() -> Generator[Console]:
    """Open a console on stderr that goes on writing there whatever Dagster captures."""
    with os.fdopen(os.dup(2), "w", encoding="utf-8") as stream:
        yield Console(file=stream, highlight=False)


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
            retry = event.step_retry_data
            reason = error_message(retry.error) if retry.error else ""
            again = f"trying again in {retry.seconds_to_wait or 0:.0f} s"
            name = dataset_of(event.step_key or "")
            self.bar.console.print(f"[yellow]![/] {name}, {again}: {escape(reason)}")
