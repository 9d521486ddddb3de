"""Whether everything goes on as it should: all that `ecom status` prints.

What the numbers say is the checks' to judge; here is what they said, and whether all is made.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ecom_platform.check_results import Verdict, count, read_results, recent_days
from ecom_platform.findings import NOTE, OK, WRONG, Finding
from ecom_platform.freshness import PAGE_DUE_AFTER, newest_due
from ecom_platform.health.dagster import examine_automation, examine_runs
from ecom_platform.health.days import examine_days
from ecom_platform.incidents.model import Severity
from ecom_platform.incidents.store import IncidentStore
from ecom_platform.lake.pages import PAGES
from ecom_platform.lake.storage import open_storage
from ecom_platform.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import datetime

    import dagster as dg

    from ecom_platform.datasets import Dataset
    from ecom_platform.settings import Settings

#: Checks and incidents that a finding names.
SHOWN = 5


def examine_health(
    settings: Settings,
    datasets: Sequence[Dataset],
    checks: Collection[dg.AssetCheckKey],
    instance: dg.DagsterInstance,
    now: datetime,
) -> Iterator[Finding]:
    """Look at everything, and yield what is found.

    Args:
        settings: Of the environment.
        datasets: What every day is to have in the lake.
        checks: All that are declared.
        instance: Dagster's.
        now: The moment, aware.

    Raises:
        LakeError: The lake cannot be read.
    """
    yield from examine_days(settings, datasets, instance, now)
    yield from _pages(settings, now)
    yield from _checks(settings, checks, instance, now)
    yield from examine_incidents(settings, now)
    yield from examine_runs(instance, now)
    yield from examine_automation(instance, now)


def _pages(settings: Settings, now: datetime) -> Iterator[Finding]:
    storage, due = open_storage(settings.pages), newest_due(settings, now, PAGE_DUE_AFTER)
    for page in PAGES:
        day = page.day(storage)
        if day:
            late = settings.start_date <= due and day < str(due)
            advice = "Materialize it, and see why the schedule `morning` did not." if late else ""
            yield Finding(WRONG if late else OK, "pages", f"{page.asset} is of {day}", advice)
        else:
            yield Finding(
                NOTE,
                "pages",
                f"{page.asset} was never made",
                "Turn on the schedule `morning` in Dagster, under Automation.",
            )


def _checks(
    settings: Settings,
    checks: Collection[dg.AssetCheckKey],
    instance: dg.DagsterInstance,
    now: datetime,
) -> Iterator[Finding]:
    days = recent_days(settings, now)
    results = read_results(instance, checks, days)
    found = count(results)
    if not found.total:
        return
    verdict, said = found.verdict, found.sentence
    no = Counter(one.name for one in results if one.verdict is verdict is not Verdict.PASSED)
    named = [f"{name} ({times}x)" if times > 1 else name for name, times in no.most_common(SHOWN)]
    more = f" and {len(no) - SHOWN} more" if len(no) > SHOWN else ""
    of = f", {days[0]} to {days[-1]}" if days else ""
    yield Finding(
        {Verdict.FAILED: WRONG, Verdict.WARNED: NOTE, Verdict.PASSED: OK}[verdict],
        "checks",
        f"{said}{of}" + (f": {', '.join(named)}{more}" if named else ""),
        "See what each saw on the quality page, which is made anew by: ecom pages" if no else "",
    )


def examine_incidents(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Look at what is open, and yield what is found.

    Raises:
        LakeError: The lake cannot be read.
    """
    with scratch_folder() as scratch:
        state = IncidentStore(open_storage(settings.lake), scratch).read()
    found = state.causes(now)
    if not found:
        yield Finding(OK, "incidents", "none is open")
        return
    errors = [one for one in found if one.severity is Severity.ERROR and not one.acknowledged]
    # What nobody looks after comes first.
    shown = sorted(found, key=lambda one: one not in errors)[:SHOWN]
    listed = "; ".join(f"{one.id}: {one.asset} {one.check}" for one in shown)
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    yield Finding(
        WRONG if errors else NOTE,
        "incidents",
        f"{len(found)} open, {len(errors)} of them errors that nobody looks after: {listed}{more}",
        "Run: ecom incidents list",
    )
