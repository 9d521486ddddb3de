"""Which alert goes to which channel: the file of ECOM_ALERT_ROUTES."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ecom_platform.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ecom_platform.settings import Settings


class Route(BaseModel):
    """One rule.

    Args:
        owner: Only alerts of assets with this owner.
        severity: Only alerts that are as bad.
        channels: Where they go; nothing: only to the log.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    owner: str | None = None
    severity: Literal["warn", "error"] | None = None
    channels: list[Literal["slack", "email", "sns"]]


class Routes(BaseModel):
    """All rules; an alert takes the first one that fits it, and without any, every channel."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    route: list[Route] = Field(default=[])

    def channels(self, owner: str, severity: str, available: Sequence[str]) -> list[str]:
        """Return the channels that an alert goes to, of those that are set."""
        for rule in self.route:
            if rule.owner in (None, owner) and rule.severity in (None, severity):
                return [name for name in available if name in rule.channels]
        return list(available)


def load_routes(settings: Settings, available: Sequence[str]) -> Routes:
    """Read the rules; without a file there are none.

    Args:
        settings: Name the file.
        available: The channels that are set.

    Raises:
        SettingsError: The file is missing or wrong, or sends to a channel that is not set; the
            message names the rule and its key.
    """
    if not settings.alert_routes:
        return Routes()
    file = Path(settings.alert_routes).expanduser()
    hint = "See docs/how-to/hear-of-problems.md for an example."
    try:
        routes = Routes.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise SettingsError(
            f"ECOM_ALERT_ROUTES: {file} cannot be read: {why}.", hint=hint
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"ECOM_ALERT_ROUTES: {file}: {error}", hint=hint) from None
    except ValidationError as error:
        problems = [
            f"ECOM_ALERT_ROUTES: {file}: {_place(problem['loc'])}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False)
        ]
        raise SettingsError("\n".join(problems), hint=hint) from None
    for number, rule in enumerate(routes.route, 1):
        for name in rule.channels:
            if name not in available:
                raise SettingsError(
                    f"ECOM_ALERT_ROUTES: {file}: route {number}, channels: {name} is not set.",
                    hint=f"Set the ECOM_ALERT_{name.upper()}_… settings, or take it out.",
                )
    return routes


def _place(location: tuple[int | str, ...]) -> str:
    """Return `route 2, channels 1` for `("route", 1, "channels", 0)`."""
    words: list[str] = []
    for part in location:
        if isinstance(part, int) and words:
            words[-1] += f" {part + 1}"
        else:
            words.append(str(part))
    return ", ".join(words)
