"""The settings of who is told what, and how; `settings.py` reads them, with all others."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode


class AlertSettings(BaseSettings):
    """Channels, routes, quiet hours, the morning message, the monitor outside."""

    alert_slack_webhook: SecretStr | None = Field(
        default=None, description="A Slack incoming webhook that alerts are sent to."
    )
    alert_email_smtp: SecretStr | None = Field(
        default=None,
        description="The mail server that alerts are sent through: "
        "`smtp://user:password@host:587` (with STARTTLS) or `smtps://user:password@host:465`.",
    )
    alert_email_from: str | None = Field(
        default=None, description="The address that alerts are sent from."
    )
    alert_email_to: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="The addresses, comma-separated, that alerts are sent to."
    )
    alert_sns_topic: str | None = Field(
        default=None, description="The ARN of an Amazon SNS topic that alerts are sent to."
    )
    morning_message: Annotated[tuple[Literal["slack", "email", "sns"], ...], NoDecode] = Field(
        default=(),
        description="The channels, comma-separated, of `slack`, `email` and `sns`, that get the "
        "figures of the newest day once the morning's page is made. The same addresses as alerts.",
    )
    alert_routes: str | None = Field(
        default=None,
        description="A TOML file that says which alerts go to which channels. Unset: all to all.",
    )
    alert_quiet_hours: str | None = Field(
        default=None,
        pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$",
        description="A time of day, such as `22:00-07:00` in `ECOM_TIMEZONE`, in which people "
        "are told of new errors only; of all else that is still so, after it.",
    )
    alert_remind_hours: int = Field(
        default=24,
        ge=1,
        description="Hours after which people are told again of what is open and nobody has "
        "acknowledged.",
    )
    heartbeat: SecretStr | None = Field(
        default=None,
        description="Where a sign of life is sent every minute, for a monitor outside to miss: "
        "`cloudwatch:NAMESPACE`, or an address to visit.",
    )
    dagster_url: str | None = Field(
        default=None,
        description="Where people open the Dagster UI, for the links in alerts: "
        "`https://dagster.example.com`.",
    )

    @field_validator("alert_email_to", "morning_message", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(word.strip() for word in value.split(",") if word.strip())
        return value

    @field_validator("alert_email_from", "alert_email_to")
    @classmethod
    def _are_addresses(cls, value: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        for address in (value,) if isinstance(value, str) else value or ():
            # Anything else could end the line that it is written in.
            if not re.fullmatch(r"[^\s@,<>]+@[^\s@,<>]+", address):
                raise ValueError("not plain e-mail addresses, separated by commas")
        return value

    @field_validator("heartbeat")
    @classmethod
    def _is_a_monitor(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not re.match("cloudwatch:.|https?://.", value.get_secret_value()):
            raise ValueError("neither cloudwatch:NAMESPACE nor an address to visit")
        return value
