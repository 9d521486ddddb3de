"""What the checks have answered, as Dagster's event log has it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo

import dagster as dg
from dagster._core.storage.asset_check_execution_record import (
    COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES as _ANSWERED,
)

from ecom_platform.dashboard.quality_report import FAILED, PASSED, WARNED, CheckHistory, Standing
from ecom_platform.quality.checks import REGIONS

#: Check -> day -> its newest answer.
Answers = dict[dg.AssetCheckKey, dict[str, dg.AssetCheckEvaluation]]


def answers_of_days(
    instance: dg.DagsterInstance, keys: Sequence[dg.AssetCheckKey], days: Sequence[str]
) -> Answers:
    """Return check -> day -> its newest answer."""
    infos = instance.event_log_storage.get_asset_check_partition_info(keys, partition_keys=days)
    newest = {
        (info.check_key, info.partition_key): info.latest_planned_run_id
        for info in infos
        if info.latest_execution_status in _ANSWERED
    }
    found: Answers = {key: {} for key in keys}
    # By run: in SQLite, the events of each are in a file of their own, with ids of their own.
    for run in set(newest.values()):
        for record in instance.get_records_for_run(
            run, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
        ).records:
            answer = record.event_log_entry.get_dagster_event().asset_check_evaluation_data
            key, day = answer.asset_check_key, answer.partition
            if day and newest.get((key, day)) == run:
                found[key][day] = answer
    return found


def history(
    spec: dg.AssetCheckSpec, answers: Mapping[str, dg.AssetCheckEvaluation]
) -> CheckHistory:
    """Return what a check said of each day."""
    days: dict[str, str] = {}
    facts: dict[str, dict[str, object]] = {}
    for day, answer in answers.items():
        days[day] = _verdict(answer)
        if not answer.passed:
            facts[day] = facts_of(answer)
    asset = spec.asset_key.to_user_string()
    runbook = spec.metadata.get("runbook", "")
    return CheckHistory(asset, spec.name, spec.description or "", str(runbook), days, facts)


def facts_of(answer: dg.AssetCheckEvaluation) -> dict[str, object]:
    """Return what a check saw."""
    return {name: value.value for name, value in answer.metadata.items() if name != REGIONS}


def _verdict(answer: dg.AssetCheckEvaluation) -> str:
    if answer.passed:
        return PASSED
    return WARNED if answer.severity is dg.AssetCheckSeverity.WARN else FAILED


def standing(
    instance: dg.DagsterInstance, specs: Sequence[dg.AssetCheckSpec], zone: tzinfo
) -> list[Standing]:
    """Return the newest answer of each check that is asked of no day, where there is one."""
    newest = instance.event_log_storage.get_latest_asset_check_execution_by_key(
        [spec.key for spec in specs]
    )
    found: list[Standing] = []
    for spec in sorted(specs, key=lambda spec: (spec.name, spec.asset_key)):
        record = newest.get(spec.key)
        if record and record.event and record.status in _ANSWERED:
            answer = record.event.get_dagster_event().asset_check_evaluation_data
            asset, runbook = spec.asset_key.to_user_string(), str(spec.metadata.get("runbook", ""))
            at = datetime.fromtimestamp(record.event.timestamp, zone)
            question, facts = spec.description or "", facts_of(answer)
            found.append(Standing(asset, spec.name, question, runbook, _verdict(answer), at, facts))
    return found
