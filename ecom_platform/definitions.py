"""Everything Dagster loads, put together."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import dagster as dg

from ecom_platform.assets.checks import build_checks
from ecom_platform.assets.cleaned import build_cleaned_assets
from ecom_platform.assets.metrics import METRICS, Metric, build_metric_assets
from ecom_platform.assets.raw import build_raw_assets
from ecom_platform.assets.reporting import build_reporting_assets
from ecom_platform.assets.sql_files import SQL_FOLDER
from ecom_platform.automation.jobs import EXECUTOR, build_jobs
from ecom_platform.automation.schedules import build_schedules
from ecom_platform.automation.sensors import build_sensors
from ecom_platform.datasets import CLEANED, QUARANTINE, RAW
from ecom_platform.resources import build_resources
from ecom_platform.settings import Settings, load_settings


def build_definitions(
    settings: Settings,
    metrics: Sequence[Metric] = METRICS,
    metrics_folder: Path = SQL_FOLDER / "metrics",
) -> dg.Definitions:
    """Assemble the platform for some settings.

    Args:
        settings: Of the environment.
        metrics: The metrics it computes.
        metrics_folder: Where their SQL files are.
    """
    datasets = (*RAW, *CLEANED, *QUARANTINE, *(metric.dataset for metric in metrics))
    with warnings.catch_warnings():
        # What the platform is built on, such as single-run backfills, Dagster still calls beta.
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        checks = build_checks(settings, metrics)
        assets = [
            *build_raw_assets(settings),
            *build_cleaned_assets(settings),
            *build_metric_assets(settings, metrics, metrics_folder),
            *build_reporting_assets(settings, datasets, metrics, checks),
        ]
        return dg.Definitions(
            assets=assets,
            asset_checks=checks,
            jobs=build_jobs(settings, checks),
            schedules=build_schedules(settings),
            sensors=build_sensors(settings, datasets),
            resources=build_resources(settings, datasets, assets),
            executor=EXECUTOR,
        )


defs = build_definitions(load_settings())
