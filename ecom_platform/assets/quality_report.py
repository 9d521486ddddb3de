"""The asset of the page on the data's quality: where its facts come from, and where it goes."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from ecom_platform.assets.check_history import Results, by_check, facts_of, history, standing
from ecom_platform.assets.source_checks import MATCHES_SOURCE
from ecom_platform.check_results import Verdict, count, read_results, recent_days
from ecom_platform.dashboard.quality_report import (
    OpenIncident,
    QualityReport,
    Quarantined,
    Reconciled,
    render,
)
from ecom_platform.datasets import DATA_OWNER, QUARANTINE, Dataset
from ecom_platform.engines.duckdb import Engine, add_view
from ecom_platform.health.examine import examine_health
from ecom_platform.incidents.store import IncidentStore
from ecom_platform.lake.failures import explain_errors
from ecom_platform.lake.pages import QUALITY
from ecom_platform.lake.publish import Lake
from ecom_platform.lake.storage import open_storage
from ecom_platform.marts import load_manifest, load_marts
from ecom_platform.settings import Settings

#: Ids that the page names of rows that were set aside for one reason.
KEYS = 5


def build_quality_report(
    settings: Settings, datasets: Sequence[Dataset], specs: Sequence[dg.AssetCheckSpec]
) -> dg.AssetsDefinition:
    """Build the asset: one page, made anew each time.

    Args:
        settings: Of the environment.
        datasets: All that the lake holds.
        specs: Of the checks whose results are on the page: all, those of the marts too.
    """

    @dg.asset(
        key=QUALITY.asset.split("/"),
        # It is about all assets; these are the last, and spare the graph the edges of the others.
        deps=[mart.path.split("/") for mart in load_marts(load_manifest()).values()],
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
            now = datetime.now(UTC)
            report = gather(settings, datasets, specs, context.instance, engine, now)
            uri = QUALITY.publish(open_storage(settings.pages), render(report), engine.scratch)
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
    now: datetime,
) -> QualityReport:
    """Collect what is on the page.

    Raises:
        LakeError: The lake cannot be read.
    """
    newest = settings.calendar.last_closed(now)
    days = [day.isoformat() for day in recent_days(settings, now)]
    checks = [spec.key for spec in specs]
    results = read_results(instance, checks, recent_days(settings, now))
    found = by_check(results)
    of_days = sorted((spec for spec in specs if spec.partitions_def), key=lambda spec: spec.key)
    return QualityReport(
        now.astimezone(settings.calendar.zone),
        settings.timezone,
        newest,
        days,
        list(examine_health(settings, datasets, checks, instance, now)),
        list(_incidents(settings, engine.scratch, now)),
        count(results),
        list(standing(specs, results, settings.calendar.zone)),
        [history(spec, found.get(spec.key, {})) for spec in of_days],
        sorted(_reconciled(found), key=lambda row: (row.day, row.table), reverse=True),
        list(_quarantined(settings, days, engine)),
    )


def _incidents(settings: Settings, scratch: Path, now: datetime) -> Iterator[OpenIncident]:
    for one in IncidentStore(open_storage(settings.lake), scratch).read().causes(now):
        yield OpenIncident(
            one.id,
            f"{one.asset} ({one.region})" if one.region else one.asset,
            one.check,
            one.severity.value,
            one.status,
            one.opened_at.astimezone(settings.calendar.zone),
            sorted(day for day in one.days if day),
        )


def _reconciled(results: Results) -> Iterator[Reconciled]:
    for key, by_day in results.items():
        for day, result in by_day.items() if key.name == MATCHES_SOURCE else ():
            facts = facts_of(result)
            yield Reconciled(
                key.asset_key.path[-1],
                day,
                int(str(facts["source_rows"])),
                int(str(facts["lake_rows"])),
                str(facts.get("source_amount", "")),
                str(facts.get("lake_amount", "")),
                result.verdict is Verdict.PASSED,
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
        for reason, number, first, last, keys in rows:
            shown = [key for key in keys if key is not None]
            yield Quarantined(dataset.name, reason, number, first, last, shown)
