"""Days that are not cleaned because too much of them is not understood; they keep what they had."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecom_platform.datasets import CLEANED_PAYMENTS
from ecom_platform.lake.fingerprints import UNDATED_FACT

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from ecom_platform.datasets import Dataset
    from ecom_platform.engines.duckdb import Connection
    from ecom_platform.lake.tables import LakeTable
    from ecom_platform.settings import Settings


def days_of_unknown_statuses(
    connection: Connection, cleaned: Dataset, settings: Settings
) -> dict[str, str]:
    """Return day -> why, of the days whose payments mostly have a status without a meaning.

    They are in no revenue: of a source that has changed its words, it would be near zero.
    """
    if cleaned != CLEANED_PAYMENTS:
        return {}
    found = connection.execute(
        """
        SELECT
            CAST(date AS VARCHAR),
            count(*) FILTER (WHERE status = 'other') AS unknown,
            count(*),
            max(source_status) FILTER (WHERE status = 'other')
        FROM accepted GROUP BY date HAVING unknown > $least AND unknown > $share * count(*)
        """,
        {"least": settings.quarantine_min_rows, "share": settings.unknown_status_max_share},
    ).fetchall()
    return {
        day: f"{unknown} of {payments} payments have a status that the platform has no word for, "
        f"more than ECOM_UNKNOWN_STATUS_MAX_SHARE={settings.unknown_status_max_share:g}: "
        + ("none at all" if word is None else f"for one, {word!r}; see ECOM_PAYMENT_STATUSES")
        for day, unknown, payments, word in found
    }


def days_of_too_many_rejected(
    rows: LakeTable,
    counts: Mapping[str, Mapping[str, int]],
    reasons: Mapping[str, Mapping[str, int]],
    settings: Settings,
) -> dict[str, str]:
    """Return day -> why, of the days of which more rows are rejected than may be.

    Each is judged by itself, and then all the others together: days of a few rows, each of them
    bad, are no good days. Rows without a day, filed under the first, were judged when they were
    read, and are of no day here.
    """
    start = settings.calendar.start.isoformat()
    undated = {
        day: int(facts.get(UNDATED_FACT, 0))
        for day, facts in rows.lake.facts(rows.dataset, {start} & counts.keys()).items()
    }
    rejected, whole = (
        {day: found[name] - undated.get(day, 0) for day, found in counts.items()}
        for name in ("quarantined_rows", "raw_rows")
    )

    def too_many(days: Collection[str]) -> bool:
        bad = sum(rejected[day] for day in days)
        share = settings.quarantine_max_share * sum(whole[day] for day in days)
        return bad > settings.quarantine_min_rows and bad > share

    limit = f"more than ECOM_QUARANTINE_MAX_SHARE={settings.quarantine_max_share:g}"
    bad_days = {
        day: f"{found['quarantined_rows']} of {found['raw_rows']} rows would be quarantined, "
        f"{limit}: {_listed(reasons[day])}"
        for day, found in counts.items()
        if too_many([day])
    }
    others = [day for day in counts if day not in bad_days]
    if too_many(others):
        together = f"{sum(rejected[day] for day in others)} of the run's "
        together += f"{sum(whole[day] for day in others)} rows would be quarantined, {limit}; "
        bad_days |= {
            day: f"{together}of this day {_listed(reasons[day])}"
            for day in others
            if rejected[day] > 0
        }
    return bad_days


def _listed(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} ({rows})" for reason, rows in reasons.items())
