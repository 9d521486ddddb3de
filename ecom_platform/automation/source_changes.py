"""The sensor that makes days again which the source has changed since they were published.

How changes are found is in `change_watch.py`; here is what is asked for, and what is not.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from logging import Logger

import dagster as dg
from dagster._core.storage.partition_status_cache import AssetPartitionStatus

from ecom_platform.alerts.channels import Channel, Message, open_channels
from ecom_platform.automation.alerts import send
from ecom_platform.automation.change_watch import INTERVAL, Asked, Comparison, State
from ecom_platform.automation.jobs import DAILY_REFRESH
from ecom_platform.automation.runs import busy_days, range_tags
from ecom_platform.calendar import contiguous_ranges
from ecom_platform.datasets import Dataset
from ecom_platform.lake.storage import open_storage
from ecom_platform.settings import Settings
from ecom_platform.sources.database import DatabaseSource

SOURCE_CHANGES = "source_changes"

#: A day that was asked for, and is not made as it was then, has failed: it is left for so long.
PAUSE = timedelta(hours=6)
#: Ranges of days that an alert spells out.
SHOWN = 10


def build_change_sensors(
    settings: Settings, datasets: Sequence[Dataset]
) -> list[dg.SensorDefinition]:
    """Build the sensor, off until somebody turns it on; none where the source is no database.

    Args:
        settings: Which source and lake, how far to look, and where alerts go.
        datasets: What the job makes of a day.
    """
    if settings.source_kind != "postgres":
        return []
    changes = SourceChanges(settings, datasets, open_channels(settings))

    @dg.sensor(
        name=SOURCE_CHANGES,
        job_name=DAILY_REFRESH,
        description="Makes the days again that the database has changed since they were "
        f"published. Compares the last {settings.lookback_days} closed days at every tick, and "
        f"all of them within {settings.change_check_hours} hours.",
        minimum_interval_seconds=int(INTERVAL.total_seconds()),
    )
    def source_changes(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        return changes.tick(context.instance, context.cursor, datetime.now(UTC), context.log)

    return [source_changes]


class SourceChanges:
    """Decides at each tick which days are to be made again.

    Args:
        settings: Of the environment; its source is a database.
        datasets: What the job makes of a day.
        channels: Where alerts go.
    """

    def __init__(
        self, settings: Settings, datasets: Sequence[Dataset], channels: Sequence[Channel]
    ) -> None:
        self._settings = settings
        self._keys = [dg.AssetKey(dataset.path.split("/")) for dataset in datasets]
        self._channels = channels

    def tick(
        self, instance: dg.DagsterInstance, cursor: str | None, now: datetime, log: Logger
    ) -> dg.SensorResult:
        """Compare some days, and ask for those that have changed.

        Args:
            instance: Whose runs are not to be repeated.
            cursor: What the last tick returned.
            now: The moment, aware.
            log: Of the tick.

        Raises:
            SourceError: The source cannot be read, or not in time.
            LakeError: The lake cannot be read.
            AlertError: Too many days have changed, and nobody could be told.
        """
        newest = self._settings.calendar.last_closed(now)
        if newest < self._settings.start_date:
            return dg.SensorResult(skip_reason="No day is over yet.", cursor=cursor)
        state = State.load(cursor)
        busy = busy_days(instance, layer="raw")  # before comparing: a run may end meanwhile
        with DatabaseSource(self._settings).snapshot() as snapshot:
            found = Comparison(self._settings, snapshot, open_storage(self._settings.lake), newest)
            found.run(state, now, log)
        found.changed |= self._unfinished(instance, state, found, busy)
        self._forget(state, found, busy, now)
        changed = {day: content for day, content in found.changed.items() if day not in busy}
        many = self._too_many(state, changed, busy, now)
        if many:
            reason = self._brake(state, many, log)
            return dg.SensorResult(skip_reason=reason, cursor=state.model_dump_json())
        if state.braked:
            state.braked, state.counted_from = False, now
        wanted = [day for day in sorted(changed) if not _is_paused(state, day, changed[day], now)]
        state.asked |= {day: Asked(content=changed[day], at=now) for day in wanted}
        waiting = len(found.changed) - len(wanted)
        return dg.SensorResult(
            run_requests=[_request(first, last, now) for first, last in contiguous_ranges(wanted)],
            skip_reason=None
            if wanted
            else f"Compared {len(found.compared)} days; {waiting} have changed, and are being "
            "made or have failed lately."
            if waiting
            else f"Compared {len(found.compared)} days; none has changed.",
            cursor=state.model_dump_json(),
        )

    def _unfinished(
        self, instance: dg.DagsterInstance, state: State, found: Comparison, busy: set[date]
    ) -> dict[date, str]:
        """Return the days that were read as asked for, but of which a later step failed."""
        read = {
            day.isoformat(): asked.content
            for day, asked in state.asked.items()
            if asked.content and day not in busy and day not in found.changed
        }
        partitions = self._settings.calendar.partitions
        failed: set[str] = set()
        for key in self._keys if read else ():
            statuses = instance.get_status_by_partition(key, list(read), partitions) or {}
            failed |= {n for n, status in statuses.items() if status is AssetPartitionStatus.FAILED}
        return {date.fromisoformat(name): read[name] for name in sorted(failed)}

    def _forget(self, state: State, found: Comparison, busy: set[date], now: datetime) -> None:
        """Drop what is long ago, and what was asked for of days that are done with."""
        oldest = now - max(timedelta(hours=self._settings.change_check_hours), 2 * PAUSE)
        state.asked = {day: asked for day, asked in state.asked.items() if asked.at > oldest}
        open_days = {*found.changed, *state.changed, *busy}
        for day, asked in state.asked.items():
            if day not in open_days:
                asked.content = ""

    def _too_many(
        self, state: State, changed: dict[date, str], busy: set[date], now: datetime
    ) -> list[date]:
        """Return the changed days if they are more than may be made again.

        Those asked for lately are among them: a change of the whole history comes to light
        piece by piece.
        """
        since = now - timedelta(hours=self._settings.change_check_hours)
        since = max(since, state.counted_from or since)
        lately = {day for day, asked in state.asked.items() if asked.at > since}
        days = changed.keys() | (set(state.changed) - busy) | lately
        return sorted(days) if len(days) > self._settings.max_changed_days else []

    def _brake(self, state: State, days: Sequence[date], log: Logger) -> str:
        """Say that too many days have changed: in the log, and once to people."""
        ranges = [f"{first} to {last}" for first, last in contiguous_ranges(days)]
        listed = ", ".join(ranges[:SHOWN]) + (" …" if len(ranges) > SHOWN else "")
        reason = (
            f"{len(days)} days have changed in the source, more than ECOM_MAX_CHANGED_DAYS="
            f"{self._settings.max_changed_days}; none of them is made again: {listed}."
        )
        log.error(reason)
        if not state.braked:
            advice = (
                "If the change is meant, raise ECOM_MAX_CHANGED_DAYS for as long as it takes, or "
                "backfill these days; else undo it in the source."
            )
            send(log, self._channels, Message("Too many days have changed", f"{reason}\n{advice}"))
            state.braked = True
        return reason


def _is_paused(state: State, day: date, content: str, now: datetime) -> bool:
    asked = state.asked.get(day)
    return asked is not None and asked.content == content and now - asked.at < PAUSE


def _request(first: date, last: date, now: datetime) -> dg.RunRequest:
    return dg.RunRequest(
        # The moment is part of it: keys count for ever, and a day may change again and back.
        run_key=f"{now.isoformat()}/{first}/{last}",
        tags=range_tags(first, last),
    )
