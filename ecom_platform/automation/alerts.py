"""The sensors that tell people of a failed run, and of a number that should not change any more."""

from collections.abc import Sequence
from logging import Logger

import dagster as dg

from ecom_platform.alerts.channels import Channel, Message, open_channels
from ecom_platform.errors import AlertError
from ecom_platform.lake.events import LEDGER, SETTLED_VALUES
from ecom_platform.privacy import redact
from ecom_platform.settings import Settings

ALERTS = "run_failure_alerts"
SETTLED_ALERTS = "settled_day_alerts"
#: What Dagster itself marks a failed run with that it will run again.
WILL_RETRY = "dagster/will_retry"


def build_alert_sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """Build the sensors, on from the start; none where no channel is set."""
    channels = open_channels(settings)
    if not channels:
        return []

    @dg.run_failure_sensor(
        name=ALERTS,
        description=f"Sends failed runs to {', '.join(channel.name for channel in channels)}.",
        default_status=dg.DefaultSensorStatus.RUNNING,
        monitor_all_code_locations=False,
    )
    def run_failure_alerts(context: dg.RunFailureSensorContext) -> None:
        if context.dagster_run.tags.get(WILL_RETRY) == "true":
            return
        send(context.log, channels, describe_failure(context, settings))

    @dg.sensor(
        name=SETTLED_ALERTS,
        description="Says when a published number of a settled day has changed.",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def settled_day_alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        cursor = int(context.cursor) if context.cursor else None
        # By storage id: asset sensors see only the newest event of a tick.
        changes = context.instance.fetch_materializations(
            dg.AssetRecordsFilter(LEDGER, after_storage_id=cursor), limit=1000, ascending=True
        ).records
        settled = [record for record in changes if _facts(record).get(SETTLED_VALUES)]
        if settled:
            send(context.log, channels, describe_settled_changes(settled, settings))
        if changes:
            context.update_cursor(str(changes[-1].storage_id))
        return dg.SkipReason(f"{len(settled)} publications changed settled days.")

    return [run_failure_alerts, settled_day_alerts]


def send(log: Logger, channels: Sequence[Channel], message: Message) -> None:
    """Send to every channel there is.

    Raises:
        AlertError: No channel took it. The tick fails visibly, and is evaluated again.
    """
    failed: list[str] = []
    for channel in channels:
        try:
            channel.send(message)
        except AlertError as error:
            failed.append(str(error))
            log.error(str(error))  # noqa: TRY400 - the message says it all
    if failed and len(failed) == len(channels):
        raise AlertError(failed[0])


def _facts(record: dg.EventLogRecord) -> dict[str, object]:
    materialization = record.asset_materialization
    facts = materialization.metadata if materialization else {}
    return {name: fact.value for name, fact in facts.items()}


def describe_settled_changes(records: Sequence[dg.EventLogRecord], settings: Settings) -> Message:
    """Say which metrics of settled days changed, in which runs."""
    lines = [
        f"{facts['metric']}: {facts[SETTLED_VALUES]} values, run {_link(record.run_id, settings)}"
        for record in records
        for facts in [_facts(record)]
    ]
    advice = "Which, from what to what, and why: ecom restatements"
    return Message("Published numbers of settled days changed", "\n".join([*lines, advice]))


def _link(run_id: str, settings: Settings) -> str:
    return f"{settings.dagster_url}/runs/{run_id}" if settings.dagster_url else run_id


def describe_failure(context: dg.RunFailureSensorContext, settings: Settings) -> Message:
    """Say what failed in a run, in the words of the steps that failed."""
    run = context.dagster_run
    first = run.tags.get("dagster/asset_partition_range_start") or run.tags.get("dagster/partition")
    last = run.tags.get("dagster/asset_partition_range_end") or first
    days = f" for {first}" + (f" to {last}" if last != first else "") if first else ""
    reasons: list[str] = []
    for event in context.get_step_failure_events():
        data = event.step_failure_data
        user = data.user_failure_data
        text = (user.description if user else None) or (
            data.error.to_string() if data.error else ""
        )
        reasons.append(f"{event.step_key}: {redact(text)}")
    if not reasons:
        reasons = [redact(context.failure_event.message or "It failed before its first step.")]
    link = f"Run: {_link(run.run_id, settings)}"
    return Message(f"{run.job_name} failed{days}", "\n\n".join([*reasons, link]))
