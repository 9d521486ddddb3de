"""Which day should be there by now, and whether it is: of datasets and of pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from ecom_platform.lake.storage import open_storage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ecom_platform.datasets import Dataset
    from ecom_platform.lake.pages import Page
    from ecom_platform.settings import Settings

#: The check that asks it of an asset.
FRESH = "newest_day_is_there"
#: The schedule makes a day two hours after its end, and the pages at half past six; by then they
#: are to be published.
DAY_DUE_AFTER, PAGE_DUE_AFTER = timedelta(hours=6), timedelta(hours=7)


@dataclass(frozen=True)
class Freshness:
    """Whether an asset has the newest day that it should have.

    Args:
        asset: `layer/name`.
        due: That day.
        is_there: Whether it has it.
    """

    asset: str
    due: date
    is_there: bool


def newest_due(settings: Settings, now: datetime, after: timedelta = DAY_DUE_AFTER) -> date:
    """Return the newest day that should be published by now."""
    return settings.calendar.last_closed(now - after)


def freshness_of(
    settings: Settings, datasets: Iterable[Dataset], pages: Iterable[Page], now: datetime
) -> Iterator[Freshness]:
    """Look at datasets and pages; before the first day is due, all of them are fresh.

    Raises:
        LakeError: The lake cannot be read.
    """
    storage = open_storage(settings.lake)
    due = newest_due(settings, now)
    for dataset in datasets:
        is_there = due < settings.start_date or storage.stat(dataset.object_path(str(due)))
        yield Freshness(dataset.path, due, bool(is_there))
    storage = open_storage(settings.pages)
    due = newest_due(settings, now, PAGE_DUE_AFTER)
    for page in pages:
        is_there = due < settings.start_date or page.day(storage) >= str(due)
        yield Freshness(page.asset, due, is_there)
