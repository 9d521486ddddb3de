"""The files of environments: what is refused, and whether the message helps."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from deploy.cdk.config import FOLDER, ConfigError, load_config
from deploy.cdk.options import Config

if TYPE_CHECKING:
    from collections.abc import Callable

STAGING = (FOLDER / "staging.toml").read_text(encoding="utf-8")


@pytest.fixture
def refusal(tmp_path: Path) -> Callable[[str, str], str]:
    """Return what is said of staging's file with one text replaced by another."""

    def refuse(old: str, new: str) -> str:
        assert old in STAGING
        (tmp_path / "wrong.toml").write_text(STAGING.replace(old, new, 1), encoding="utf-8")
        with pytest.raises(ConfigError) as error:
            load_config("wrong", tmp_path)
        assert str(tmp_path / "wrong.toml") in str(error.value)
        return str(error.value)

    return refuse


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("log_days = 30", "log_days = 31", "log_days: Input should be 1, 3, 5, 7, 14, 30,"),
        ("log_days = 30", "", "log_days: this key is missing"),
        ("log_days = 30", "log_days = 30\nlog_day = 30", "log_day: there is no such key"),
        ("multi_az = false", "multi = false", "database.multi: there is no such key"),
        ("nat_gateways = 1", "nat_gateways = 0", "network.nat_gateways: Input should be greater"),
        ("10.20.0.0/16", "10.20.0.1/16", "network.cidr: Input is not a valid IPv4 network"),
        ("Database of", "The shop's", "network.egress.0.reason: String should match"),
        (
            "run = { cpu = 1024, memory = 4096 }",
            "run = { cpu = 1024, memory = 1024 }",
            "tasks.run: memory: with cpu 1024 Fargate offers [2048, 3072,",
        ),
        (
            "run = { cpu = 1024, memory = 4096 }",
            "run = { cpu = 1000, memory = 4096 }",
            "tasks.run: cpu: Fargate offers 256, 512, 1024,",
        ),
        ("example-numbers-staging", "my-aws", "login.domain_prefix: AWS allows no aws"),
        (
            'numbers.staging.example.com"\ncertificate_arn = "arn:aws:acm:us-east-1',
            'numbers.staging.example.com"\ncertificate_arn = "arn:aws:acm:eu-west-1',
            "pages.certificate_arn: String should match pattern '^arn:aws:acm:us-east-1:'",
        ),
        (
            'ECOM_TIMEZONE = "Europe/Berlin"',
            'ECOM_TIMEZONE = "Berlin"',
            "settings.ECOM_TIMEZONE: not an IANA timezone name such as Europe/Berlin",
        ),
        (
            'ECOM_TIMEZONE = "Europe/Berlin"',
            'ECOM_COLUMNS = "[]"',
            "settings.ECOM_COLUMNS: ",
        ),
        ("ECOM_TIMEZONE", "ECOM_TIMEZON", "settings.ECOM_TIMEZON: there is no such setting"),
        ("ECOM_TIMEZONE", "TIMEZONE", "settings.TIMEZONE: there is no such setting"),
        ("ECOM_TIMEZONE", "ECOM_LAKE", "settings.ECOM_LAKE: the stack sets it itself"),
        (
            "ECOM_TIMEZONE",
            "ECOM_ALERT_SLACK_WEBHOOK",
            "settings.ECOM_ALERT_SLACK_WEBHOOK: belongs in [secrets]",
        ),
        (
            "[settings]",
            '[secrets]\nECOM_LOOKBACK_DAYS = "x"\n[settings]',
            "secrets.ECOM_LOOKBACK_DAYS: belongs in [settings]",
        ),
        ("region =", "region", "is not TOML"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_key(
    refusal: Callable[[str, str], str], old: str, new: str, message: str
) -> None:
    assert message in refusal(old, new)


def test_a_value_is_not_repeated_where_it_may_be_a_secret(
    refusal: Callable[[str, str], str],
) -> None:
    said = refusal("ECOM_TIMEZONE", 'ECOM_SOURCE = "postgresql://u:hunter2@h/d"\nECOM_TIMEZONE')
    assert "hunter2" not in said


def test_an_environment_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(ConfigError, match="There are production, staging"):
        load_config("nowhere")


@pytest.mark.parametrize("name", ["Production", "pre-production", "../staging", "a" * 21, ""])
def test_an_environment_whose_name_no_bucket_may_have_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be the name of an environment"):
        load_config(name)


def test_the_developers_own_settings_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOM_TIMEZONE", "Mars")
    assert load_config("staging").settings["ECOM_TIMEZONE"] == "Europe/Berlin"


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_the_example_files_are_examples(environment: str) -> None:
    text = (FOLDER / f"{environment}.toml").read_text(encoding="utf-8")
    accounts = set(re.findall(r"\b\d{12}\b", text))
    assert {number for number in accounts if int(number) > 9} <= {"1" * 12, "2" * 12}
    assert set(re.findall(r"@([\w.]+)", text)) == {"example.invalid"}
    load_config(environment)


def test_every_key_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/aws-stack.md").read_text(encoding="utf-8")
    for table, field in Config.model_fields.items():
        assert field.description
        inner = getattr(field.annotation, "model_fields", {})
        for key, option in inner.items():
            assert option.description
            assert re.search(rf"^\| `{table}\.{key}[`.]", page, re.MULTILINE)
        if not inner:
            assert f"`{table}`" in page


@pytest.mark.parametrize(
    ("context", "message"),
    [({}, "-c environment=staging"), ({"environment": "staging"}, "-c image_tag=TAG")],
)
def test_what_the_command_lacks_is_named(context: dict[str, str], message: str) -> None:
    from aws_cdk import App

    from deploy.cdk.app import build

    with pytest.raises(ConfigError, match=message):
        build(App(context=context))
