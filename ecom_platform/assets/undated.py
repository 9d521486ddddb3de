"""Which days a raw asset fails since too many rows without a day could belong to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecom_platform.calendar import days_between
from ecom_platform.lake.fingerprints import UNDATED_FACT
from ecom_platform.lake.seen_undated import SeenUndated
from ecom_platform.lake.storage import open_storage
from ecom_platform.quality.undated import judge
from ecom_platform.sources.shop_tables import DATED_BY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ecom_platform.datasets import Dataset
    from ecom_platform.lake.publish import Lake
    from ecom_platform.settings import Settings
    from ecom_platform.sources.base import Extraction, Undated


def days_without_their_rows(
    settings: Settings,
    lake: Lake,
    raw: Dataset,
    days: Sequence[str],
    extraction: Extraction,
    undated: Undated,
    scratch: Path,
) -> dict[str, str]:
    """Return day -> why it fails; keep how many rows without a day are known from now on.

    Raises:
        LakeError: The lake cannot be read, or written.
    """
    seen = SeenUndated(open_storage(settings.lake), scratch)
    known = seen.of(raw.name)
    if not undated.rows and not known:
        return {}
    calendar = settings.calendar
    start = calendar.start.isoformat()
    good = [day for day in days if day not in extraction.bad_days]
    rows = dict.fromkeys(good, 0) | {
        str(day): totals.rows for day, totals in extraction.totals.items() if str(day) in good
    }
    if start in rows:  # where they are filed
        rows[start] -= undated.rows
    before = {
        day: int(facts.get("ecom-rows", 0)) - int(facts.get(UNDATED_FACT, 0))
        for day, facts in lake.facts(raw, good).items()
    }
    published = lake.published(raw)
    all_days = {str(day) for day in days_between(calendar.start, calendar.last_closed())}
    verdict = judge(
        undated.rows,
        known,
        rows,
        before,
        len(all_days - published),
        is_first=not published,
        max_share=settings.quarantine_max_share,
        min_rows=settings.quarantine_min_rows,
    )
    if verdict.accepted != known:
        seen.remember(raw.name, verdict.accepted)
    first, *others = sorted(verdict.bad_days) or [""]
    column = settings.source_column(raw.name, DATED_BY[raw.name])
    like = f", such as `{undated.example}`" if undated.example else ""
    rows_of_it = f"{undated.rows - known:,} rows of the table {settings.source_table(raw.name)}"
    reason = (
        f"{rows_of_it} have no readable {column}{like}, and could be of this day: "
        f"{verdict.share:.0%} of its rows, more than "
        f"ECOM_QUARANTINE_MAX_SHARE={settings.quarantine_max_share:g}. {undated.advice}"
    )
    again = f"{rows_of_it} have no readable {column}, and could be of this day, as of {first}"
    return ({first: reason} if first else {}) | dict.fromkeys(others, again)
