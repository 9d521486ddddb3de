"""All sensors of the platform."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecom_platform.automation.downstream import build_downstream_sensor
from ecom_platform.automation.health_watch import build_health_sensor
from ecom_platform.automation.heartbeat import build_heartbeat_sensor
from ecom_platform.automation.incidents import build_incident_sensor
from ecom_platform.automation.landing_files import build_landing_sensor
from ecom_platform.automation.source_changes import build_change_sensor
from ecom_platform.sources import DATABASES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import dagster as dg

    from ecom_platform.datasets import Dataset
    from ecom_platform.settings import Settings


def build_sensors(settings: Settings, datasets: Sequence[Dataset]) -> list[dg.SensorDefinition]:
    """Build those that follow changes, off until somebody turns them on, and those that alert."""
    followers = {
        **dict.fromkeys(DATABASES, build_change_sensor),
        "file": build_landing_sensor,
        "s3": build_landing_sensor,
    }
    follow = followers.get(settings.source_kind)
    return [
        build_incident_sensor(settings, datasets),
        build_health_sensor(settings, datasets),
        *build_heartbeat_sensor(settings, datasets),
        *([follow(settings, datasets)] if follow else []),
        build_downstream_sensor(settings, datasets),
    ]
