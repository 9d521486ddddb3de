"""What a channel is and which ones there are; each has a module of its own.

What is worth an alert is not decided here, nor when it is tried again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ecom_platform.errors import AlertError

if TYPE_CHECKING:
    from logging import Logger

    from ecom_platform.settings import Settings

TIMEOUT_SECONDS = 10
LOG = "log"


@dataclass(frozen=True)
class Series:
    """A number of the last weeks, for a small picture.

    Args:
        title: What it is a picture of.
        values: The oldest first; None where there is none.
        marked: Places of the values that the alert is about.
    """

    title: str
    values: tuple[float | None, ...]
    marked: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Message:
    """One alert, or the figures of the morning.

    Args:
        subject: A few words.
        text: What, where, since when.
        id: Its own, the same when it is sent again; unique among all lakes.
        group: What messages of one incident have in common.
        severity: `info`, `warn` or `error`.
        series: What to show along, where a channel can.
        picture: A PNG to show along instead, where a channel can.
    """

    subject: str
    text: str
    id: str
    group: str
    severity: str = "error"
    series: Series | None = None
    picture: bytes = b""


class Channel(Protocol):
    """A way to reach people."""

    #: As in ECOM_ALERT_ROUTES.
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
    """Return the channels that are set, none or several; the log is none of them.

    Raises:
        AlertError: One is set by halves.
    """
    from ecom_platform.alerts.email import EmailChannel
    from ecom_platform.alerts.slack import SlackChannel
    from ecom_platform.alerts.sns import SnsChannel

    channels: list[Channel] = []
    if settings.alert_slack_webhook:
        channels.append(SlackChannel(settings.alert_slack_webhook.get_secret_value()))
    if settings.alert_email_smtp:
        if not settings.alert_email_from or not settings.alert_email_to:
            raise AlertError(
                "ECOM_ALERT_EMAIL_SMTP is set, and nobody to send to or from.",
                hint="Set ECOM_ALERT_EMAIL_FROM and ECOM_ALERT_EMAIL_TO too.",
            )
        server = settings.alert_email_smtp.get_secret_value()
        channels.append(EmailChannel(server, settings.alert_email_from, settings.alert_email_to))
    if settings.alert_sns_topic:
        channels.append(SnsChannel(settings.alert_sns_topic))
    return channels


class LogChannel:
    """The log of whoever sends: it always takes a message.

    Args:
        log: Where to.
    """

    name = LOG

    def __init__(self, log: Logger) -> None:
        self._log = log

    def send(self, message: Message) -> None:
        self._log.warning("%s\n%s", message.subject, message.text)

    def check(self) -> None:
        pass
