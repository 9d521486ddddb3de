"""The restatement ledger as Dagster shows it: below all metrics, with an event for each change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from ecom_platform.datasets import DATA_OWNER
from ecom_platform.lake.events import LEDGER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ecom_platform.assets.metrics import Metric


def build_ledger_asset(metrics: Sequence[Metric]) -> dg.AssetSpec:
    """Declare the ledger: it is written while metrics are published, and never on its own."""
    return dg.AssetSpec(
        LEDGER,
        deps=[metric.dataset.path.split("/") for metric in metrics],
        description="What published metrics said before they were changed: each value, old and "
        "new, when, by which run and why. `ecom restatements` prints it; `ecom show METRIC "
        "--as-of MOMENT` prints a metric as it was published then.\n\n"
        "Grain: one row per publication that changed something, and value.",
        group_name="ledger",
        owners=[DATA_OWNER],
        kinds={"parquet"},
    )
