"""The raw assets: days of the source's tables, as they were in one consistent snapshot."""

from collections.abc import Mapping
from datetime import date

import dagster as dg

from ecom_platform.assets import describe
from ecom_platform.assets.steps import add_email_key
from ecom_platform.assets.undated import days_without_their_rows
from ecom_platform.datasets import RAW, Column, Dataset, Type
from ecom_platform.engines.duckdb import Engine, create_result, quote, text
from ecom_platform.lake.failures import explain_errors
from ecom_platform.lake.fingerprints import SOURCE_FINGERPRINT, UNDATED_ROWS
from ecom_platform.lake.tables import Rows
from ecom_platform.privacy import EMAIL_PATTERN, may_hold_email
from ecom_platform.settings import Settings
from ecom_platform.sources.base import Extraction, TableState, Totals
from ecom_platform.sources.run_snapshot import RunSnapshot


def build_raw_assets(settings: Settings) -> list[dg.AssetsDefinition]:
    """Build an asset for each of the source's tables."""
    return [_build(dataset, settings) for dataset in RAW]


def _build(dataset: Dataset, settings: Settings) -> dg.AssetsDefinition:
    @dg.asset(
        key=dataset.path.split("/"),
        description=describe.description(dataset),
        metadata=describe.metadata(dataset),
        group_name=dataset.layer,
        owners=[dataset.owner],
        kinds={settings.source_kind, "parquet"},
        partitions_def=settings.calendar.partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        io_manager_key="lake",
        required_resource_keys={"engine", "lake", "source"},
        # The three tables first, so that the source's snapshot is released early.
        op_tags={"dagster/priority": "1"},
        # So that an instance can limit how many runs read the shop's database at once.
        pool="source",
        code_version="1",
    )
    def extract(context: dg.AssetExecutionContext) -> Rows:
        engine: Engine = context.resources.engine
        source: RunSnapshot = context.resources.source
        first, *_, last = [*context.partition_keys, context.partition_keys[-1]]
        with explain_errors(settings.retry_seconds):
            extraction = source.extract(
                dataset.name, date.fromisoformat(first), date.fromisoformat(last)
            )
            state = source.state(dataset.name)
            bad_days = extraction.bad_days | days_without_their_rows(
                settings,
                context.resources.lake.lake,
                dataset,
                context.partition_keys,
                extraction,
                state.undated,
                engine.scratch,
            )
            return _as_rows(engine, dataset, extraction, state, bad_days)

    return extract


def _as_rows(
    engine: Engine,
    dataset: Dataset,
    extraction: Extraction,
    state: TableState,
    bad_days: Mapping[str, str],
) -> Rows:
    connection = engine.connect()
    if extraction.files:
        files = ", ".join(text(str(file)) for file in extraction.files)
        query = f"SELECT * FROM read_parquet([{files}])"
        described = connection.execute(f"DESCRIBE {query}").fetchall()
        words = {str(name) for name, kind, *_ in described if kind == "VARCHAR"}
        cleared = ", ".join(
            f"{_without_addresses(column)} AS {quote(column.name)}"
            for column in dataset.columns
            if column.name in words and not column.pii
        )
        add_email_key(connection, engine.settings)
        query = f"SELECT source.* REPLACE ({cleared}) FROM ({query}) AS source, settings.email_key"
    else:
        nulls = ", ".join(f"CAST(NULL AS VARCHAR) AS {quote(c.name)}" for c in dataset.columns)
        query = f"SELECT {nulls}, NULL AS date WHERE false"
    misfits = create_result(connection, dataset, query, table="result")
    facts = {day.isoformat(): _facts(totals) for day, totals in extraction.totals.items()}
    for day, fingerprint in extraction.fingerprints.items():
        facts.setdefault(day.isoformat(), {})[SOURCE_FINGERPRINT] = fingerprint
    start = engine.settings.start_date.isoformat()
    if start in facts and state.undated.rows:
        facts[start][UNDATED_ROWS] = state.undated.rows
    return Rows(
        connection, "result", {**misfits, **bad_days}, facts, source_is_empty=state.is_empty
    )


def _without_addresses(column: Column) -> str:
    """Return a column's text without e-mail addresses, whatever it was misused for.

    An id must stay one, so that one which is an address becomes its keyed hash.
    """
    name, pattern = quote(column.name), text(EMAIL_PATTERN)
    without = f"regexp_replace({name}, {pattern}, '[e-mail]', 'g')"
    if column.type is Type.ID:
        hashed = f"keyed_hash({name}, email_key.inner_pad, email_key.outer_pad)"
        without = f"if(regexp_matches({name}, {pattern}), 'e-mail:' || {hashed}, {name})"
    return f"CASE WHEN {may_hold_email(name)} THEN {without} ELSE {name} END"


def _facts(totals: Totals) -> dict[str, int | float | str]:
    facts: dict[str, int | float | str] = {"source_rows": totals.rows}
    if totals.amount is not None:
        facts["source_amount"] = str(totals.amount)
    return facts
