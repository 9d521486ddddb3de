"""How the answers of checks become Dagster's: one evaluation for each check and day."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)

from ecom_platform.quality.checks import REGIONS, Answer


def log_answers(
    context: dg.AssetCheckExecutionContext, path: str, answers: Mapping[str, Sequence[Answer]]
) -> None:
    """Record an answer for each day; a result of the step would be one for the whole range.

    Args:
        context: Of the step.
        path: `layer/name` of the checked asset.
        answers: Name of the check -> its answers.
    """
    days = {found.day for of_check in answers.values() for found in of_check}
    targets = _materializations(context, path, days)
    for name, of_check in answers.items():
        for found in of_check:
            evaluation: Any = (
                dg.AssetCheckEvaluation(  # which `log_event` takes, untold by its type
                    asset_key=dg.AssetKey(path.split("/")),
                    check_name=name,
                    passed=found.passed,
                    severity=found.severity,
                    partition=found.day,
                    target_materialization_data=targets.get(found.day),
                    metadata={**found.facts, **_regions(found)},
                )
            )
            context.op_execution_context.log_event(evaluation)


def _regions(found: Answer) -> dict[str, Any]:
    regions = {name: dict(facts) for name, facts in found.regions.items()}
    return {REGIONS: regions} if regions else {}


def _materializations(
    context: dg.AssetCheckExecutionContext, path: str, days: Iterable[str]
) -> dict[str, AssetCheckEvaluationTargetMaterializationData]:
    """Return day -> its newest materialization; without it, an answer counts as outdated."""
    key = dg.AssetKey(path.split("/"))
    newest = context.instance.get_latest_storage_id_by_partition(
        key, dg.DagsterEventType.ASSET_MATERIALIZATION, set(days)
    )
    if not newest:
        return {}
    records = context.instance.fetch_materializations(
        dg.AssetRecordsFilter(key, storage_ids=list(newest.values())), limit=len(newest)
    ).records
    return {
        record.partition_key: AssetCheckEvaluationTargetMaterializationData(
            storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
        )
        for record in records
        if record.partition_key
    }
