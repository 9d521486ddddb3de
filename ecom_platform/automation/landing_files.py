"""The sensor that makes the days again whose files were delivered, changed or removed.

Which days these are is found in `landing_watch.py`, what is asked for in `changes.py`.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from logging import Logger

import dagster as dg

from ecom_platform.automation.changes import NOT_UNDERSTOOD, ChangeSensor, Found
from ecom_platform.automation.jobs import DAILY_REFRESH
from ecom_platform.automation.landing_state import LandingState
from ecom_platform.automation.landing_watch import Landing
from ecom_platform.datasets import Dataset
from ecom_platform.errors import SourceError
from ecom_platform.lake.storage import open_storage
from ecom_platform.settings import Settings
from ecom_platform.sources.files.deliveries import digest
from ecom_platform.sources.files.layout import UnknownFilesError
from ecom_platform.sources.files.snapshot import FilesSnapshot
from ecom_platform.sources.files.source import FilesSource

LANDING_FILES = "landing_files"

#: After the newest closed day there is the present one, and where it is later already, the next.
TO_COME = timedelta(days=2)
#: Problems that are remembered as told, and of them those that a message spells out.
KEPT, SHOWN = 500, 10


def build_landing_sensor(settings: Settings, datasets: Sequence[Dataset]) -> dg.SensorDefinition:
    """Build the sensor, off until somebody turns it on.

    Args:
        settings: Which source and lake, and where alerts go.
        datasets: What the job makes of a day.
    """
    files = LandingFiles(settings, datasets)

    @dg.sensor(
        name=LANDING_FILES,
        job_name=DAILY_REFRESH,
        description="Makes the days whose files were delivered, changed or removed since they "
        f"were published, once the files have stayed the same for {settings.source_still_minutes} "
        "minutes.",
        minimum_interval_seconds=60 * settings.change_check_minutes,
    )
    def landing_files(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        return files.tick(context.instance, context.cursor, datetime.now(UTC), context.log)

    return landing_files


class LandingFiles(ChangeSensor[LandingState]):
    """Follows files."""

    state_type = LandingState

    def look(
        self, state: LandingState, newest: date, busy: set[date], now: datetime, log: Logger
    ) -> Found:
        """See `ChangeSensor`; days that were never published are among those it finds."""
        source = FilesSource(self.settings)
        with source.snapshot(self.settings.change_check_seconds) as snapshot:
            landing = Landing(self.settings, snapshot, newest, state, now, log)
            found = landing.find(open_storage(self.settings.lake), busy)
            self._tell(state, _problems(snapshot, state, newest), now, log)
        return found

    def _tell(
        self, state: LandingState, problems: Sequence[str], now: datetime, log: Logger
    ) -> None:
        """Say once what cannot be taken: in the log, and to people."""
        versions = {digest([problem]): problem for problem in sorted(problems)[:KEPT]}
        fresh = [problem for version, problem in versions.items() if version not in state.told]
        if fresh:
            more = [f"… and {len(fresh) - SHOWN} more"] if len(fresh) > SHOWN else []
            text = "\n".join([*fresh[:SHOWN], *more])
            log.warning(text)
            self.report(NOT_UNDERSTOOD, now, text)
        state.told = list(versions)


def _problems(snapshot: FilesSnapshot, state: LandingState, newest: date) -> list[str]:
    """Return what cannot be taken, a sentence for each: names, and whole tables."""
    found = [f"{name} belongs to no table." for name in snapshot.unknown_names()]
    for table, layout in snapshot.layouts.items():
        if isinstance(layout, UnknownFilesError):
            found += [
                f"{path} is in no layout of {table}, and keeps {table} from being read."
                for path in layout.paths
            ]
        elif isinstance(layout, SourceError):
            found.append(f"{layout.message} {layout.hint}")
        else:
            found += [
                f"{table}/date={day} is of a day to come."
                for day in layout.folders
                if day > newest + TO_COME
            ]
    return [
        *found,
        *(broken.reason for broken in state.broken.values()),
        *(slow.reason for slow in state.too_slow.values()),
    ]
