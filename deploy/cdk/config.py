"""Reads the TOML file of an environment, and checks it before anything is made."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from deploy.cdk.options import Config
from ecom_platform.errors import EcomError, SettingsError
from ecom_platform.settings import Settings, load_settings

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

FOLDER = Path(__file__).parent / "environments"

ENVIRONMENT = re.compile("[a-z][a-z0-9]{0,19}")

#: Set by the stack itself, or kept in Secrets Manager by it.
OWN_SETTINGS = {
    "source", "lake", "dashboards", "email_hmac_key", "alert_sns_topic", "heartbeat", "dagster_url",
}  # fmt: skip
SECRET_SETTINGS = {"alert_slack_webhook", "alert_email_smtp"}


class ConfigError(EcomError):
    """The file of an environment is wrong."""


def load_config(environment: str, folder: Path = FOLDER) -> Config:
    """Read and check the file of an environment.

    Raises:
        ConfigError: There is none, or it is wrong; the message names file, key and what is wrong.
    """
    file = folder / f"{environment}.toml"
    if not ENVIRONMENT.fullmatch(environment):
        raise ConfigError(
            f"{environment!r} cannot be the name of an environment.",
            hint="It is part of the names of buckets: up to 20 small letters and digits.",
        )
    known = ", ".join(sorted(path.stem for path in folder.glob("*.toml")))
    if not file.is_file():
        raise ConfigError(
            f"There is no environment {environment!r}: {file} does not exist.",
            hint=f"There are {known}. Choose one with -c environment=NAME.",
        )
    try:
        config = Config.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not TOML: {error}", hint="Mend the line named.") from None
    except ValidationError as error:
        raise _wrong(file, [_problem(item) for item in error.errors()]) from None
    problems = [
        *_setting_problems(config.settings, "settings", SECRET_SETTINGS),
        *_setting_problems(config.secrets, "secrets", set(Settings.model_fields) - SECRET_SETTINGS),
        *_value_problems(config.settings),
    ]
    if problems:
        raise _wrong(file, problems)
    return config


def _wrong(file: Path, problems: list[str]) -> ConfigError:
    return ConfigError(
        "\n".join(f"{file}: {problem}" for problem in problems),
        hint="The keys and their values are in docs/reference/aws-stack.md.",
    )


def _problem(error: ErrorDetails) -> str:
    key = ".".join(str(part) for part in error["loc"])
    message = {"extra_forbidden": "there is no such key", "missing": "this key is missing"}
    return f"{key}: {message.get(error['type'], error['msg'].removeprefix('Value error, '))}"


def _setting_problems(given: dict[str, str], table: str, elsewhere: set[str]) -> list[str]:
    problems: list[str] = []
    for name in given:
        field = name.removeprefix("ECOM_").lower()
        if name != f"ECOM_{field.upper()}" or field not in Settings.model_fields:
            problems.append(f"{table}.{name}: there is no such setting")
        elif field in OWN_SETTINGS:
            problems.append(f"{table}.{name}: the stack sets it itself; leave it out")
        elif field in elsewhere:
            other = "secrets" if table == "settings" else "settings"
            problems.append(f"{table}.{name}: belongs in [{other}]")
    return problems


def _value_problems(given: dict[str, str]) -> list[str]:
    """Check the values as the platform itself will."""
    kept = dict(os.environ)
    os.environ.clear()
    os.environ.update(given)
    try:
        load_settings()
    except SettingsError as error:
        return [f"settings.{line}" for line in error.message.splitlines()]
    finally:
        os.environ.clear()
        os.environ.update(kept)
    return []
