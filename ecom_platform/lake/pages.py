"""The pages that people open: where they are published, and how they get there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecom_platform.scratch import scratch_folder

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from ecom_platform.lake.base import Storage

#: How a page says which day is the newest that it is about.
_DAY = re.compile(r'<meta name="report-date" content="([0-9-]{10})">')


@dataclass(frozen=True)
class Page:
    """A page.

    Args:
        asset: `layer/name` of the asset that makes it.
        path: Where among the pages. Its head says `<meta name="report-date" content="2024-03-01">`.
    """

    asset: str
    path: str

    def publish(self, storage: Storage, html: str, scratch: Path) -> str:
        """Publish the page in place of the one before, at once; return its address.

        Raises:
            LakeError: What is there cannot be written.
            PublishConflictError: Somebody else was doing so at the same moment.
        """
        file = scratch / "page.html"
        file.write_text(html, encoding="utf-8")
        current = storage.stat(self.path)
        # Who opens it again in a browser must not see yesterday's.
        facts = {"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-cache"}
        storage.put(self.path, file, replaces=current.etag if current else None, facts=facts)
        return storage.uri(self.path)

    def day(self, storage: Storage) -> str:
        """Return the newest day that the stored page is about, ISO; nothing if there is none.

        Raises:
            LakeError: The lake cannot be read.
        """
        with scratch_folder() as scratch:
            stored = storage.fetch([self.path], scratch).get(self.path)
            said = _DAY.search(stored.read_text(encoding="utf-8")) if stored else None
        return said[1] if said else ""


QUALITY = Page("dashboards/quality", "quality/index.html")
DAILY = Page("dashboards/daily", "latest/index.html")
PAGES = (QUALITY, DAILY)


def page_of(day: date) -> Page:
    """Return the daily page as it is kept for a day."""
    return Page(DAILY.asset, f"date={day.isoformat()}/index.html")
