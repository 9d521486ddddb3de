"""How a SQL file becomes the rows of a step: inputs, settings tables, days, errors.

The assets declare what they are; everything they share in running is here.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from ecom_platform.engines.duckdb import add_table, add_view, create_result
from ecom_platform.errors import DataError
from ecom_platform.lake.tables import Rows, days_before
from ecom_platform.privacy import email_key_tables, load_email_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ecom_platform.assets.sql_files import SqlFile
    from ecom_platform.datasets import Dataset
    from ecom_platform.engines.duckdb import Connection, Engine
    from ecom_platform.lake.tables import LakeTable
    from ecom_platform.settings import Settings


def run_sql(
    engine: Engine,
    sql: SqlFile,
    dataset: Dataset,
    inputs: Mapping[str, LakeTable],
    days: Sequence[str],
    lookback: Mapping[str, int],
) -> Rows:
    """Run a SQL file for those of the days whose inputs are there.

    Args:
        engine: Runs it.
        sql: The file.
        dataset: What its result is declared to be.
        inputs: `layer/name` -> its partitions.
        days: The days to compute.
        lookback: `layer/name` -> how many days before a day it reads, where it does.

    Returns:
        The rows, and the days that could not be computed.

    Raises:
        EngineError: The SQL does not run, whatever the day.
    """
    bad_days: dict[str, str] = {}
    for path, table in inputs.items():
        bad_days |= {
            day: reason
            for day, reason in unready_days(table, days, lookback.get(path, 0)).items()
            if day not in bad_days
        }

    def compute(days: Sequence[str]) -> Rows:
        connection = engine.connect()
        add_settings(connection, engine.settings, days)
        for path, table in inputs.items():
            add_view(connection, table.around(days, lookback.get(path, 0)).partitions())
        misfits = create_result(connection, dataset, sql.text, table="result")
        return Rows(connection, "result", misfits)

    return compute_days(compute, [day for day in days if day not in bad_days], bad_days)


def compute_days(
    compute: Callable[[Sequence[str]], Rows], days: Sequence[str], bad_days: Mapping[str, str]
) -> Rows:
    """Compute days at once; where a value makes that fail, all but the days that fail alone.

    Args:
        compute: Computes some days.
        days: Those to compute.
        bad_days: ISO day -> why, of those that are not; these are added to.

    Raises:
        DataError: The days fail together, and none of them alone.
    """
    try:
        rows = compute(days)
    except DataError:
        alone = _days_that_fail(compute, days)
        if not alone:
            raise
        bad_days = {**alone, **bad_days}
        rows = compute([day for day in days if day not in alone])
    return replace(rows, bad_days={**rows.bad_days, **bad_days})


def _days_that_fail(
    compute: Callable[[Sequence[str]], Rows], days: Sequence[str]
) -> dict[str, str]:
    """Return ISO day -> why, of those with a value that cannot be computed with."""
    try:
        compute(days).connection.close()
    except DataError as error:
        if len(days) == 1:
            return {days[0]: error.message}
        middle = len(days) // 2
        halves = days[:middle], days[middle:]
        return {k: v for half in halves for k, v in _days_that_fail(compute, half).items()}
    return {}


def unready_days(table: LakeTable, days: Iterable[str], lookback: int = 0) -> dict[str, str]:
    """Return day -> why, for the days that this input does not allow to compute."""
    path = table.dataset.path
    missing = sorted(table.missing)
    reasons: dict[str, str] = {}
    for day in days:
        first = days_before(day, lookback)
        absent = [gap for gap in missing if first <= gap <= day]
        if day in table.failed:
            reasons[day] = f"{path} of this day failed in this run"
        elif absent:
            span = absent[0] if len(absent) == 1 else f"{absent[0]} to {absent[-1]}"
            reasons[day] = f"{path} was never computed for {span}; materialize it first"
    return reasons


def add_settings(connection: Connection, settings: Settings, days: Sequence[str]) -> None:
    """Make the settings readable to SQL, as tables of the schema `settings`.

    `days` (date, starts_at, ends_at), `calendar` (first_day), `clock` (now), `retention` (days),
    `payment_status_words` (word, status), `void_order_statuses` (status).
    """
    words = settings.payment_status_words
    tables = {
        "days": settings.calendar.table(days),
        "calendar": pa.table({"first_day": pa.array([settings.start_date], pa.date32())}),
        "clock": pa.table({"now": pa.array([datetime.now(UTC)], pa.timestamp("us", "UTC"))}),
        "retention": pa.table({"days": pa.array([settings.retention_days], pa.int32())}),
        "payment_status_words": pa.table(
            {
                "word": pa.array(words.keys(), pa.string()),
                "status": pa.array(words.values(), pa.string()),
            }
        ),
        "void_order_statuses": pa.table(
            {"status": pa.array(settings.void_order_statuses, pa.string())}
        ),
    }
    for name, table in tables.items():
        add_table(connection, name, table)


def add_email_key(connection: Connection, settings: Settings) -> None:
    """Make the key of the e-mail HMAC readable to SQL, as `settings.email_key`."""
    configured = settings.email_hmac_key
    key = load_email_key(configured.get_secret_value() if configured else None)
    add_table(connection, "email_key", pa.table(email_key_tables(key)))
