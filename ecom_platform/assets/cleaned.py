"""The cleaned assets, each with its quarantine: one SQL file decides between the two.

Of every day: raw rows = cleaned + quarantined + exact duplicates, asserted in each run.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import dagster as dg

from ecom_platform.assets import describe
from ecom_platform.assets.sql_files import SQL_FOLDER, SqlFile
from ecom_platform.assets.steps import add_email_key, add_settings, compute_days, unready_days
from ecom_platform.assets.unfit_days import (
    days_of_too_many_rejected,
    days_of_unknown_statuses,
)
from ecom_platform.datasets import CLEANED, QUARANTINE, RAW, Dataset, Type
from ecom_platform.engines.duckdb import (
    Connection,
    Engine,
    add_view,
    create_result,
    quote,
)
from ecom_platform.engines.explain import explain_sql_errors
from ecom_platform.lake.failures import explain_errors
from ecom_platform.lake.tables import LakeTable, Rows
from ecom_platform.settings import Settings

#: The fact of a day that tells reason -> how many of its rows are quarantined for it, as JSON.
REASONS = "quarantine_reasons"


def build_cleaned_assets(
    settings: Settings, folder: Path = SQL_FOLDER / "cleaned"
) -> list[dg.AssetsDefinition]:
    """Build a multi-asset, cleaned and quarantine, for each of the source's tables.

    Args:
        settings: For the calendar.
        folder: Where the SQL files are.
    """
    return [
        _build(raw, cleaned, quarantine, SqlFile(folder / f"{cleaned.name}.sql"), settings)
        for raw, cleaned, quarantine in zip(RAW, CLEANED, QUARANTINE, strict=True)
    ]


def _build(
    raw: Dataset, cleaned: Dataset, quarantine: Dataset, sql: SqlFile, settings: Settings
) -> dg.AssetsDefinition:
    def out(dataset: Dataset, *, required: bool) -> dg.AssetOut:
        return dg.AssetOut(
            key=dataset.path.split("/"),
            description=describe.description(dataset),
            metadata=describe.metadata(dataset, sql if required else None, {raw.path: raw}),
            group_name=dataset.layer,
            owners=[dataset.owner],
            kinds={"sql", "duckdb", "parquet"},
            io_manager_key="lake",
            is_required=required,
            code_version=sql.version,
        )

    @dg.multi_asset(
        name=f"clean_{raw.name}",
        ins={"rows": dg.AssetIn(raw.path.split("/"))},
        # The quarantine is published with the cleaned days, never as an output of its own:
        # so it has a day exactly when the cleaned dataset has it.
        outs={
            "cleaned": out(cleaned, required=True),
            "quarantine": out(quarantine, required=False),
        },
        partitions_def=settings.calendar.partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        required_resource_keys={"engine"},
    )
    def clean(context: dg.AssetExecutionContext, rows: LakeTable):  # noqa: ANN202 - Dagster infers Any
        engine: Engine = context.resources.engine
        with explain_errors(settings.retry_seconds):
            result = _clean(engine, sql, rows, cleaned, quarantine, context.partition_keys)
        yield dg.Output(result, output_name="cleaned")

    return clean


def _clean(
    engine: Engine,
    sql: SqlFile,
    rows: LakeTable,
    cleaned: Dataset,
    quarantine: Dataset,
    days: Sequence[str],
) -> Rows:
    """Clean those of the days that were extracted; see `compute_days`."""
    bad_days = unready_days(rows, days)

    def compute(days: Sequence[str]) -> Rows:
        return _clean_days(engine, sql, rows.around(days, 0), cleaned, quarantine, days)

    return compute_days(compute, [day for day in days if day not in bad_days], bad_days)


def _clean_days(
    engine: Engine,
    sql: SqlFile,
    rows: LakeTable,
    cleaned: Dataset,
    quarantine: Dataset,
    days: Sequence[str],
) -> Rows:
    connection = engine.connect()
    add_settings(connection, engine.settings, days)
    if any(column.pii for column in rows.dataset.columns):
        add_email_key(connection, engine.settings)
    add_view(connection, rows.partitions(), "source_rows")
    raw = f"raw.{rows.dataset.name}"
    with explain_sql_errors(connection, cleaned):
        connection.execute(
            f"CREATE TABLE {raw} AS SELECT row_number() OVER () AS row_id, * FROM ("
            "SELECT DISTINCT * FROM source_rows WHERE date IN (SELECT date FROM settings.days))"
        )
        connection.execute(f"CREATE TABLE decided AS {sql.text}")
    bad_days = create_result(
        connection, cleaned, "SELECT * FROM decided WHERE reject_reason IS NULL", table="accepted"
    )
    bad_days |= create_result(
        connection,
        quarantine,
        f"SELECT source.*, decided.reject_reason FROM {raw} AS source "
        "INNER JOIN decided USING (row_id) WHERE decided.reject_reason IS NOT NULL",
        table="rejected",
    )
    counts = _count(connection, rows.dataset)
    reasons = _reasons(connection)
    facts: dict[str, dict[str, int | float | str]] = {
        day: {**found, **({REASONS: json.dumps(reasons[day])} if day in reasons else {})}
        for day, found in counts.items()
    }
    bad_days |= days_of_unknown_statuses(connection, cleaned, engine.settings)
    bad_days |= days_of_too_many_rejected(rows, counts, reasons, engine.settings)
    for day, count in _undecided(connection, rows.dataset).items():
        bad_days[day] = f"the cleaning SQL loses or repeats {count} rows"
    return Rows(connection, "accepted", bad_days, facts, beside={quarantine: "rejected"})


def _count(connection: Connection, raw: Dataset) -> dict[str, dict[str, int]]:
    """Count the rows of each day: read, cleaned, quarantined, duplicate, rounded."""
    money = [column.name for column in raw.columns if column.type is Type.MONEY]
    rounded = "false"
    if money:
        text = quote(f"{money[0]}_text")
        rounded = f"source.{text} IS NOT NULL AND decided.{quote(money[0])} IS NOT NULL"
    found = connection.execute(
        f"""
        WITH
        read AS (SELECT date, count(*) AS n FROM source_rows GROUP BY date),
        kept AS (SELECT date, count(*) AS n FROM raw.{raw.name} GROUP BY date),
        accepted AS (SELECT date, count(*) AS n FROM accepted GROUP BY date),
        rejected AS (SELECT date, count(*) AS n FROM rejected GROUP BY date),
        rounded AS (
            SELECT source.date, count(*) AS n
            FROM decided INNER JOIN raw.{raw.name} AS source USING (row_id)
            WHERE decided.reject_reason IS NULL AND {rounded}
            GROUP BY source.date
        )
        SELECT
            CAST(days.date AS VARCHAR), coalesce(read.n, 0), coalesce(accepted.n, 0),
            coalesce(rejected.n, 0), coalesce(read.n - kept.n, 0), coalesce(rounded.n, 0)
        FROM settings.days AS days
        LEFT JOIN read USING (date)
        LEFT JOIN kept USING (date)
        LEFT JOIN accepted USING (date)
        LEFT JOIN rejected USING (date)
        LEFT JOIN rounded USING (date)
        """
    ).fetchall()
    names = ("raw_rows", "cleaned_rows", "quarantined_rows", "duplicate_rows", "rounded_rows")
    return {day: dict(zip(names, counts, strict=True)) for day, *counts in found}


def _reasons(connection: Connection) -> dict[str, dict[str, int]]:
    """Return day -> reason -> rows rejected for it, the most frequent first."""
    found = connection.execute(
        "SELECT CAST(date AS VARCHAR), reject_reason, count(*) FROM rejected "
        "GROUP BY ALL ORDER BY 1, 3 DESC, 2"
    ).fetchall()
    reasons: dict[str, dict[str, int]] = {}
    for day, reason, count in found:
        reasons.setdefault(day, {})[reason] = count
    return reasons


def _undecided(connection: Connection, raw: Dataset) -> dict[str, int]:
    """Count the rows of each day that the SQL does not decide on exactly once.

    Where there are none, raw rows = cleaned + quarantined + exact duplicates.
    """
    found = connection.execute(
        f"""
        SELECT CAST(date AS VARCHAR), count(*)
        FROM raw.{raw.name} AS source
        FULL JOIN (
            SELECT row_id, date, count(*) AS times FROM decided GROUP BY row_id, date
        ) AS decisions USING (row_id, date)
        WHERE source.row_id IS NULL OR times IS DISTINCT FROM 1
        GROUP BY date
        """
    ).fetchall()
    return dict(found)
