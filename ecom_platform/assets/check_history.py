"""What the checks have said, as the page on the data's quality shows it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo

import dagster as dg

from ecom_platform.check_results import CheckResult, Verdict
from ecom_platform.dashboard.quality_report import CheckHistory, Standing
from ecom_platform.quality.checks import REGIONS

#: Check -> day -> its newest result; those of no day are left out.
Results = Mapping[dg.AssetCheckKey, Mapping[str, CheckResult]]


def by_check(results: Iterable[CheckResult]) -> Results:
    """Return check -> day -> result, of those that are of a day."""
    found: dict[dg.AssetCheckKey, dict[str, CheckResult]] = {}
    for result in results:
        if result.day:
            found.setdefault(result.check, {})[result.day] = result
    return found


def history(spec: dg.AssetCheckSpec, results: Mapping[str, CheckResult]) -> CheckHistory:
    """Return what a check said of each day."""
    return CheckHistory(
        spec.asset_key.to_user_string(),
        spec.name,
        spec.description or "",
        str(spec.metadata.get("runbook", "")),
        {day: result.verdict for day, result in results.items()},
        {d: facts_of(r) for d, r in results.items() if r.verdict is not Verdict.PASSED},
    )


def facts_of(result: CheckResult) -> dict[str, object]:
    """Return what a check saw."""
    metadata = result.evaluation.metadata
    return {name: value.value for name, value in metadata.items() if name != REGIONS}


def standing(
    specs: Sequence[dg.AssetCheckSpec], results: Iterable[CheckResult], zone: tzinfo
) -> Iterator[Standing]:
    """Yield the results that are of no day."""
    known = {spec.key: spec for spec in specs}
    found = [result for result in results if not result.day]
    for result in sorted(found, key=lambda one: (one.check.name, one.check.asset_key)):
        spec = known[result.check]
        yield Standing(
            spec.asset_key.to_user_string(),
            spec.name,
            spec.description or "",
            str(spec.metadata.get("runbook", "")),
            result.verdict,
            result.at.astimezone(zone),
            facts_of(result),
        )
