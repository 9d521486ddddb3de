"""What people read: the marts, the pages made of them, the ledger. Each has a module of its own."""

from collections.abc import Sequence

import dagster as dg

from ecom_platform.assets.daily_page import build_daily_page
from ecom_platform.assets.ledger import build_ledger_asset
from ecom_platform.assets.marts import build_mart_assets
from ecom_platform.assets.metrics import Metric
from ecom_platform.assets.morning_message import build_morning_message
from ecom_platform.assets.quality_report import build_quality_report
from ecom_platform.datasets import Dataset
from ecom_platform.settings import Settings


def build_reporting_assets(
    settings: Settings,
    datasets: Sequence[Dataset],
    metrics: Sequence[Metric],
    checks: Sequence[dg.AssetChecksDefinition],
) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """Build the assets that are made every morning, and the ledger, written with the metrics.

    Args:
        settings: Of the environment.
        datasets: All that the lake holds by day.
        metrics: Those among them that are metrics.
        checks: Of all of them.
    """
    marts = build_mart_assets(settings, datasets)
    specs = [spec for made in (*checks, marts) for spec in made.check_specs]
    return [
        marts,
        build_quality_report(settings, datasets, specs),
        build_daily_page(settings, metrics, [spec.key for spec in specs]),
        *build_morning_message(settings),
        build_ledger_asset(metrics),
    ]
