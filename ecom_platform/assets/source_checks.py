"""The checks of the raw assets as Dagster runs them: is the lake what the source says, and sound?

That of rows and sums is asked of each day; those of what a table is like now, of no day.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import dagster as dg

from ecom_platform.assets.answers import log_answers
from ecom_platform.datasets import RAW, Dataset, Type
from ecom_platform.engines.duckdb import Engine, add_view, text
from ecom_platform.lake.failures import explain_errors
from ecom_platform.lake.io_manager import LakeIOManager
from ecom_platform.lake.seen_columns import SeenColumns, differences
from ecom_platform.lake.storage import open_storage
from ecom_platform.quality.checks import NOTICE, Answer, runbook_of
from ecom_platform.settings import Settings
from ecom_platform.sources.base import NUMBER, Totals, add_exactly
from ecom_platform.sources.run_snapshot import RunSnapshot

_LESS_THAN_A_CENT = Decimal("0.005")

MATCHES_SOURCE = "matches_source"
SAME_COLUMNS, NO_FUTURE = "columns_are_the_same", "nothing_is_of_the_future"
NO_PAST, NO_CUT = "nothing_is_before_the_start", "files_end_with_a_line_end"
_SAME_QUESTION = "Has the source's table the columns, of the types, that it had before?"
_FUTURE_QUESTION = "Is no row of the source's table of the future, where no day will ever hold it?"
_CUT_QUESTION = "Do the source's CSV files end with a line end, so that no last value may be cut?"
_PAST_QUESTION = "Is no row of the source's table before ECOM_START_DATE, where nothing is read?"


def build_source_checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    """Build the checks of the raw assets, two steps for each."""
    return [build(raw, settings) for raw in RAW for build in (_build_reconciliation, _build_state)]


def _build_reconciliation(raw: Dataset, settings: Settings) -> dg.AssetChecksDefinition:
    sums = _lake_totals(raw)

    @dg.multi_asset_check(
        name=f"check_raw_{raw.name}",
        specs=[
            dg.AssetCheckSpec(
                MATCHES_SOURCE,
                asset=raw.path.split("/"),
                description="Does the lake hold as many rows, and as much money, as the source "
                "itself counts?",
                partitions_def=settings.calendar.partitions,
                metadata={"owner": raw.owner, "runbook": runbook_of(MATCHES_SOURCE)},
            )
        ],
        can_subset=True,
        required_resource_keys={"engine", "lake", "source"},
    )
    def compare(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        engine: Engine = context.resources.engine
        lake: LakeIOManager = context.resources.lake
        source: RunSnapshot = context.resources.source
        keys = context.op_execution_context.partition_keys
        first, last = date.fromisoformat(keys[0]), date.fromisoformat(keys[-1])
        with explain_errors(settings.retry_seconds), engine.connect() as connection:
            table = lake.lake.table(raw, keys)
            totals = source.extract(raw.name, first, last).totals
            add_view(connection, table.partitions())
            found = {str(day): facts for day, *facts in connection.execute(sums).fetchall()}
            answers = [
                _compare(day, found.get(day, (0, None, None)), totals.get(date.fromisoformat(day)))
                for day in table.days
                if day not in table.failed
            ]
            log_answers(context, raw.path, {MATCHES_SOURCE: answers})
        yield from ()

    return compare


def _build_state(raw: Dataset, settings: Settings) -> dg.AssetChecksDefinition:
    questions = {
        SAME_COLUMNS: _SAME_QUESTION,
        NO_FUTURE: _FUTURE_QUESTION,
        NO_PAST: _PAST_QUESTION,
        NO_CUT: _CUT_QUESTION,
    }

    @dg.multi_asset_check(
        name=f"check_source_{raw.name}",
        specs=[
            dg.AssetCheckSpec(
                name,
                asset=raw.path.split("/"),
                description=question,
                # A column has changed once; that it is so from then on is nothing new.
                metadata={
                    "owner": raw.owner,
                    "runbook": runbook_of(name),
                    **({NOTICE: True} if name == SAME_COLUMNS else {}),
                },
            )
            for name, question in questions.items()
        ],
        can_subset=True,
        required_resource_keys={"engine", "source"},
    )
    def look(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        engine: Engine = context.resources.engine
        source: RunSnapshot = context.resources.source
        selected = {key.name for key in context.selected_asset_check_keys}
        with explain_errors(settings.retry_seconds):
            state = source.state(raw.name)
            seen = SeenColumns(open_storage(settings.lake), engine.scratch)
            before = seen.of(raw.name)
        if NO_FUTURE in selected:
            facts: dict[str, Any] = {"broken": state.future_rows}
            if state.future_rows:
                facts["latest"] = state.latest
            yield _result(raw, NO_FUTURE, passed=not state.future_rows, facts=facts)
        if NO_PAST in selected:
            facts = {"broken": state.early_rows}
            if state.early_rows:
                facts["earliest"] = state.earliest
            yield _result(raw, NO_PAST, passed=not state.early_rows, facts=facts)
        if NO_CUT in selected:
            facts = {"broken": len(state.without_end)}
            if state.without_end:
                facts["file"] = state.without_end[-1]
            yield _result(raw, NO_CUT, passed=not state.without_end, facts=facts)
        if SAME_COLUMNS in selected:
            changed = differences(before, state.columns) if before and state.columns else {}
            facts = changed or {"columns": len(state.columns)}
            yield _result(raw, SAME_COLUMNS, passed=not changed, facts=facts)
            # Afterwards: should this run end here, the next one tells of it.
            if state.columns and state.columns != before:
                with explain_errors(settings.retry_seconds):
                    seen.remember(raw.name, state.columns)

    return look


def _result(
    raw: Dataset, name: str, *, passed: bool, facts: Mapping[str, Any]
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=passed,
        asset_key=raw.path.split("/"),
        check_name=name,
        severity=dg.AssetCheckSeverity.WARN,
        metadata=facts,
    )


def _lake_totals(raw: Dataset) -> str:
    """Return the SQL that counts and sums a day as the source does: unrounded."""
    money = [column.name for column in raw.columns if column.type is Type.MONEY]
    amounts = "NULL, NULL"
    if money:
        unreadable = f"{money[0]}_text"
        is_number = f"regexp_full_match({unreadable}, {text(NUMBER)})"
        amounts = f"sum({money[0]}), histogram({unreadable}) FILTER (WHERE {is_number})"
    return f"SELECT date, count(*), {amounts} FROM {raw.layer}.{raw.name} GROUP BY date"


def _compare(day: str, lake: Sequence[Any], source: Totals | None) -> Answer:
    rows, plain, texts = lake
    expected = source or Totals(0, None)
    facts: dict[str, int | float | str] = {"lake_rows": rows, "source_rows": expected.rows}
    passed = rows == expected.rows
    if expected.amount is not None:
        amount = add_exactly(plain, texts)
        difference = add_exactly(amount, {str(expected.amount): -1})
        passed = passed and difference.copy_abs() < _LESS_THAN_A_CENT
        facts |= {"lake_amount": f"{amount:.2f}", "source_amount": f"{expected.amount:.2f}"}
    return Answer(day, passed, facts)
