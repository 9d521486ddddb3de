"""What `ecom run` says of rows that no figure counts: set aside, too early, of the future."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import dagster as dg

from ecom_platform.assets.cleaned import REASONS
from ecom_platform.assets.source_checks import NO_FUTURE, NO_PAST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

_OUTSIDE = {
    NO_PAST: ("earliest", "before ECOM_START_DATE, from {} on, in no dataset"),
    NO_FUTURE: ("latest", "of the future, up to {}, in no dataset yet"),
}


def print_rows_set_aside(instance: dg.DagsterInstance, run_id: str, console: Console) -> None:
    """Say of each table of a run which rows no figure counts, and why; nothing where all count."""
    for line in [*_quarantined(instance, run_id), *_outside(instance, run_id)]:
        console.print(f"! {line}", style="yellow", markup=False)


def _quarantined(instance: dg.DagsterInstance, run_id: str) -> Iterator[str]:
    """Yield a line of each table with rows in the quarantine of the days that were published."""
    found = instance.get_records_for_run(
        run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
    ).records
    reasons: dict[str, Counter[str]] = {}
    days: Counter[str] = Counter()
    for record in found:
        made = record.event_log_entry.asset_materialization
        told = made.metadata.get(REASONS) if made else None
        if made and isinstance(told, dg.TextMetadataValue) and told.text:
            table = made.asset_key.path[-1]
            reasons.setdefault(table, Counter()).update(json.loads(told.text))
            days[table] += 1
    for table, counts in sorted(reasons.items()):
        listed = ", ".join(f"{reason} ({rows:,})" for reason, rows in counts.most_common())
        span = "1 day" if days[table] == 1 else f"{days[table]} days"
        yield f"quarantine/{table}: {_rows(counts.total())} of {span} set aside: {listed}"


def _outside(instance: dg.DagsterInstance, run_id: str) -> Iterator[str]:
    """Yield a line of each table with rows of days that no run makes."""
    found = instance.get_records_for_run(
        run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ).records
    for record in found:
        event = record.event_log_entry.get_dagster_event()
        answer = event.asset_check_evaluation_data
        if answer.check_name in _OUTSIDE and not answer.passed:
            fact, words = _OUTSIDE[answer.check_name]
            rows, moment = (answer.metadata[name].value for name in ("broken", fact))
            about = answer.asset_key.to_user_string()
            if isinstance(rows, int):
                yield f"{about}: {_rows(rows)} {words.format(moment)}"


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"
