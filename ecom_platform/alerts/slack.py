"""Alerts to a Slack channel, by an incoming webhook."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

from ecom_platform.alerts.channels import TIMEOUT_SECONDS
from ecom_platform.alerts.pictures import sparkline
from ecom_platform.errors import AlertError

if TYPE_CHECKING:
    from ecom_platform.alerts.channels import Message

#: Slack's letters are of different widths: what is aligned elsewhere has one space here.
_ALIGNED = re.compile(r"(?<=:) {2,}")


class SlackChannel:
    """An incoming webhook.

    Args:
        webhook: Its address, which is a secret: whoever has it can post.
    """

    name = "slack"

    def __init__(self, webhook: str) -> None:
        self._webhook = webhook

    def send(self, message: Message) -> None:
        lines = [f"*{_escaped(message.subject)}*", _ALIGNED.sub(" ", _escaped(message.text))]
        if message.series:
            # Webhooks cannot upload a picture.
            lines.insert(1, f"{sparkline(message.series)} {_escaped(message.series.title)}")
        status = self._post({"text": "\n".join(lines)})
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
        return AlertError(
            f"The Slack webhook does not take alerts: {why}.",
            hint="Check ECOM_ALERT_SLACK_WEBHOOK and the network.",
        )


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
