"""The jobs: all partitioned assets of some days, in one process."""

from __future__ import annotations

import dagster as dg

DAILY_REFRESH = "daily_refresh"

#: Steps share a process: ten small steps take 8 s so, 27-34 s with a process each. A step
#: whose bad days failed has published its good ones, and later steps go on with those.
EXECUTOR = dg.in_process_executor.configured(
    {"step_dependency_config": {"require_upstream_step_success": False}}
)


def build_jobs() -> list[dg.UnresolvedAssetJobDefinition]:
    """Build the job that makes days: raw, cleaned, metrics and their checks."""
    layers = dg.AssetSelection.groups("raw", "cleaned", "quarantine", "metrics")  # and checks
    return [
        dg.define_asset_job(
            DAILY_REFRESH,
            selection=layers,
            description="Extract, clean and compute days, and check them.",
            tags={"ecom/kind": "daily"},
        )
    ]
