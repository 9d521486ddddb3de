"""The asset of the daily page: where its facts come from, and where it goes."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from ecom_platform.assets.metrics import METRICS, Metric
from ecom_platform.assets.restated_days import restatements
from ecom_platform.calendar import days_between
from ecom_platform.check_results import count_by_day, read_results
from ecom_platform.dashboard.coverage import missing_since
from ecom_platform.dashboard.page import DailyPage, render
from ecom_platform.dashboard.page_data import DAYS, OwnMetric, collect, coverage, report_day
from ecom_platform.dashboard.summary import summarize
from ecom_platform.datasets import DATA_OWNER, Dataset
from ecom_platform.engines.duckdb import Connection, Engine, add_view, quote, text
from ecom_platform.errors import LakeError
from ecom_platform.freshness import newest_due
from ecom_platform.lake.base import Storage
from ecom_platform.lake.failures import explain_errors
from ecom_platform.lake.pages import DAILY, page_of
from ecom_platform.lake.publish import Lake
from ecom_platform.lake.storage import open_storage
from ecom_platform.marts import load_manifest, load_marts
from ecom_platform.settings import Settings

#: Those that the marts have, or that have a place of their own; all others are figures.
_STANDARD = {
    "total_revenue", "total_orders", "total_customers", "average_order_value",
    "customer_retention_rate", "payment_status",
}  # fmt: skip


def build_daily_page(
    settings: Settings, metrics: Sequence[Metric], checks: Sequence[dg.AssetCheckKey]
) -> dg.AssetsDefinition:
    """Build the asset: one page, made anew each time, under its day and as the latest.

    Args:
        settings: Of the environment.
        metrics: All of them; those of one's own are shown beside the marts' figures.
        checks: All that are declared: those of the marts, too.
    """
    marts = list(load_marts(load_manifest()).values())
    shown = [m for m in metrics if m.name == "payment_status" or m.name not in _STANDARD]

    @dg.asset(
        key=DAILY.asset.split("/"),
        deps=[dataset.path.split("/") for dataset in (*marts, *(m.dataset for m in shown))],
        description="The page that people open every morning: one file, which loads nothing. It "
        "is at `dashboards/latest/` and, for good, under its day.",
        group_name="dashboards",
        owners=[DATA_OWNER],
        kinds={"html"},
        required_resource_keys={"engine"},
    )
    def daily_page(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        engine: Engine = context.resources.engine
        with explain_errors(settings.retry_seconds), engine.connect() as connection:
            storage = open_storage(settings.lake)
            lake = Lake(storage, settings.calendar, engine.scratch, context.run.run_id)
            add_marts(connection, storage, marts, engine.scratch)
            day = report_day(connection)
            if day is None:
                raise LakeError("No day is computed.", hint="Run: ecom run --from DAY --to DAY")
            computed = _add_metrics(connection, settings, lake, shown, day)
            page = gather(settings, connection, lake, day, computed, checks, context)
            html, summary = render(page), summarize(connection, day, settings.retention_days)
            pages = open_storage(settings.pages)
            for place in (page_of(day), DAILY):
                uri = place.publish(pages, html, engine.scratch)
        return dg.MaterializeResult(
            metadata={
                "dagster/uri": uri,
                "report day": str(day),
                "checks": page.sentence,
                "kilobytes": len(html.encode()) // 1024,
                "summary": dg.MetadataValue.md(f"```text\n{summary.text()}\n```"),
                "picture": dg.MetadataValue.md(_picture(summary.png())),
            }
        )

    return daily_page


def _picture(png: bytes) -> str:
    return f"![the day's figures](data:image/png;base64,{base64.b64encode(png).decode()})"


def gather(
    settings: Settings,
    connection: Connection,
    lake: Lake,
    day: date,
    computed: Mapping[Metric, Sequence[date]],
    checks: Sequence[dg.AssetCheckKey],
    context: dg.AssetExecutionContext,
) -> DailyPage:
    """Collect what is on the page.

    Args:
        settings: Of the environment.
        connection: Has the marts, and the metrics of `computed`.
        lake: Whose ledger says what was restated.
        day: The report day.
        computed: Metrics that are read beside the marts -> the days that they have.
        checks: Those whose answers are told.
        context: Of the run.

    Raises:
        LakeError: The lake cannot be read.
    """
    now, own = datetime.now(UTC), [m for m in computed if m.name not in _STANDARD and not m.by]
    coverages = coverage(connection, day, {m.name: days for m, days in computed.items()})
    figures = collect(
        connection, day, settings.start_date, coverages, [_own(metric) for metric in own]
    )
    first = date.fromisoformat(figures["first_day"])
    days = list(days_between(first, day))
    missing = missing_since(coverages, day - timedelta(days=settings.retention_days - 1))
    return DailyPage(
        day,
        now.astimezone(settings.calendar.zone),
        settings.timezone,
        context.run.run_id,
        count_by_day(read_results(context.instance, checks, days), days),
        _late(connection, day, newest_due(settings, now)),
        restatements(lake.ledger, settings, first, day),
        _definitions(settings, own),
        settings.retention_days,
        settings.close_after_days,
        figures,
        missing,
    )


def add_marts(
    connection: Connection, storage: Storage, marts: Iterable[Dataset], scratch: Path
) -> None:
    """Add the marts as views of the schema `marts`.

    Raises:
        LakeError: A mart was never made, or the lake cannot be read.
    """
    marts = list(marts)
    found = storage.fetch([mart.object_path() for mart in marts], scratch)
    connection.execute("CREATE SCHEMA IF NOT EXISTS marts")
    for mart in marts:
        file = found.get(mart.object_path())
        if file is None:
            raise LakeError(f"{mart.path} was never made.", hint="Materialize the group marts.")
        connection.execute(
            f"CREATE VIEW marts.{quote(mart.name)} AS FROM read_parquet({text(str(file))})"
        )


def _add_metrics(
    connection: Connection, settings: Settings, lake: Lake, metrics: Sequence[Metric], day: date
) -> dict[Metric, list[date]]:
    first = max(settings.start_date, day - timedelta(days=DAYS - 1))
    days = [one.isoformat() for one in days_between(first, day)]
    found: dict[Metric, list[date]] = {}
    for metric in metrics:
        partitions = lake.table(metric.dataset, days).partitions()
        add_view(connection, partitions)
        found[metric] = [date.fromisoformat(one) for one in partitions.files]
    return found


def _late(connection: Connection, day: date, due: date) -> list[str]:
    """Return what is said where the report day is not the newest one that should be there."""
    if due <= day:
        return []
    rows = connection.execute(
        "SELECT total_revenue IS NULL, total_orders IS NULL FROM marts.kpi_daily "
        "WHERE region = 'all' AND date = ?",
        [due],
    ).fetchall()
    lacks = {(False, True): "has revenue, but no orders yet",
             (True, False): "has orders, but no revenue yet"}  # fmt: skip
    why = lacks.get(rows[0], "") if rows else ""
    return [f"The newest day that should be here, {due}, {why or 'is not computed yet'}."]


def _label(metric: Metric) -> str:
    return metric.name.replace("_", " ").capitalize()


def _own(metric: Metric) -> OwnMetric:
    return OwnMetric(
        metric.name,
        metric.dataset.columns[-1].name,
        _label(metric),
        "number" if metric.unit == "ratio" else metric.unit,
        {"up": "higher", "down": "lower", "neither": "neither"}[metric.direction],
        # Counts of people are declared not to sum up over regions: nor do they over days.
        metric.additive,
    )


def _definitions(settings: Settings, own: Sequence[Metric]) -> list[tuple[str, str]]:
    described = {m.name: m.description.replace("`", "") for m in (*METRICS, *own)}
    retention = f"{settings.retention_days}-day retention"
    return list(
        {
            "Revenue": described["total_revenue"],
            "Orders": described["total_orders"],
            "Customers": described["total_customers"],
            "Average order value": "Revenue over orders of the same days and region.",
            retention: described["customer_retention_rate"].replace(
                "ECOM_RETENTION_DAYS", str(settings.retention_days)
            ),
            "Payments completed": "Share of the payments, by the day paid, that were completed.",
            "New and returning customers": "Customers whose first order that is not void was on "
            "that day, and those who ordered that day and had done so before.",
            "Cohort retention": "Of the customers whose first order was in a month, the share who "
            "ordered in each later month. Cells with a dashed border are of the running month.",
            **{_label(m): described[m.name] for m in own},
        }.items()
    )
