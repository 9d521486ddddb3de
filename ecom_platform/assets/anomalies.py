"""The anomaly checks as Dagster runs them: is a day as its weekday usually is?

Each metric has them by its declaration, and each cleaned dataset for its columns that may be
NULL. What is usual is computed in `quality/anomalies.py`, for all days of a run at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta

import dagster as dg
import numpy as np

from ecom_platform.assets.answers import log_answers
from ecom_platform.assets.measures import (
    DRIFT,
    NULLS,
    SHARES,
    Days,
    Measure,
    counted,
    measure_metric,
    measure_nulls,
    watched_columns,
)
from ecom_platform.assets.metrics import METRICS, Metric
from ecom_platform.calendar import days_between
from ecom_platform.datasets import CLEANED, Dataset
from ecom_platform.incidents.model import VALUE
from ecom_platform.lake.failures import explain_errors
from ecom_platform.lake.io_manager import LakeIOManager
from ecom_platform.quality.anomalies import WEEK
from ecom_platform.quality.checks import Answer, runbook_of
from ecom_platform.quality.drift import judge_drift
from ecom_platform.quality.events import load_events
from ecom_platform.quality.thresholds import load_thresholds
from ecom_platform.quality.verdicts import Known, judge
from ecom_platform.settings import Settings


def build_anomaly_checks(
    settings: Settings, metrics: Sequence[Metric] = METRICS
) -> list[dg.AssetChecksDefinition]:
    """Build the anomaly checks of all metrics and cleaned datasets, one step for each asset."""
    assets = [d.path for d in (*CLEANED, *(metric.dataset for metric in metrics))]
    return [
        *(
            _build(
                dataset,
                {NULLS: _nulls_question(dataset)},
                measure_nulls(dataset),
                "column",
                assets,
                settings,
            )
            for dataset in CLEANED
        ),
        *(
            _build(
                metric.dataset,
                _questions(metric),
                measure_metric(metric),
                metric.by[0].name if metric.by else "",
                assets,
                settings,
            )
            for metric in metrics
        ),
    ]


def _build(
    dataset: Dataset,
    questions: Mapping[str, str],
    measure: Measure,
    part: str,
    assets: Sequence[str],
    settings: Settings,
) -> dg.AssetChecksDefinition:
    path = dataset.path

    @dg.multi_asset_check(
        name=f"check_anomalies_{path.replace('/', '_')}",
        specs=[
            dg.AssetCheckSpec(
                name,
                asset=path.split("/"),
                description=question,
                partitions_def=settings.calendar.partitions,
                metadata={"owner": dataset.owner, "runbook": runbook_of(name)},
            )
            for name, question in questions.items()
        ],
        can_subset=True,
        required_resource_keys={"engine", "lake"},
    )
    def compare(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        manager: LakeIOManager = context.resources.lake
        keys = context.op_execution_context.partition_keys
        selected = {key.name for key in context.selected_asset_check_keys}
        with explain_errors(settings.retry_seconds):
            thresholds = load_thresholds(settings.thresholds, assets)
            events = load_events(settings.events)
            limits, drift = thresholds.anomalies.of(path), thresholds.drift.of(path)
            table = manager.lake.table(dataset, keys)
            asked = [day for day in table.days if day not in table.failed]
            first, last = date.fromisoformat(keys[0]), date.fromisoformat(keys[-1])
            before = limits.weeks * WEEK
            if DRIFT in selected:
                before = max(before, drift.weeks * WEEK + drift.days)
            days = list(days_between(first - timedelta(before), last))
            closed = settings.calendar.last_closed()
            ages = np.array([(closed - day).days for day in days], np.float64)
            measured = measure(Days(days, ages, context.resources.engine, manager.lake), limits)
            fine = manager.lake.fine(path, days)
            answers: dict[str, list[Answer]] = {}
            for name in questions:
                marked = {(word.day, word.region) for word in fine if word.check == name}
                known = Known(events, marked)
                if name not in selected:
                    continue
                if not (drift if name == DRIFT else limits).enabled:
                    off = {"result": "switched off"}
                    answers[name] = [Answer(day, passed=True, facts=off) for day in asked]
                elif name == DRIFT:
                    answers[name] = judge_drift(
                        measured[VALUE],
                        days,
                        asked,
                        known,
                        lambda region: thresholds.drift.of(path, region),
                    )
                else:
                    answers[name] = judge(
                        measured[name],
                        days,
                        asked,
                        known,
                        lambda region: thresholds.anomalies.of(path, region),
                        part,
                    )
            log_answers(context, path, answers)
        yield from ()

    return compare


def _questions(metric: Metric) -> dict[str, str]:
    what = f"the number of {counted(metric)}" if metric.by else metric.name
    questions = {VALUE: f"Is {what}, of each region, as it usually is on this weekday?"}
    if metric.by:
        questions[SHARES] = (
            f"Is the share of each {metric.by[0].name} as it usually is on this weekday?"
        )
    if metric.unit != "ratio":
        questions[DRIFT] = "Has each region kept its share of the whole, over weeks?"
    return questions


def _nulls_question(dataset: Dataset) -> str:
    names = ", ".join(watched_columns(dataset))
    return f"Is the share of NULL in {names} as it usually is on this weekday?"
