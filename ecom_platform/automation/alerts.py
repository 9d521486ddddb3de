"""The sensor that tells people of a failed run: which days, why, and where to look."""

import dagster as dg

from ecom_platform.alerts.channels import Message, open_channels
from ecom_platform.errors import AlertError
from ecom_platform.privacy import redact
from ecom_platform.settings import Settings

ALERTS = "run_failure_alerts"
#: What Dagster itself marks a failed run with that it will run again.
WILL_RETRY = "dagster/will_retry"


def build_alert_sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """Build the sensor, on from the start; none where no channel is set."""
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
        message = describe_failure(context, settings)
        failed: list[str] = []
        for channel in channels:
            try:
                channel.send(message)
            except AlertError as error:
                failed.append(str(error))
                context.log.error(str(error))  # noqa: TRY400 - the message says it all
        if len(failed) == len(channels):
            # The tick fails visibly, and Dagster evaluates it again.
            raise AlertError(failed[0])

    return [run_failure_alerts]


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
    link = f"{settings.dagster_url}/runs/{run.run_id}" if settings.dagster_url else run.run_id
    return Message(f"{run.job_name} failed{days}", "\n\n".join([*reasons, f"Run: {link}"]))
