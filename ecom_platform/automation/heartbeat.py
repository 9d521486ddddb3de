"""The sensor that tells a monitor outside that Dagster's daemon is alive, and the days are made."""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from ecom_platform.alerts.heartbeat import Vitals, send_heartbeat
from ecom_platform.datasets import Dataset
from ecom_platform.health.days import missing_days
from ecom_platform.settings import Settings

HEARTBEAT = "heartbeat"


def build_heartbeat_sensor(
    settings: Settings, datasets: Sequence[Dataset]
) -> list[dg.SensorDefinition]:
    """Build the sensor, on from the start; none where ECOM_HEARTBEAT is not set.

    Args:
        settings: Where the lake is, and where to send.
        datasets: What every day is to have in the lake.
    """
    if not settings.heartbeat:
        return []

    @dg.sensor(
        name=HEARTBEAT,
        description="Tells the monitor of ECOM_HEARTBEAT that the daemon is alive, and CloudWatch "
        "how many days it is behind, how many runs failed, and how long the oldest waits.",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def heartbeat(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        now = datetime.now(UTC)
        since = datetime.fromisoformat(context.cursor) if context.cursor else now
        vitals = Vitals(
            days_behind=len(missing_days(settings, datasets, now)),
            run_failures=_failures(context.instance, since, now),
            queued_minutes=_longest_wait(context.instance, now),
        )
        send_heartbeat(settings, vitals)
        return dg.SensorResult(
            skip_reason=f"Sent; {vitals.days_behind} days are missing.", cursor=now.isoformat()
        )

    return [heartbeat]


def _failures(instance: dg.DagsterInstance, since: datetime, now: datetime) -> int:
    failed = dg.RunsFilter(
        statuses=[dg.DagsterRunStatus.FAILURE], updated_after=since, updated_before=now
    )
    return instance.get_runs_count(failed)


def _longest_wait(instance: dg.DagsterInstance, now: datetime) -> float:
    queued = dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED])
    oldest = instance.get_run_records(queued, limit=1, ascending=True)
    return (now - oldest[0].create_timestamp).total_seconds() / 60 if oldest else 0
