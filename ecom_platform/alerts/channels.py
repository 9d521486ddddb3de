"""Where alerts go: an SNS topic, a Slack channel. What is worth one is not decided here."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ecom_platform.errors import AlertError

if TYPE_CHECKING:
    from ecom_platform.settings import Settings

TIMEOUT_SECONDS = 10
#: SNS refuses longer subjects, and any that are not ASCII.
SNS_SUBJECT = 100


@dataclass(frozen=True)
class Message:
    """One alert: a subject of a few words, and the text with what, where and since when."""

    subject: str
    text: str


class Channel(Protocol):
    """A way to reach people."""

    name: str

    def send(self, message: Message) -> None:
        """Deliver a message.

        Raises:
            AlertError: It was not delivered.
        """
        ...

    def check(self) -> None:
        """Prove, without sending anything, that messages would be accepted.

        Raises:
            AlertError: They would not.
        """
        ...


def open_channels(settings: Settings) -> list[Channel]:
    """Return the channels that are set, none or several."""
    channels: list[Channel] = []
    if settings.alert_sns_topic:
        channels.append(SnsChannel(settings.alert_sns_topic))
    if settings.alert_slack_webhook:
        channels.append(SlackChannel(settings.alert_slack_webhook.get_secret_value()))
    return channels


class SnsChannel:
    """An Amazon SNS topic, reached with the standard `AWS_*` variables."""

    name = "SNS"

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def send(self, message: Message) -> None:
        subject = message.subject.encode("ascii", "replace").decode()[:SNS_SUBJECT]
        self._call("publish", TopicArn=self._topic, Subject=subject, Message=message.text)

    def check(self) -> None:
        self._call("get_topic_attributes", TopicArn=self._topic)

    def _call(self, action: str, **arguments: str) -> None:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError

        config = Config(
            connect_timeout=TIMEOUT_SECONDS,
            read_timeout=TIMEOUT_SECONDS,
            retries={"mode": "standard", "total_max_attempts": 3},
        )
        try:
            region = self._topic.split(":")[3]
            client = boto3.client("sns", region_name=region, config=config)
            getattr(client, action)(**arguments)
        except (BotoCoreError, ClientError, IndexError, ValueError) as error:
            raise AlertError(
                f"The SNS topic {self._topic} does not take alerts: {error}",
                hint="Check ECOM_ALERT_SNS_TOPIC (an ARN) and the permission sns:Publish.",
            ) from None


class SlackChannel:
    """A Slack incoming webhook."""

    name = "Slack"

    def __init__(self, webhook: str) -> None:
        self._webhook = webhook

    def send(self, message: Message) -> None:
        status = self._post({"text": f"*{message.subject}*\n{message.text}"})
        if status != 200:  # noqa: PLR2004 - HTTP OK
            raise self._error(f"it answers {status}")

    def check(self) -> None:
        # A message without a text is refused with 400 by a webhook that lives, and not sent.
        status = self._post({})
        if status not in (200, 400):
            raise self._error(f"it answers {status}")

    def _post(self, body: dict[str, str]) -> int:
        try:
            request = urllib.request.Request(  # noqa: S310 - the address is the operator's
                self._webhook,
                json.dumps(body).encode(),
                {"Content-Type": "application/json"},
            )
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
                return response.status
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except (OSError, ValueError) as error:
            raise self._error(str(getattr(error, "reason", "the address is none"))) from None

    def _error(self, why: str) -> AlertError:
        # The address is a secret: whoever has it can post.
        return AlertError(
            f"The Slack webhook does not take alerts: {why}.",
            hint="Check ECOM_ALERT_SLACK_WEBHOOK and the network.",
        )
