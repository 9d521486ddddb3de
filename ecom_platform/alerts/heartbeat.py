"""Signs of life for a monitor outside: whoever watches for failures may fail too."""

from __future__ import annotations

import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecom_platform.alerts.channels import TIMEOUT_SECONDS
from ecom_platform.errors import AlertError

if TYPE_CHECKING:
    from ecom_platform.settings import Settings

CLOUDWATCH = "cloudwatch:"


@dataclass(frozen=True)
class Vitals:
    """What a monitor is told besides the sign of life.

    Args:
        days_behind: How many days that should be published are not.
        run_failures: How many runs have failed since the last time.
        queued_minutes: How long the run that waits longest has been waiting.
    """

    days_behind: int
    run_failures: int
    queued_minutes: float


def send_heartbeat(settings: Settings, vitals: Vitals) -> None:
    """Send a sign of life to where ECOM_HEARTBEAT says.

    Args:
        settings: Of the environment.
        vitals: For CloudWatch, which draws and alarms; an address that is visited gets nothing.

    Raises:
        AlertError: It did not arrive.
    """
    heartbeat = settings.heartbeat
    target = heartbeat.get_secret_value() if heartbeat else ""
    if target.startswith(CLOUDWATCH):
        _put_metrics(
            target.removeprefix(CLOUDWATCH),
            {
                "Heartbeat": (1, "Count"),
                "DaysBehind": (vitals.days_behind, "Count"),
                "RunFailures": (vitals.run_failures, "Count"),
                # CloudWatch has no unit of minutes.
                "OldestQueuedRunMinutes": (vitals.queued_minutes, "None"),
            },
        )
    else:
        _visit(target)


def _put_metrics(namespace: str, metrics: dict[str, tuple[float, str]]) -> None:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    data = [
        {"MetricName": name, "Value": float(value), "Unit": unit}
        for name, (value, unit) in metrics.items()
    ]
    try:
        boto3.client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=data)
    except (BotoCoreError, ClientError, ValueError) as error:
        raise AlertError(
            f"CloudWatch does not take metrics of {namespace}: {error}",
            hint="Check ECOM_HEARTBEAT, AWS_REGION and the permission cloudwatch:PutMetricData.",
        ) from None


def _visit(url: str) -> None:
    try:
        urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS).close()  # noqa: S310 - the operator's
    except (OSError, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        # The address is a secret: whoever has it can pretend that all is well.
        raise AlertError(
            f"The address of ECOM_HEARTBEAT does not answer: {getattr(error, 'reason', error)}.",
            hint="Check ECOM_HEARTBEAT and the network.",
        ) from None
