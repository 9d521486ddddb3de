"""What people hear of in the night, and what waits for the morning."""

from __future__ import annotations

from datetime import UTC, datetime

from ecom_platform.incidents.model import Observation, Severity, State
from ecom_platform.incidents.observe import observe
from ecom_platform.incidents.policy import Policy
from ecom_platform.settings import Settings

POLICY = Policy.of(Settings(timezone="Europe/Berlin", alert_quiet_hours="22:00-07:00"))


def berlin(day: int, hour: int) -> datetime:
    """Return an hour of March in Berlin, an hour ahead of UTC."""
    return datetime(2026, 3, day, hour - 1, tzinfo=UTC)


def see(state: State, severity: Severity | None, at: datetime, check: str = "volume") -> list[str]:
    """Take in an answer, and return the alerts that it leads to."""
    before = len(state.alerts)
    bad = severity or Severity.WARN
    seen = Observation(check, "raw/orders", "2026-03-01", severity is None, at, severity=bad)
    observe(state, [seen])
    POLICY.raise_alerts(state, {}, at)
    return [f"{alert.id} {alert.kind.value}" for alert in state.alerts[before:]]


def wait(state: State, at: datetime) -> list[str]:
    before = len(state.alerts)
    POLICY.raise_alerts(state, {}, at)
    return [f"{alert.id} {alert.kind.value}" for alert in state.alerts[before:]]


def test_a_warning_of_the_night_waits_for_the_morning() -> None:
    state = State()
    assert see(state, Severity.WARN, berlin(9, 22)) == []
    assert wait(state, berlin(10, 6)) == []
    assert wait(state, berlin(10, 7)) == ["1.1 opened"]


def test_what_comes_and_goes_in_the_night_is_told_to_nobody_and_kept() -> None:
    state = State()
    assert see(state, Severity.WARN, berlin(9, 23)) == []
    assert see(state, None, berlin(10, 1)) == []
    assert [incident.status for incident in state.gone] == ["recovered"]
    assert wait(state, berlin(10, 8)) == []


def test_an_error_breaks_the_silence_and_its_end_does_not() -> None:
    state = State()
    assert see(state, Severity.WARN, berlin(9, 20)) == ["1.1 opened"]
    assert see(state, Severity.ERROR, berlin(9, 23)) == ["1.2 worsened"]
    assert see(state, None, berlin(10, 2)) == []
    assert wait(state, berlin(10, 7)) == ["1.3 recovered"]


def test_no_reminder_comes_at_night() -> None:
    state = State()
    assert see(state, Severity.ERROR, berlin(9, 23)) == ["1.1 opened"]
    assert wait(state, berlin(10, 23)) == []
    assert wait(state, berlin(11, 7)) == ["1.2 reminded"]
    assert wait(state, berlin(11, 8)) == []


def test_what_fails_again_before_its_end_was_told_is_the_same_incident() -> None:
    state = State()
    assert see(state, Severity.ERROR, berlin(9, 20)) == ["1.1 opened"]
    assert see(state, None, berlin(9, 23)) == []
    assert see(state, Severity.ERROR, berlin(10, 1)) == ["1.2 worsened"]
    assert [incident.id for incident in state.incidents] == ["1"]
