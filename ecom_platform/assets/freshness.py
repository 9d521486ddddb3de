"""The checks of whether the newest day is there: of cleaned datasets, metrics and pages.

Dagster's own freshness looks at when an asset was last materialized, and is content with any old
day that was made again. What is late is made by no run, so that the sensor `health` answers,
whenever the answer has become another one; here it can be asked by hand.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from ecom_platform.assets.metrics import METRICS, Metric
from ecom_platform.datasets import CLEANED, DATA_OWNER, Dataset
from ecom_platform.freshness import FRESH, Freshness, freshness_of
from ecom_platform.lake.failures import explain_errors
from ecom_platform.lake.pages import PAGES, Page
from ecom_platform.quality.checks import runbook_of
from ecom_platform.settings import Settings


def build_freshness_checks(
    settings: Settings, metrics: Sequence[Metric] = METRICS
) -> list[dg.AssetChecksDefinition]:
    """Build the checks: a step for the datasets, and one for the pages."""
    datasets = [*CLEANED, *(metric.dataset for metric in metrics)]
    owners = {dataset.path: dataset.owner for dataset in datasets}
    pages = dict.fromkeys((page.asset for page in PAGES), DATA_OWNER)
    return [
        _build("check_freshness", owners, datasets, (), settings),
        _build("check_freshness_of_pages", pages, (), PAGES, settings),
    ]


def evaluation(found: Freshness) -> dict[str, Any]:
    """Return an answer as Dagster takes it."""
    return {
        "asset_key": dg.AssetKey(found.asset.split("/")),
        "check_name": FRESH,
        "passed": found.is_there,
        "metadata": {"due": str(found.due)},
    }


def _build(
    name: str,
    owners: dict[str, str],
    datasets: Sequence[Dataset],
    pages: Sequence[Page],
    settings: Settings,
) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(
        name=name,
        specs=[
            dg.AssetCheckSpec(
                FRESH,
                asset=asset.split("/"),
                description="Is the newest day that should be there by now?",
                metadata={"owner": owner, "runbook": runbook_of(FRESH)},
            )
            for asset, owner in owners.items()
        ],
        can_subset=True,
    )
    def look(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        selected = {key.asset_key for key in context.selected_asset_check_keys}
        with explain_errors(settings.retry_seconds):
            found = list(freshness_of(settings, datasets, pages, datetime.now(UTC)))
        for answer in map(evaluation, found):
            if answer["asset_key"] in selected:
                yield dg.AssetCheckResult(**answer)

    return look
