"""The jobs: all partitioned assets of some days, in one process; the marts and the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from ecom_platform.automation.event_log import build_event_log_job
from ecom_platform.freshness import FRESH

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ecom_platform.settings import Settings

DAILY_REFRESH, MORNING_PAGES = "daily_refresh", "morning_pages"

#: Before backfills in the queue: people wait for these numbers.
FIRST = {"dagster/priority": "10"}
#: Their task on Amazon ECS: CPU units and MB. All others are as large as the task definition.
SIZE = {"ecs/cpu": "1024", "ecs/memory": "4096"}

#: Steps share a process: ten small steps take 8 s so, 27-34 s with a process each. A step
#: whose bad days failed has published its good ones, and later steps go on with those.
EXECUTOR = dg.in_process_executor.configured(
    {"step_dependency_config": {"require_upstream_step_success": False}}
)


def build_jobs(
    settings: Settings, checks: Iterable[dg.AssetChecksDefinition] = ()
) -> list[dg.UnresolvedAssetJobDefinition | dg.JobDefinition]:
    """Build the job that makes days, the one that makes the pages about them, and housekeeping.

    Args:
        settings: Of the environment.
        checks: Of all assets. Whether the newest day is there is not asked: a run may be of
            others, and what makes none of them must be found out elsewhere.
    """
    fresh = [spec.key for made in checks for spec in made.check_specs if spec.name == FRESH]
    others = dg.AssetSelection.checks(*fresh)
    layers = dg.AssetSelection.groups("raw", "cleaned", "quarantine", "metrics") - others
    return [
        dg.define_asset_job(
            DAILY_REFRESH,
            selection=layers,
            description="Extract, clean and compute days, and check them.",
            tags={"ecom/kind": "daily", **FIRST, **SIZE},
        ),
        dg.define_asset_job(
            MORNING_PAGES,
            selection=dg.AssetSelection.groups("marts", "dashboards") - others,
            description="Make the marts, and the pages that people open.",
            tags={"ecom/kind": "pages", **FIRST, **SIZE},
        ),
        build_event_log_job(settings),
    ]
