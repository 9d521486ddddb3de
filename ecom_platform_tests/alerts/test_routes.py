"""Which alert goes where, and what is said of a file that does not say it well."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecom_platform.alerts.routes import load_routes
from ecom_platform.errors import SettingsError
from ecom_platform.settings import Settings

ALL = ["slack", "email", "sns"]
RULES = """
[[route]]
owner = "team:finance"
severity = "error"
channels = ["email", "sns"]

[[route]]
severity = "warn"
channels = []

[[route]]
channels = ["slack"]
"""


def routes(text: str, available: list[str]) -> dict[tuple[str, str], list[str]]:
    Path("routes.toml").write_text(text)
    found = load_routes(Settings(alert_routes="routes.toml"), available)
    return {
        (owner, severity): found.channels(owner, severity, available)
        for owner in ("team:finance", "team:data")
        for severity in ("error", "warn")
    }


def test_an_alert_takes_the_first_route_that_fits() -> None:
    assert routes(RULES, ALL) == {
        ("team:finance", "error"): ["email", "sns"],
        ("team:finance", "warn"): [],
        ("team:data", "error"): ["slack"],
        ("team:data", "warn"): [],
    }


def test_an_alert_that_no_route_fits_goes_everywhere() -> None:
    first = RULES.partition("[[route]]\nseverity")[0]
    assert routes(first, ALL)["team:data", "warn"] == ALL
    assert load_routes(Settings(), ALL).channels("team:data", "warn", ALL) == ALL


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[route]]\nchanels = []", "route 1, channels: Field required"),
        ("[[route]]\nchannels = []\n[[route]]\nchannels = ['fax']", "route 2, channels 1: Input"),
        ("[[route]]\nchannels = []\nseverity = 'bad'", "route 1, severity: Input should be 'warn'"),
        ("[[rules]]\nchannels = []", "rules: Extra inputs are not permitted"),
        ("[[route]\n", "at line 1"),
        ("[[route]]\nchannels = ['sns']", "route 1, channels: sns is not set"),
    ],
)
def test_a_wrong_file_names_rule_and_key(text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        routes(text, ["slack"])
    assert "ECOM_ALERT_ROUTES: routes.toml" in str(caught.value)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(SettingsError, match=r"no\.toml cannot be read: No such file"):
        load_routes(Settings(alert_routes="no.toml"), ALL)
