"""The sensor that tells a monitor outside that Dagster's daemon is alive, and the days are made."""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from ecom_platform.alerts.heartbeat import send_heartbeat
from ecom_platform.datasets import Dataset
from ecom_platform.health import missing_days
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
        description="Tells the monitor of ECOM_HEARTBEAT that the daemon is alive, and how many "
        "days it is behind.",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def heartbeat() -> dg.SkipReason:
        behind = len(missing_days(settings, datasets, datetime.now(UTC)))
        send_heartbeat(settings, behind)
        return dg.SkipReason(f"Sent; {behind} days are missing.")

    return [heartbeat]
