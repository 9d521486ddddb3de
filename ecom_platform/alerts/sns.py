"""Alerts to an Amazon SNS topic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ecom_platform.alerts.channels import TIMEOUT_SECONDS
from ecom_platform.errors import AlertError

if TYPE_CHECKING:
    from ecom_platform.alerts.channels import Message

#: SNS refuses longer subjects, and any that are not ASCII.
SUBJECT = 100


class SnsChannel:
    """A topic, reached with the standard `AWS_*` variables.

    Args:
        topic: Its ARN. One that ends in `.fifo` drops a message that is sent twice.
    """

    name = "sns"

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def send(self, message: Message) -> None:
        order = {"MessageGroupId": message.group, "MessageDeduplicationId": message.id}
        self._call(
            "publish",
            Subject=message.subject.encode("ascii", "replace").decode()[:SUBJECT],
            Message=message.text,
            # Subscriptions can filter by these.
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value}
                for name, value in (("severity", message.severity), ("alert", message.id))
            },
            **(order if self._topic.endswith(".fifo") else {}),
        )

    def check(self) -> None:
        self._call("get_topic_attributes")

    def _call(self, action: str, **arguments: Any) -> None:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError

        config = Config(
            connect_timeout=TIMEOUT_SECONDS,
            read_timeout=TIMEOUT_SECONDS,
            retries={"mode": "standard", "total_max_attempts": 2},
        )
        try:
            region = self._topic.split(":")[3]
            client = boto3.client("sns", region_name=region, config=config)
            getattr(client, action)(TopicArn=self._topic, **arguments)
        except (BotoCoreError, ClientError, IndexError, ValueError) as error:
            raise AlertError(
                f"The SNS topic {self._topic} does not take alerts: {error}",
                hint="Check ECOM_ALERT_SNS_TOPIC (an ARN) and the permission sns:Publish.",
            ) from None
