"""Signs of life for a monitor outside: whoever watches for failures may fail too."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import TYPE_CHECKING

from ecom_platform.alerts.channels import TIMEOUT_SECONDS
from ecom_platform.errors import AlertError

if TYPE_CHECKING:
    from ecom_platform.settings import Settings

CLOUDWATCH = "cloudwatch:"


def send_heartbeat(settings: Settings, days_behind: int) -> None:
    """Send a sign of life to where ECOM_HEARTBEAT says.

    Args:
        settings: Of the environment.
        days_behind: How many days that should be published are not.

    Raises:
        AlertError: It did not arrive.
    """
    heartbeat = settings.heartbeat
    target = heartbeat.get_secret_value() if heartbeat else ""
    if target.startswith(CLOUDWATCH):
        _put_metrics(target.removeprefix(CLOUDWATCH), {"Heartbeat": 1, "DaysBehind": days_behind})
    else:
        _visit(target)


def _put_metrics(namespace: str, metrics: dict[str, int]) -> None:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    data = [{"MetricName": name, "Value": float(value)} for name, value in metrics.items()]
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
