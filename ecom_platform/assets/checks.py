"""All asset checks; each kind has a module of its own."""

from collections.abc import Sequence

import dagster as dg

from ecom_platform.assets.anomalies import build_anomaly_checks
from ecom_platform.assets.day_checks import build_day_checks
from ecom_platform.assets.freshness import build_freshness_checks
from ecom_platform.assets.metrics import METRICS, Metric
from ecom_platform.assets.source_checks import build_source_checks
from ecom_platform.settings import Settings


def build_checks(
    settings: Settings, metrics: Sequence[Metric] = METRICS
) -> list[dg.AssetChecksDefinition]:
    """Build the checks of all assets.

    Raises:
        SettingsError: The file of thresholds says what is none.
    """
    return [
        *build_source_checks(settings),
        *build_day_checks(settings, metrics),
        *build_anomaly_checks(settings, metrics),
        *build_freshness_checks(settings, metrics),
    ]
