"""`ecom incidents`: what is wrong, and what people say to it."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from ecom_platform.alerts.routes import Routes
from ecom_platform.errors import AlertError
from ecom_platform.incidents.model import About, Observation, Severity
from ecom_platform.incidents.observe import observe
from ecom_platform.incidents.outbox import Outbox
from ecom_platform.incidents.policy import Policy
from ecom_platform.incidents.store import IncidentStore
from ecom_platform.lake.fine import read_fine
from ecom_platform.lake.storage import open_storage
from ecom_platform.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ecom_platform.alerts.channels import Message
    from ecom_platform_tests.commands.harness import Done

    Call = Callable[..., Done]

NOW = datetime(2024, 3, 9, 7, 30, tzinfo=UTC)
LINEAGE = {"raw/orders": {}, "metrics/total_orders": {"raw/orders": 0}}


class Slack:
    """A channel that is down."""

    name = "slack"

    def send(self, message: Message) -> None:
        raise AlertError(f"It does not take {message.id}.")

    def check(self) -> None: ...


@pytest.fixture
def store(lake: Path, tmp_path: Path) -> IncidentStore:
    """Two open incidents, one of which follows from the other, and one of a region."""
    return make(str(lake), tmp_path)


def make(lake: str, scratch: Path) -> IncidentStore:
    store = IncidentStore(open_storage(lake), scratch)
    about = About("Does the lake hold as many rows as the source?", "team:data", "runbooks/rows")
    facts = {"lake_rows": 7, "source_rows": 8, "example": "ann@example.invalid"}

    def fail(asset: str, check: str, region: str | None, severity: Severity) -> Observation:
        return Observation(
            check, asset, "2024-03-07", passed=False, at=NOW, region=region,
            severity=severity, run="run-1", facts=facts, about=about,
        )  # fmt: skip

    seen = [
        fail("raw/orders", "matches_source", None, Severity.ERROR),
        fail("metrics/total_orders", "volume", "north", Severity.WARN),
    ]
    store.update(lambda state: observe(state, seen))
    policy = Policy.of(Settings(lake=lake))
    store.update(lambda state: policy.raise_alerts(state, LINEAGE, NOW))
    return store


def listed(command: Call, *arguments: str) -> list[dict[str, object]]:
    done = command("incidents", "list", "--format", "json", *arguments)
    assert done.code == 0
    found: list[dict[str, object]] = json.loads(done.out)
    return found


@pytest.mark.usefixtures("store")
def test_what_is_open_is_listed_and_what_follows_from_what(command: Call) -> None:
    first, second = listed(command)
    assert first == {
        "id": "1", "severity": "error", "asset": "raw/orders", "check": "matches_source",
        "region": None, "days": "2024-03-07", "since": "2024-03-09 07:30", "times": 1,
        "status": "open", "owner": "team:data", "follows_from": None, "by": None, "note": None,
        "not_delivered_since": None,
    }  # fmt: skip
    assert (second["region"], second["follows_from"]) == ("north", "1")
    table = command("incidents", "list").out
    assert "metrics/total_orders (north)" in table
    assert "follows from 1" in table
    assert "matches_source" in command("incidents", "list", "--format", "csv").out


@pytest.mark.usefixtures("lake")
def test_where_all_is_well_the_list_says_so(command: Call) -> None:
    done = command("incidents", "list")
    assert (done.code, done.out) == (0, "")
    assert "No incident is open." in done.err
    assert "No incident is over yet." in command("incidents", "list", "--closed").err


@pytest.mark.usefixtures("store")
def test_an_incident_is_shown_with_its_history_and_no_address(command: Call) -> None:
    assert (
        command("incidents", "ack", "1", "--by", "ann", "--note", "bob@example.invalid?").code == 0
    )
    shown = command("incidents", "show", "1").out
    for words in (
        "1, acknowledged", "Does the lake hold as many rows", "lake_rows 7", "example [e-mail]",
        "runbooks/rows", "alert 1.1: opened", "acknowledged", "ann", "[e-mail]?",
    ):  # fmt: skip
        assert words in shown
    assert "@example" not in shown
    [first, _] = listed(command)
    assert (first["status"], first["by"]) == ("acknowledged", "ann")


def test_what_is_acknowledged_is_not_reminded_of(
    store: IncidentStore, lake: Path, command: Call
) -> None:
    command("incidents", "ack", "1")
    later = NOW + timedelta(days=3)
    policy = Policy.of(Settings(lake=str(lake)))
    store.update(lambda state: policy.raise_alerts(state, LINEAGE, later))
    assert [alert.id for alert in store.read().alerts] == ["1.1"]


def test_a_day_that_is_fine_stays_so_until_it_has_passed_once(
    store: IncidentStore, lake: Path, command: Call, tmp_path: Path
) -> None:
    done = command("incidents", "fine", "2", "--note", "a holiday", "--by", "ann")
    assert done.code == 0
    assert "Incident 2 is fine for 2024-03-07, and closed." in done.err
    (fine,) = read_fine(
        open_storage(str(lake)), "metrics/total_orders", [date(2024, 3, 7)], tmp_path
    )
    assert (fine.check, fine.region, fine.note) == ("volume", "north", "a holiday")
    [over] = listed(command, "--closed")
    assert (over["id"], over["status"], over["by"], over["note"]) == (
        "2",
        "fine",
        "ann",
        "a holiday",
    )

    def see(*, passed: bool, hours: int) -> list[str]:
        seen = Observation(
            "volume", "metrics/total_orders", "2024-03-07", passed,
            NOW + timedelta(hours=hours), region="north",
        )  # fmt: skip
        store.update(lambda state: observe(state, [seen]))
        return [incident.id for incident in store.read().incidents if not incident.closed]

    assert see(passed=False, hours=1) == ["1"]
    assert see(passed=True, hours=2) == ["1"]
    assert see(passed=False, hours=3) == ["1", "3"]


@pytest.mark.usefixtures("store")
def test_only_days_that_fail_can_be_fine(command: Call) -> None:
    done = command("incidents", "fine", "1", "--day", "2024-03-01")
    assert done.code == 1
    assert "Incident 1 has no failing day 2024-03-01." in done.err


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("act", ["show", "ack", "fine"])
def test_an_id_that_does_not_exist_says_how_to_find_others(command: Call, act: str) -> None:
    done = command("incidents", act, "77")
    assert done.code == 1
    assert "ecom incidents list" in done.err


def test_what_people_were_not_told_is_said(store: IncidentStore, command: Call) -> None:
    outbox = Outbox(store, [Slack()], Routes(), lambda _: None)
    assert outbox.send(lambda: NOW + timedelta(minutes=1)) == [
        f"It does not take {store.read().uid}.1.1."
    ]
    done = command("incidents", "list")
    assert "Not delivered since 2024-03-09 07:30: an alert of incident 1." in done.err
    assert "waits for slack: It does not take" in command("incidents", "show", "1").out


def test_what_is_over_is_kept_and_shown(store: IncidentStore, lake: Path, command: Call) -> None:
    passed = Observation("matches_source", "raw/orders", "2024-03-07", passed=True, at=NOW)
    store.update(lambda state: observe(state, [passed]))
    policy = Policy.of(Settings(lake=str(lake)))
    store.update(lambda state: policy.raise_alerts(state, LINEAGE, NOW + timedelta(hours=1)))
    [over] = listed(command, "--closed")
    assert (over["id"], over["status"]) == ("1", "recovered")
    assert "alert 1.2: recovered" in command("incidents", "show", "1").out


def test_two_processes_do_not_lose_each_others_writes_on_s3(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Call
) -> None:
    address = f"s3://{bucket}/lake"
    monkeypatch.setenv("ECOM_LAKE", address)
    store = make(address, tmp_path)
    met: list[int] = []

    def slowly(state: object) -> None:
        if not met:  # meanwhile, somebody acknowledges
            met.append(command("incidents", "ack", "1", "--by", "ann").code)
        seen = Observation("other", "raw/orders", "2024-03-07", passed=False, at=NOW)
        observe(state, [seen])  # type: ignore[arg-type]

    store.update(slowly)
    assert met == [0]
    assert [row["status"] for row in listed(command)] == ["acknowledged", "open", "open"]
