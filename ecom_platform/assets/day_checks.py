"""The checks of cleaned datasets and metrics as Dagster runs them, for each day of the run."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from inspect import cleandoc
from itertools import groupby
from typing import Any

import dagster as dg

from ecom_platform.assets.answers import log_answers
from ecom_platform.assets.metrics import METRICS, Metric
from ecom_platform.assets.steps import add_settings
from ecom_platform.calendar import days_between
from ecom_platform.datasets import CLEANED, RAW, Dataset
from ecom_platform.engines.duckdb import Engine, add_view
from ecom_platform.lake.failures import explain_errors
from ecom_platform.lake.io_manager import LakeIOManager
from ecom_platform.quality.checks import Check, answer, nearby
from ecom_platform.quality.cleaned_checks import cleaned_checks
from ecom_platform.quality.metric_checks import metric_checks
from ecom_platform.quality.order_checks import order_checks
from ecom_platform.quality.thresholds import load_thresholds
from ecom_platform.settings import Settings


def build_day_checks(
    settings: Settings, metrics: Sequence[Metric] = METRICS
) -> list[dg.AssetChecksDefinition]:
    """Build the checks of cleaned datasets and metrics, one step for each checked asset."""
    datasets = {d.path: d for d in (*RAW, *CLEANED, *(metric.dataset for metric in metrics))}
    checks = declare_checks(settings, metrics)
    by_asset = groupby(sorted(checks, key=lambda c: c.dataset), key=lambda c: c.dataset)
    return [_build(path, list(found), datasets, settings) for path, found in by_asset]


def declare_checks(settings: Settings, metrics: Sequence[Metric] = METRICS) -> list[Check]:
    """Return the questions that are asked of the cleaned datasets and the metrics.

    Raises:
        SettingsError: The file of thresholds says what is none.
    """
    datasets = [metric.dataset for metric in metrics]
    additive = [metric.name for metric in metrics if metric.additive]
    known = {dataset.path for dataset in (*RAW, *CLEANED, *datasets)}
    thresholds = load_thresholds(settings.thresholds, known)
    return [
        *cleaned_checks(thresholds),
        *order_checks(thresholds),
        *metric_checks(datasets, additive),
    ]


def _build(
    path: str, checks: list[Check], datasets: Mapping[str, Dataset], settings: Settings
) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(
        name=f"check_{path.replace('/', '_')}",
        specs=[
            dg.AssetCheckSpec(
                check.name,
                asset=path.split("/"),
                description=check.question,
                partitions_def=settings.calendar.partitions,
                metadata=_describe(check, datasets[path]),
            )
            for check in checks
        ],
        can_subset=True,
        required_resource_keys={"engine", "lake"},
    )
    def ask(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        engine: Engine = context.resources.engine
        lake: LakeIOManager = context.resources.lake
        keys = context.op_execution_context.partition_keys
        selected = {key.name for key in context.selected_asset_check_keys}
        asked = [check for check in checks if check.name in selected]
        with explain_errors(settings.retry_seconds), engine.connect() as connection:
            inputs = {name: datasets[name] for check in asked for name in check.inputs}
            tables = [lake.lake.table(dataset, keys) for dataset in inputs.values()]
            # What failed in this run is not asked about: its last good version was. Nor is what
            # another run has published since, which asks itself.
            days = [k for k in keys if all(k in t.days and k not in t.failed for t in tables)]
            if not days:
                return
            add_settings(connection, settings, days)
            for table in tables:
                add_view(connection, table.partitions())
            for dataset, window in _windows(asked, days, settings).items():
                around = lake.lake.table(datasets[dataset], window, latest=True)
                add_view(connection, around.partitions(), nearby(dataset))
            log_answers(context, path, {c.name: list(answer(connection, c, days)) for c in asked})
        yield from ()

    return ask


def _describe(check: Check, dataset: Dataset) -> dict[str, Any]:
    facts = {
        "owner": dataset.owner,
        "threshold": check.threshold,
        "runbook": check.runbook,
        "sql": dg.MetadataValue.md(f"```sql\n{cleandoc(check.sql)}\n```"),
    }
    return {name: fact for name, fact in facts.items() if fact}


def _windows(
    checks: Sequence[Check], days: Sequence[str], settings: Settings
) -> dict[str, list[str]]:
    """Return `layer/name` -> the days that checks read around some days, the widest of each."""
    first, last = date.fromisoformat(days[0]), date.fromisoformat(days[-1])
    spans: dict[str, tuple[date, date]] = {}
    for read in (read for check in checks for read in check.nearby):
        begin, end = first - timedelta(days=read.before), last + timedelta(days=read.after)
        known = spans.get(read.dataset, (begin, end))
        spans[read.dataset] = (
            max(min(begin, known[0]), settings.start_date),
            min(max(end, known[1]), settings.calendar.last_closed()),
        )
    return {
        dataset: [day.isoformat() for day in days_between(begin, end)]
        for dataset, (begin, end) in spans.items()
    }
