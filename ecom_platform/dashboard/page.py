"""The daily page: what stands around its figures, and how all of it becomes one HTML file.

The figures are collected in `page_data.py`; where everything comes from is in
`assets/dashboard.py`. The file loads nothing: styles, scripts and data are in it, and a policy
lets only these scripts run.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from ecom_platform.check_results import RECENT_DAYS, CheckCount
from ecom_platform.dashboard.coverage import tell_days
from ecom_platform.findings import several

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from jinja2 import Template


SCRIPTS = (
    "format.js", "model.js", "changes.js", "charts.js", "tables.js", "lead.js", "figures.js",
    "download.js", "page.js",
)  # fmt: skip
#: Figures that can be chosen by a key.
KEYS = 9


@dataclass(frozen=True)
class DailyPage:
    """All that is on the page.

    Args:
        report_day: The newest day that it is about.
        made_at: When, in the business timezone.
        timezone: The business timezone.
        run: Id of the run that made it.
        checks: What the checks say: of no day, and of each day since the first of `figures`.
        late: Sentences about what should be there and is not.
        restated: `day` (a number), `region`, `metric`, `label`, `was` (when the day was settled),
            `now`, `cause` and `at` of each value of a settled day that has changed since, the
            newest change first. Money is in cents.
        definitions: Name of a figure -> what it is.
        retention_days: ECOM_RETENTION_DAYS.
        close_after_days: ECOM_CLOSE_AFTER_DAYS.
        figures: What `page_data.collect` gives.
        missing: Days of late of which figures are missing.
    """

    report_day: date
    made_at: datetime
    timezone: str
    run: str
    checks: Sequence[CheckCount]
    late: Sequence[str]
    restated: Sequence[Mapping[str, Any]]
    definitions: Sequence[tuple[str, str]]
    retention_days: int
    close_after_days: int
    figures: Mapping[str, Any]
    missing: Sequence[date] = ()

    #: Beside `latest/` and `date=…/`, where the page itself is.
    quality = "../quality/index.html"

    @property
    def state(self) -> CheckCount:
        """What the checks say of the range that is shown first."""
        return sum((self.checks[0], *self.checks[1:][-RECENT_DAYS:]), CheckCount())

    @property
    def verdict(self) -> str:
        """`passed`, `warned` or `failed`: that of the checks, where no day is missing."""
        return "failed" if self.missing else self.state.verdict

    @property
    def sentence(self) -> str:
        """How the checks stand, and which day is missing, or how many are."""
        if not self.missing:
            return self.state.sentence
        count = len(self.missing)
        days = tell_days(self.missing) if count == 1 else several(count, "day", "days")
        return f"{self.state.sentence}, {days} missing"

    @property
    def missing_days(self) -> str:
        """Which days are missing."""
        return f"Missing: {tell_days(self.missing)}" if self.missing else ""

    @property
    def kpis(self) -> int:
        """How many figures a key chooses."""
        return min(KEYS, 6 + len(self.figures["own"]))

    @property
    def version(self) -> str:
        """Of the platform."""
        return version("ecom-platform")


def render(page: DailyPage) -> str:
    """Return the page: one file."""
    style, scripts = _read("page.css"), [_read(name) for name in SCRIPTS]
    allowed = " ".join(f"'{_digest(script)}'" for script in scripts)
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src {allowed}; "
        "base-uri 'none'; form-action 'none'"
    )
    given = {
        **page.figures,
        "made_at": page.made_at.isoformat(),
        "late": page.late,
        "restated": page.restated,
        "checks": [[one.passed, one.failed, one.warned] for one in page.checks],
        "definitions": page.definitions,
        "retention_days": page.retention_days,
        "close_after_days": page.close_after_days,
    }
    data = json.dumps(given, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    # Style and scripts are our own files, and no tag can begin in the data.
    return _template().render(page=page, policy=policy, style=style, scripts=scripts, data=data)


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _read(name: str) -> str:
    return (files("ecom_platform.dashboard") / name).read_text(encoding="utf-8")


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_read("page.html"))
