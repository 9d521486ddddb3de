"""The platform as tests run it: real definitions, a real Dagster run, a lake of the test's own.

Fixtures are in `conftest.py`; this is what they hand out.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import dagster as dg
import duckdb

from ecom_platform.assets.metrics import METRICS, Metric
from ecom_platform.assets.sql_files import SQL_FOLDER
from ecom_platform.automation.jobs import DAILY_REFRESH
from ecom_platform.calendar import days_between
from ecom_platform.commands.run import INSTANCE
from ecom_platform.definitions import build_definitions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from ecom_platform.settings import Settings

_JOBS: dict[str, dg.JobDefinition] = {}


def current_job(name: str) -> dg.JobDefinition:
    """Return the job that `Platform.run` is executing; Dagster asks for it by name."""
    return _JOBS[name]


@dataclass
class Platform:
    """One environment: its settings, its definitions and its Dagster instance."""

    settings: Settings
    instance: dg.DagsterInstance
    metrics: Sequence[Metric] = METRICS
    metrics_folder: Path = SQL_FOLDER / "metrics"
    definitions: dg.Definitions = field(init=False)

    def __post_init__(self) -> None:
        self.definitions = build_definitions(self.settings, self.metrics, self.metrics_folder)

    def run(
        self, first: date, last: date, *assets: str, tags: dict[str, str] | None = None
    ) -> dg.JobExecutionResult:
        """Execute the daily job over a range, as `ecom run` and a backfill do.

        Args:
            first: First day.
            last: Last day.
            assets: `layer/name` of the assets to materialize; all of them by default.
            tags: Further tags of the run.
        """
        # Dagster keeps the jobs it has looked up: each platform's has a name of its own.
        name = f"{DAILY_REFRESH}-{uuid4().hex}"
        _JOBS[name] = self.definitions.resolve_job_def(DAILY_REFRESH)
        job = dg.build_reconstructable_job("ecom_platform_tests.platform", "current_job", (name,))
        return dg.execute_job(
            job,
            self.instance,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            tags={
                "dagster/asset_partition_range_start": first.isoformat(),
                "dagster/asset_partition_range_end": last.isoformat(),
                **(tags or {}),
            },
            asset_selection=[dg.AssetKey(asset.split("/")) for asset in assets] or None,
            raise_on_error=False,
        )

    def statuses(self, asset: str, first: date, last: date) -> dict[str, str]:
        """Return day -> Dagster's own partition status (`MATERIALIZED`, `FAILED`, `MISSING`)."""
        found = self.instance.get_status_by_partition(
            dg.AssetKey(asset.split("/")),
            [day.isoformat() for day in days_between(first, last)],
            self.settings.calendar.partitions,
        )
        return {day: status.value if status else "MISSING" for day, status in (found or {}).items()}

    def failures(self, result: dg.JobExecutionResult) -> dict[str, str]:
        """Return step -> message, of the steps that failed in a run."""
        records = self.instance.get_records_for_run(
            result.run_id, of_type=dg.DagsterEventType.STEP_FAILURE
        ).records
        found: dict[str, str] = {}
        for record in records:
            event = record.event_log_entry.get_dagster_event()
            data = event.step_failure_data
            description = data.user_failure_data and data.user_failure_data.description
            found[str(event.step_key)] = description or (
                data.error.to_string() if data.error else ""
            )
        return found

    def answers(self, run_id: str) -> dict[str, dict[str, dg.AssetCheckEvaluation]]:
        """Return what a run's asset checks said: `layer/name check` -> day -> answer."""
        records = self.instance.get_records_for_run(
            run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
        ).records
        found: dict[str, dict[str, dg.AssetCheckEvaluation]] = {}
        for record in records:
            answer = record.event_log_entry.get_dagster_event().asset_check_evaluation_data
            days = found.setdefault(f"{'/'.join(answer.asset_key.path)} {answer.check_name}", {})
            assert answer.partition not in days
            days[str(answer.partition)] = answer
        return found

    def rows(self, dataset: str, query: str = "SELECT * FROM dataset") -> list[tuple[Any, ...]]:
        """Query all days of a dataset in a folder lake, as any reader of Parquet would."""
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute(
                f"CREATE VIEW dataset AS SELECT * FROM read_parquet("
                f"'{self.settings.lake}/{dataset}/*/data.parquet', hive_partitioning = true, "
                "hive_types = {'date': DATE}, union_by_name = true)"
            )
            return connection.execute(query).fetchall()


@contextmanager
def open_platform(settings: Settings, **options: Any) -> Iterator[Platform]:
    """Open a platform on the instance of the test's own DAGSTER_HOME."""
    home = Path(os.environ["DAGSTER_HOME"])
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_text(INSTANCE)
    with dg.DagsterInstance.get() as instance:
        yield Platform(settings, instance, **options)
