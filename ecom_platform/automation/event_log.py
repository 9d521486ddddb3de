"""What is dropped from Dagster's event log, which would grow for ever, and the job that does it.

Dagster clears old ticks of schedules and sensors, and nothing else; deleting a run would make
the days that it published look as if they were never made. So events go one by one: what is
old and says nothing any more of how an asset, a check or a run stands today.
"""

from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.events import ASSET_EVENTS, PIPELINE_EVENTS
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from sqlalchemy import ColumnElement, Table, and_, delete, exists, not_, or_, select

from ecom_platform.settings import Settings

PRUNE_EVENT_LOG = "prune_event_log"

_EVENTS, _CHECKS = SqlEventLogStorageTable, AssetCheckExecutionsTable
_OF_ASSETS = [kind.value for kind in ASSET_EVENTS]
_OF_RUNS = [kind.value for kind in PIPELINE_EVENTS]


def prune(storage: SqlEventLogStorage, before: datetime) -> int:
    """Drop old events that something newer has replaced, and those about the inside of a run.

    Kept, however old: of every partition of every asset the newest materialization, plan and
    failure; of every check and partition the newest answer; when runs started and how they
    ended. So statuses, and what a sensor reads that follows materializations, stay as they are.

    Args:
        storage: In a database; not SQLite's, which keeps the events of each run in a file.
        before: Aware. What happened later is kept.

    Returns:
        How many events were dropped.
    """
    old = before.astimezone(UTC).replace(tzinfo=None)
    answers = select(_CHECKS.c.evaluation_event_storage_id).where(
        _CHECKS.c.evaluation_event_storage_id.is_not(None)
    )
    with storage.index_connection() as connection:
        connection.execute(
            delete(_CHECKS).where(
                _CHECKS.c.create_timestamp < old,
                _replaced(_CHECKS, "asset_key", "check_name", "partition"),
            )
        )
        kind = _EVENTS.c.dagster_event_type
        dropped = connection.execute(
            delete(_EVENTS).where(
                _EVENTS.c.timestamp < old,
                or_(
                    kind.is_(None),
                    and_(
                        kind.not_in([*_OF_ASSETS, *_OF_RUNS]),
                        _EVENTS.c.id.not_in(answers),
                    ),
                    and_(
                        kind.in_(_OF_ASSETS),
                        _replaced(_EVENTS, "asset_key", "dagster_event_type", "partition"),
                    ),
                ),
            )
        ).rowcount
        kept = select(_EVENTS.c.id).where(_EVENTS.c.id == AssetEventTagsTable.c.event_id)
        connection.execute(delete(AssetEventTagsTable).where(not_(exists(kept))))
    return dropped


def _replaced(table: Table, *key: str) -> ColumnElement[bool]:
    """Say that a newer row has the same key."""
    newer = table.alias("newer")
    same = [newer.c[column].is_not_distinct_from(table.c[column]) for column in key]
    return exists(select(newer.c.id).where(*same, newer.c.id > table.c.id))


def build_event_log_job(settings: Settings) -> dg.JobDefinition:
    """Build the job.

    Args:
        settings: How long events are kept.
    """

    @dg.op(name="drop_old_events")
    def drop_old_events(context: dg.OpExecutionContext) -> None:
        storage = context.instance.event_log_storage
        if not isinstance(storage, SqlEventLogStorage) or isinstance(
            storage, SqliteEventLogStorage
        ):
            context.log.info("Events are kept in files, one for each run: nothing is dropped.")
            return
        before = datetime.now(UTC) - timedelta(days=settings.event_log_days)
        dropped = prune(storage, before)
        context.log.info("%d events of before %s were dropped.", dropped, before.date())

    @dg.job(
        name=PRUNE_EVENT_LOG,
        description=f"Drops from Dagster's event log what is older than {settings.event_log_days} "
        "days and says nothing any more of how things stand.",
    )
    def prune_event_log() -> None:
        drop_old_events()

    return prune_event_log
