"""Days that are not cleaned because too much of them is not understood; they keep what they had."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecom_platform.datasets import CLEANED_PAYMENTS
from ecom_platform.lake.fingerprints import UNDATED_FACT

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from ecom_platform.datasets import Dataset
    from ecom_platform.engines.duckdb import Connection
    from ecom_platform.lake.tables import LakeTable
    from ecom_platform.settings import Settings


@dataclass(frozen=True)
class Judged:
    """How many rows of each day are bad, and how many there may be.

    Each day is judged by itself, and then all the others together: days of a few rows, each of
    them bad, are no good days.

    Args:
        bad: Day -> rows that are bad.
        whole: Day -> its rows.
        least: So many never fail anything.
        share: More than this share of the rows is too much.
    """

    bad: Mapping[str, int]
    whole: Mapping[str, int]
    least: int
    share: float

    def reasons(self, what: str, setting: str, details: Mapping[str, str]) -> dict[str, str]:
        """Return day -> why it fails, of those that do; `what` is said of the bad rows."""
        limit = f"{what}, more than {setting}={self.share:g}"
        alone = [day for day in self.whole if self._is_too_much([day])]
        others = [day for day in self.whole if day not in alone]
        found = {
            day: f"{self.bad[day]} of {self.whole[day]} {limit}: {details[day]}" for day in alone
        }
        if self._is_too_much(others):
            bad, whole = (sum(rows[day] for day in others) for rows in (self.bad, self.whole))
            found |= {
                day: f"{bad} of the run's {whole} {limit}; of this day {details[day]}"
                for day in others
                if self.bad[day] > 0
            }
        return found

    def _is_too_much(self, days: Collection[str]) -> bool:
        bad, whole = (sum(rows[day] for day in days) for rows in (self.bad, self.whole))
        return bad > self.least and bad > self.share * whole


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
            count(*) FILTER (WHERE status = 'other'),
            count(*),
            left(max(source_status) FILTER (WHERE status = 'other'), 40)
        FROM accepted GROUP BY date
        """
    ).fetchall()
    judged = Judged(
        {day: unknown for day, unknown, _, _ in found},
        {day: payments for day, _, payments, _ in found},
        settings.quarantine_min_rows,
        settings.unknown_status_max_share,
    )
    words = {
        day: "none at all" if word is None else f"{word!r} for one; see ECOM_PAYMENT_STATUSES"
        for day, _, _, word in found
    }
    return judged.reasons(
        "payments have a status that the platform has no word for",
        "ECOM_UNKNOWN_STATUS_MAX_SHARE",
        words,
    )


def days_of_too_many_rejected(
    rows: LakeTable,
    counts: Mapping[str, Mapping[str, int]],
    reasons: Mapping[str, Mapping[str, int]],
    settings: Settings,
) -> dict[str, str]:
    """Return day -> why, of the days of which more rows are rejected than may be.

    Rows without a day, filed under the first, were judged when they were read, and are of no day
    here.
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
    judged = Judged(rejected, whole, settings.quarantine_min_rows, settings.quarantine_max_share)
    listed = {
        day: ", ".join(f"{reason} ({rows})" for reason, rows in reasons.get(day, {}).items())
        for day in counts
    }
    return judged.reasons("rows would be quarantined", "ECOM_QUARANTINE_MAX_SHARE", listed)
