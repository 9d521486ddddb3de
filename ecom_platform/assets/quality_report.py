"""The asset of the page on the data's quality: where its facts come from, and where it goes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.storage.asset_check_execution_record import (
    COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES as _ANSWERED,
)

from ecom_platform.assets.checks import MATCHES_SOURCE
from ecom_platform.dashboard.quality_report import (
    FAILED,
    PASSED,
    WARNED,
    CheckHistory,
    QualityReport,
    Quarantined,
    Reconciled,
    render,
)
from ecom_platform.datasets import DATA_OWNER, QUARANTINE, Dataset
from ecom_platform.engines.duckdb import Engine, add_view
from ecom_platform.health import examine_health
from ecom_platform.lake.failures import explain_errors
from ecom_platform.lake.publish import Lake
from ecom_platform.lake.storage import open_storage
from ecom_platform.quality.checks import REGIONS
from ecom_platform.settings import Settings

QUALITY_REPORT = dg.AssetKey(["dashboards", "quality"])
#: Check -> day -> its newest answer.
Answers = dict[dg.AssetCheckKey, dict[str, dg.AssetCheckEvaluation]]

#: Where in the lake.
PAGE = "dashboards/quality/index.html"
#: Days that the page is about.
DAYS = 28
#: Ids that the page names of rows that were set aside for one reason.
KEYS = 5


def build_quality_report(
    settings: Settings, datasets: Sequence[Dataset], checks: Iterable[dg.AssetChecksDefinition]
) -> dg.AssetsDefinition:
    """Build the asset: one page, made anew each time.

    Args:
        settings: Of the environment.
        datasets: All that the lake holds.
        checks: Whose answers are on the page.
    """
    specs = [spec for made in checks for spec in made.check_specs]

    @dg.asset(
        key=QUALITY_REPORT,
        # It is about all assets; these are the last, and spare the graph the edges of the others.
        deps=[dataset.path.split("/") for dataset in datasets if dataset.layer == "metrics"],
        description="One page on the data's quality: every check by day, source against lake, the "
        "quarantine, and whether everything goes on. It loads nothing and identifies nobody.",
        group_name="dashboards",
        owners=[DATA_OWNER],
        kinds={"html"},
        required_resource_keys={"engine"},
    )
    def quality_report(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        engine: Engine = context.resources.engine
        with explain_errors(settings.retry_seconds):
            report = gather(settings, datasets, specs, context.instance, engine)
            uri = _publish(settings, render(report), engine.scratch)
        return dg.MaterializeResult(
            metadata={
                "dagster/uri": uri,
                "summary": report.sentence,
                "checks that said no": len(report.troubled),
            }
        )

    return quality_report


def gather(
    settings: Settings,
    datasets: Sequence[Dataset],
    specs: Sequence[dg.AssetCheckSpec],
    instance: dg.DagsterInstance,
    engine: Engine,
) -> QualityReport:
    """Collect what is on the page.

    Raises:
        LakeError: The lake cannot be read.
    """
    now = datetime.now(UTC)
    newest = settings.calendar.last_closed(now)
    span = (newest - timedelta(days=back) for back in reversed(range(DAYS)))
    days = [day.isoformat() for day in span if day >= settings.start_date]
    answers = _answers(instance, [spec.key for spec in specs], days)
    return QualityReport(
        now.astimezone(settings.calendar.zone),
        settings.timezone,
        days,
        list(examine_health(settings, datasets, instance, now)),
        [_history(spec, answers[spec.key]) for spec in sorted(specs, key=lambda s: s.key)],
        sorted(_reconciled(answers), key=lambda row: (row.day, row.table), reverse=True),
        list(_quarantined(settings, days, engine)),
    )


def _answers(
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


def _history(
    spec: dg.AssetCheckSpec, answers: Mapping[str, dg.AssetCheckEvaluation]
) -> CheckHistory:
    days: dict[str, str] = {}
    facts: dict[str, dict[str, object]] = {}
    for day, answer in answers.items():
        if answer.passed:
            days[day] = PASSED
            continue
        days[day] = WARNED if answer.severity is dg.AssetCheckSeverity.WARN else FAILED
        facts[day] = _facts(answer)
    asset = spec.asset_key.to_user_string()
    runbook = spec.metadata.get("runbook", "")
    return CheckHistory(asset, spec.name, spec.description or "", str(runbook), days, facts)


def _facts(answer: dg.AssetCheckEvaluation) -> dict[str, object]:
    return {name: value.value for name, value in answer.metadata.items() if name != REGIONS}


def _reconciled(answers: Answers) -> Iterator[Reconciled]:
    for key, by_day in answers.items():
        for day, answer in by_day.items() if key.name == MATCHES_SOURCE else ():
            facts = _facts(answer)
            yield Reconciled(
                key.asset_key.path[-1],
                day,
                int(str(facts["source_rows"])),
                int(str(facts["lake_rows"])),
                str(facts.get("source_amount", "")),
                str(facts.get("lake_amount", "")),
                answer.passed,
            )


def _quarantined(settings: Settings, days: Sequence[str], engine: Engine) -> Iterator[Quarantined]:
    lake = Lake(open_storage(settings.lake), settings.calendar, engine.scratch, "")
    for dataset in QUARANTINE:
        with engine.connect() as connection:
            add_view(connection, lake.table(dataset, days).partitions(), "rejected")
            rows = connection.execute(
                f"""
                SELECT
                    reject_reason, count(*), CAST(min(date) AS VARCHAR), CAST(max(date) AS VARCHAR),
                    list_slice(list(CAST(id AS VARCHAR) ORDER BY date DESC), 1, {KEYS})
                FROM rejected GROUP BY reject_reason ORDER BY 2 DESC, 1
                """
            ).fetchall()
        for reason, count, first, last, keys in rows:
            shown = [key for key in keys if key is not None]
            yield Quarantined(dataset.name, reason, count, first, last, shown)


def _publish(settings: Settings, page: str, scratch: Path) -> str:
    """Put the page into the lake, at once; return its address."""
    file = scratch / "quality.html"
    file.write_text(page, encoding="utf-8")
    storage = open_storage(settings.lake)
    current = storage.stat(PAGE)
    facts = {"Content-Type": "text/html; charset=utf-8"}
    storage.put(PAGE, file, replaces=current.etag if current else None, facts=facts)
    return storage.uri(PAGE)
