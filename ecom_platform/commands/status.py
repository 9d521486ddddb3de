"""`ecom status`: the health of everything on one screen."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from ecom_platform.assets.metrics import METRICS
from ecom_platform.commands.formats import messages, print_findings
from ecom_platform.commands.run import prepare_instance, tell_dead_runs
from ecom_platform.datasets import CLEANED, QUARANTINE, RAW
from ecom_platform.findings import WRONG
from ecom_platform.health.examine import examine_health

if TYPE_CHECKING:
    from ecom_platform.settings import Settings


def show_status(settings: Settings) -> int:
    """Print how everything is; return 0, or 1 when something is wrong.

    Raises:
        LakeError: The lake cannot be read.
    """
    from ecom_platform.definitions import defs

    console = messages()
    prepare_instance(console)
    datasets = (*RAW, *CLEANED, *QUARANTINE, *(metric.dataset for metric in METRICS))
    checks = defs.get_repository_def().asset_graph.asset_check_keys
    with dg.DagsterInstance.get() as instance:
        tell_dead_runs(instance, console)
        findings = list(examine_health(settings, datasets, checks, instance, datetime.now(UTC)))
    print_findings(findings)
    return 1 if any(finding.mark == WRONG for finding in findings) else 0
