"""Which numbers of settled days have changed since, out of the ledger, for the daily page."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ecom_platform.assets.metrics import METRICS, Metric
from ecom_platform.calendar import days_between

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from ecom_platform.lake.ledger import Entry, Ledger, Restatement
    from ecom_platform.settings import Settings

#: Metrics of which the page tells that a day was restated -> what it calls them.
_RESTATED = {"total_revenue": "revenue", "total_orders": "orders", "total_customers": "customers"}


def restatements(
    ledger: Ledger, settings: Settings, first: date, last: date
) -> list[dict[str, Any]]:
    """Return what has changed of settled days, as `DailyPage` has it: others are to change.

    Raises:
        LakeError: The ledger cannot be read.
    """
    days = [day.isoformat() for day in days_between(first, last)]
    found: list[tuple[datetime, dict[str, Any]]] = []
    for metric in (m for m in METRICS if m.name in _RESTATED):
        for day, entries in ledger.history(metric.dataset, days).items():
            told = [one for one in entries if settings.is_settled(day, one.published_at)]
            found += _of_day(settings, metric, (date.fromisoformat(day) - first).days, told)
    return [one for _, one in sorted(found, key=lambda pair: pair[0], reverse=True)]


def _of_day(
    settings: Settings, metric: Metric, day: int, entries: Sequence[Entry]
) -> Iterator[tuple[datetime, dict[str, Any]]]:
    """Yield each region's value of a day: what the oldest entry replaced, and what is now."""
    changes: dict[str, list[tuple[Entry, Restatement]]] = {}
    for entry in entries:  # the newest first
        for one in entry.restatements:
            if one.column == metric.name:
                changes.setdefault(one.key["region"], []).append((entry, one))
    for region, of_region in changes.items():
        (newest, now), (_, was) = of_region[0], of_region[-1]
        if now.new != was.old:
            at = newest.published_at.astimezone(settings.calendar.zone)
            yield (
                newest.published_at,
                {
                    "day": day,
                    "region": region,
                    "metric": metric.name,
                    "label": _RESTATED[metric.name],
                    "was": _number(metric, was.old),
                    "now": _number(metric, now.new),
                    "cause": ", ".join(dict.fromkeys(entry.cause for entry, _ in of_region)),
                    "at": f"{at:%Y-%m-%d %H:%M}",
                },
            )


def _number(metric: Metric, value: str | None) -> int | None:
    if value is None:
        return None
    return int(Decimal(value) * 100) if metric.unit == "money" else int(value)
