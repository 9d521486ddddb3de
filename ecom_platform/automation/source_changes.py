"""The sensor that makes days again which a database has changed since they were published.

How changes are found is in `database_watch.py`, what is asked for in `changes.py`.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from logging import Logger

import dagster as dg

from ecom_platform.automation.changes import ChangeSensor, Found
from ecom_platform.automation.database_watch import Comparison, DatabaseState
from ecom_platform.automation.jobs import DAILY_REFRESH
from ecom_platform.datasets import Dataset
from ecom_platform.lake.storage import open_storage
from ecom_platform.settings import Settings
from ecom_platform.sources.database import DatabaseSource

SOURCE_CHANGES = "source_changes"


def build_change_sensor(settings: Settings, datasets: Sequence[Dataset]) -> dg.SensorDefinition:
    """Build the sensor, off until somebody turns it on.

    Args:
        settings: Which source and lake, and how far to look.
        datasets: What the job makes of a day.
    """
    changes = SourceChanges(settings, datasets)

    @dg.sensor(
        name=SOURCE_CHANGES,
        job_name=DAILY_REFRESH,
        description="Makes the days again that the database has changed since they were "
        f"published. Compares the last {settings.lookback_days} closed days at every tick, and "
        f"all of them within {settings.change_check_hours} hours.",
        minimum_interval_seconds=60 * settings.change_check_minutes,
    )
    def source_changes(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        return changes.tick(context.instance, context.cursor, datetime.now(UTC), context.log)

    return source_changes


class SourceChanges(ChangeSensor[DatabaseState]):
    """Follows a database."""

    state_type = DatabaseState

    def look(
        self, state: DatabaseState, newest: date, busy: set[date], now: datetime, log: Logger
    ) -> Found:
        """See `ChangeSensor`; days that were never published are the schedule's."""
        del busy
        with DatabaseSource(self.settings).snapshot() as snapshot:
            compared = Comparison(self.settings, snapshot, open_storage(self.settings.lake), newest)
            compared.run(state, now, log)
        return Found(
            f"Compared {len(compared.compared)} days",
            changed=compared.changed,
            known=set(state.changed),
        )
