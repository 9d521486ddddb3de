"""The files of thresholds and of expected events: what they may say, and what is refused."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from typing import TYPE_CHECKING

import pytest

from ecom_platform.errors import SettingsError
from ecom_platform.quality.events import load_events
from ecom_platform.quality.thresholds import DEFAULTS, Thresholds, load_thresholds

if TYPE_CHECKING:
    from pathlib import Path

REVENUE, ORDERS = "metrics/total_revenue", "metrics/total_orders"


def load(folder: Path, text: str) -> Thresholds:
    file = folder / "thresholds.toml"
    file.write_text(text)
    return load_thresholds(file, [REVENUE, ORDERS])


def test_without_a_file_the_defaults_hold_for_every_asset() -> None:
    anomalies = load_thresholds(None, [REVENUE]).anomalies
    assert anomalies.of(REVENUE, "north") == anomalies.of("metrics/new") == anomalies.default
    assert (anomalies.default.warn_z, anomalies.default.warn_change) == (3.5, 0.25)
    assert (anomalies.default.error_z, anomalies.default.error_change) == (5, 0.5)


def test_the_most_exact_threshold_counts(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        """
        [anomalies]
        warn_z = 4
        [anomalies."metrics/total_revenue"]
        warn_change = 0.3
        enabled = false
        [anomalies."metrics/total_revenue".regions.north]
        warn_change = 0.4
        [drift]
        weeks = 10
        """,
    )
    of = found.anomalies.of
    assert [of(*at).warn_z for at in ((ORDERS,), (REVENUE,), (REVENUE, "north"))] == [4, 4, 4]
    assert (of(ORDERS).warn_change, of(ORDERS, "north").warn_change) == (0.25, 0.25)
    assert (of(REVENUE).warn_change, of(REVENUE, "south").warn_change) == (0.3, 0.3)
    assert of(REVENUE, "north").warn_change == 0.4
    assert [of(ORDERS).enabled, of(REVENUE).enabled, of(REVENUE, "north").enabled] == [1, 0, 0]
    assert found.drift.of(ORDERS).weeks == 10


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ("[anomalies]\nwarn_zz = 4", "anomalies.warn_zz", "unknown key. Allowed: enabled, error_"),
        ("[anomalies]\nwarn_z = 'high'", "anomalies.warn_z", "input should be a valid number, not"),
        ("[anomalies]\nweeks = 8.5", "anomalies.weeks", "input should be a valid integer"),
        ("[anomalies]\nwarn_z = -1", "anomalies.warn_z", "greater than 0, not -1"),
        ("[anomalies]\nwarn_z = nan", "anomalies.warn_z", "finite number"),
        ("[anomalies]\nenabled = 1", "anomalies.enabled", "valid boolean"),
        ("[anomalies]\nmin_weeks = 9", "anomalies", "min_weeks is more than weeks"),
        ("[anomalies]\nwarn_change = 0.6", "anomalies", "warn_change is more than error_change"),
        ("[anomalys]\nwarn_z = 4", "[anomalys]", "unknown section. Allowed: anomalies, "),
        ("anomalies = 4", "anomalies", "must be a table, written [anomalies]"),
        (
            '[anomalies."metrics/revenue"]\nwarn_z = 4',
            'anomalies."metrics/revenue"',
            'unknown asset. Allowed: "metrics/total_orders", "metrics/total_revenue"',
        ),
        (
            '[anomalies."metrics/total_orders".region.north]\nwarn_z = 4',
            'anomalies."metrics/total_orders"."region"',
            "unknown table. Allowed: regions",
        ),
        (
            '[anomalies."metrics/total_orders".regions.north]\nweeks = 4',
            'anomalies."metrics/total_orders".regions.north.weeks',
            "unknown key. Allowed: error_change, error_z, min_spread, warn_change, warn_z",
        ),
        (
            '[anomalies."metrics/total_orders".regions]\nnorth = 4',
            'anomalies."metrics/total_orders".regions.north',
            "must be a table",
        ),
    ],
)
def test_what_is_wrong_is_refused_by_file_and_key_with_what_is_allowed(
    tmp_path: Path, text: str, key: str, message: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, text)
    where, _, said = refused.value.message.partition("thresholds.toml: ")
    assert where == f"{tmp_path}/"
    assert said.startswith(f"{key}: ")
    assert message in said


def test_a_file_that_is_missing_or_no_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"ECOM_THRESHOLDS=.*absent.toml cannot be read: No"):
        load_thresholds(tmp_path / "absent.toml", [])
    with pytest.raises(SettingsError, match=r"ECOM_THRESHOLDS=.*is not TOML: .*line 2"):
        load(tmp_path, "[anomalies]\nwarn_z == 4")


def test_every_default_has_a_comment() -> None:
    text = DEFAULTS.read_text(encoding="utf-8")
    keys = [key for section in tomllib.loads(text).values() for key in section]
    commented = re.findall(
        r"(?:^# .*\n)+(?:^\w+ = .*\n)*?^(\w+) = .*\n(?:^(\w+) = .*\n)*", text, re.MULTILINE
    )
    assert {name for found in commented for name in found if name} == set(keys)


# --------------------------------------------------------------------------- events


def test_events_are_days_or_ranges_for_the_shop_or_a_region(tmp_path: Path) -> None:
    file = tmp_path / "events.toml"
    file.write_text(
        """
        [[events]]
        date = 2026-11-27
        expect = "higher"
        note = "Black Friday"
        [[events]]
        from = 2026-12-24
        to = 2026-12-26
        region = "DACH"
        expect = "lower"
        """
    )
    friday, closed = load_events(file)
    assert friday.covers(date(2026, 11, 27), "DACH")
    assert not friday.covers(date(2026, 11, 28), "DACH")
    assert [friday.explains(higher=True), friday.explains(higher=False)] == [True, False]
    assert closed.covers(date(2026, 12, 26), "DACH")
    assert closed.covers(date(2026, 12, 26), "all")
    assert not closed.covers(date(2026, 12, 26), "Nordics")
    assert not closed.covers(date(2026, 12, 27), "all")
    assert load_events(None) == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("date = 2026-11-27", "event 1, expect: field required"),
        (
            "date = 2026-11-27\nexpect = 'more'",
            "event 1, expect: input should be 'higher', 'lower'",
        ),
        ("date = 'soon'\nexpect = 'lower'", "event 1, date: input should be a valid date, not 'so"),
        ("expect = 'lower'", "event 1: Needs either date, or from and to"),
        ("from = 2026-01-02\nexpect = 'lower'", "event 1: Needs either date, or from and to"),
        (
            "from = 2026-01-02\nto = 2026-01-01\nexpect = 'lower'",
            "event 1: Ends on 2026-01-01, before it begins on 2026-01-02",
        ),
        (
            "day = 2026-01-02\nexpect = 'lower'",
            "event 1, day: unknown key. Allowed: date, from, to, expect, region, note",
        ),
    ],
)
def test_an_event_that_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "events.toml"
    file.write_text(f"[[events]]\n{text}")
    with pytest.raises(SettingsError) as refused:
        load_events(file)
    assert f"{file}: {message}".lower() in refused.value.message.lower()


def test_another_table_than_events_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "events.toml"
    file.write_text("[[event]]\ndate = 2026-11-27")
    with pytest.raises(SettingsError, match=r"event: unknown key. Allowed: \[\[events\]\]"):
        load_events(file)
