"""Which runs ended since a position; what they say is read in `run_answers.py`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from ecom_platform.settings import CODE_LOCATION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecom_platform.incidents.model import Position

#: At its very first tick the sensor looks so far back.
FIRST_LOOK = timedelta(days=1)
#: Moments of different machines may differ, and a run may be recorded late.
OVERLAP = timedelta(hours=1)


def finished_runs(
    instance: dg.DagsterInstance, position: Position, now: datetime
) -> Iterator[dg.RunRecord]:
    """Yield the platform's runs that ended since a position, in the order in which they ended."""
    since = (position.at or now - FIRST_LOOK) - OVERLAP
    records = instance.get_run_records(
        dg.RunsFilter(
            statuses=[
                dg.DagsterRunStatus.SUCCESS,
                dg.DagsterRunStatus.FAILURE,
                dg.DagsterRunStatus.CANCELED,
            ],
            updated_after=since,
        ),
        order_by="update_timestamp",
        ascending=True,
    )
    for record in sorted(records, key=_ended):
        # A tag that is added later updates a run, but ends it no second time.
        if _ended(record) >= since and record.dagster_run.run_id not in position.runs:
            origin = record.dagster_run.remote_job_origin  # none, where `ecom run` made it
            if origin is None or origin.location_name == CODE_LOCATION:
                yield record


def note_read(position: Position, record: dg.RunRecord) -> None:
    """Note that a run was read."""
    ended = _ended(record)
    position.at = max(ended, position.at or ended)
    position.runs[record.dagster_run.run_id] = ended
    kept = position.at - 2 * OVERLAP
    position.runs = {run: at for run, at in position.runs.items() if at >= kept}


def _ended(record: dg.RunRecord) -> datetime:
    end = record.end_time
    return datetime.fromtimestamp(end, UTC) if end else record.update_timestamp.astimezone(UTC)
