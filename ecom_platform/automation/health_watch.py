"""The sensor that makes incidents of what does not go on: missing days, stuck runs, sensors."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from ecom_platform.assets.freshness import evaluation
from ecom_platform.automation.dead_runs import end_dead_runs
from ecom_platform.automation.incidents import report
from ecom_platform.automation.run_answers import FINISHED, PUBLISHED
from ecom_platform.datasets import Dataset
from ecom_platform.findings import WRONG, summary
from ecom_platform.freshness import freshness_of
from ecom_platform.health.examine import examine_health, examine_incidents
from ecom_platform.incidents.model import NO_DAY, About, Observation
from ecom_platform.incidents.store import IncidentStore
from ecom_platform.lake.pages import PAGES
from ecom_platform.lake.storage import open_storage
from ecom_platform.scratch import scratch_folder
from ecom_platform.settings import Settings

HEALTH = "health"
#: What it tells of. Days that failed have incidents of their own.
WATCHED = ("days", "pages", "runs", "automation")


def build_health_sensor(settings: Settings, datasets: Sequence[Dataset]) -> dg.SensorDefinition:
    """Build the sensor; it is on from the start.

    Args:
        settings: Of the environment.
        datasets: What every day is to have in the lake.
    """
    watched = [dataset for dataset in datasets if dataset.layer in ("cleaned", "metrics")]

    @dg.sensor(
        name=HEALTH,
        description="Looks, as `ecom status` does, whether everything goes on.",
        minimum_interval_seconds=600,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def health(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        now, repository = datetime.now(UTC), context.repository_def
        assert repository is not None  # noqa: S101 - the daemon always gives one
        end_dead_runs(context.instance)
        checks = repository.asset_graph.asset_check_keys
        findings = [
            found
            for found in examine_health(settings, datasets, checks, context.instance, now)
            if found.what != "incidents"  # which this tick may end or open
        ]
        reasons: dict[str, list[str]] = {what: [] for what in WATCHED}
        for found in findings:
            if found.mark == WRONG and found.what in WATCHED:
                reasons[found.what].append(f"{found.fact}\n{found.advice}")
        if reasons["days"] and _is_told(settings):
            reasons["days"] = []
        report(settings, [_answer(what, told, now) for what, told in reasons.items()])
        told = json.loads(context.cursor or "{}")
        fresh = list(freshness_of(settings, watched, PAGES, now))
        answers = {found.asset: [str(found.due), found.is_there] for found in fresh}
        return dg.SensorResult(
            skip_reason=summary([*findings, *examine_incidents(settings, now)]),
            cursor=json.dumps(answers),
            asset_events=[
                dg.AssetCheckEvaluation(**evaluation(found))
                for found in fresh
                if told.get(found.asset) != answers[found.asset]
            ],
        )

    return health


def _is_told(settings: Settings) -> bool:
    """Say whether an incident already tells why days are missing."""
    with scratch_folder() as scratch:
        found = IncidentStore(open_storage(settings.lake), scratch).read().incidents
    return any(incident.check in (PUBLISHED, FINISHED) for incident in found)


def _answer(what: str, reasons: Sequence[str], now: datetime) -> Observation:
    return Observation(
        f"{what.replace(' ', '_')}_are_well",
        "platform",
        NO_DAY,
        passed=not reasons,
        at=now,
        reason="\n".join(reasons),
        about=About(f"Is all well with {what}?"),
    )
