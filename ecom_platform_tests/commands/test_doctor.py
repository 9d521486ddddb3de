from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from ecom_platform.commands.run import INSTANCE
from ecom_platform_tests.commands.harness import ecom
from ecom_platform_tests.commands.lake import publish

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ecom_platform_tests.commands.harness import Done
    from ecom_platform_tests.sources.postgres_database import Database

    Call = Callable[..., Done]

YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
KEY = "k" * 32


@pytest.fixture
def healthy(
    database: Database, lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Database:
    """An environment without a fault; returns the database that is its source."""
    del lake
    (tmp_path / "home").mkdir()
    (tmp_path / "home/dagster.yaml").write_text(INSTANCE)
    database.create()
    database.execute(
        "create index on orders (created_at); create index on payments (paid_at); "
        "create index on payments (order_id); create index on customers (signup_date)"
    )
    for name, value in {
        "ECOM_SOURCE": database.url,
        "ECOM_START_DATE": str(YESTERDAY),
        "ECOM_EMAIL_HMAC_KEY": KEY,
        "DAGSTER_HOME": str(tmp_path / "home"),
    }.items():
        monkeypatch.setenv(name, value)
    publish("metrics/total_revenue", days=[YESTERDAY])
    return database


def findings(done: Done, mark: str) -> str:
    """Return the lines of the findings with a mark, and of their advice."""
    found: list[str] = []
    for line in done.out.splitlines():
        wanted = line[0] == mark if line[:1].strip() else bool(found) and found[-1] != ""
        found.append(line if wanted else "")
    return "\n".join(line for line in found if line)


@pytest.mark.usefixtures("healthy")
def test_an_environment_without_a_fault_passes() -> None:
    done = ecom("doctor")

    assert (done.code, done.err) == (0, "")
    assert findings(done, "✗") == ""
    assert "alert channels" in findings(done, "!")
    good = findings(done, "✓")
    assert f"last closed day {YESTERDAY}" in good
    assert "orders: table orders" in good
    assert f"metrics/total_revenue has days up to {YESTERDAY} (1)" in good
    assert "ECOM_EMAIL_HMAC_KEY is set" in good
    assert "Dagster instance" in good


@pytest.mark.usefixtures("healthy")
def test_a_bad_setting_is_found(monkeypatch: pytest.MonkeyPatch, command: Call) -> None:
    monkeypatch.setenv("ECOM_RETENTION_DAYS", "many")

    done = command("doctor")

    assert done.code == 1
    assert "ECOM_RETENTION_DAYS" in findings(done, "✗")
    assert "docs/reference/settings.md" in findings(done, "✗")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ECOM_SOURCE", "", ["ECOM_SOURCE is not set", "postgresql://"]),
        ("ECOM_SOURCE", "oracle://me:hush@host/shop", ["ECOM_SOURCE", "postgresql://"]),
        ("ECOM_SOURCE", "file:///no/such/folder", ["/no/such/folder does not exist"]),
        (
            "ECOM_SOURCE",
            "postgresql://me:hush@127.0.0.1:1/shop",
            ["database shop at 127.0.0.1:1 cannot be connected to", "Check that the server runs"],
        ),
        ("ECOM_LAKE", "/dev/null/lake", ["/dev/null/lake cannot be", "set ECOM_LAKE to another"]),
        ("ECOM_LAKE", "gs://bucket/lake", ["gs://bucket/lake is neither", "Set ECOM_LAKE"]),
        ("DAGSTER_HOME", "", ["DAGSTER_HOME is not set", "Set DAGSTER_HOME to a folder"]),
        ("DAGSTER_HOME", "/no/such/home", ["/no/such/home", "a folder that exists"]),
        ("ECOM_ALERT_SLACK_WEBHOOK", "http://127.0.0.1:1/hush", ["The Slack webhook does not"]),
        ("ECOM_ALERT_EMAIL_SMTP", "smtp://me:hush@host", ["ECOM_ALERT_EMAIL_FROM"]),
        ("ECOM_ALERT_ROUTES", "/no/routes.toml", ["/no/routes.toml cannot be read"]),
    ],
)
@pytest.mark.usefixtures("healthy")
def test_what_is_broken_is_found_with_advice_and_without_secrets(
    name: str, value: str, words: list[str], monkeypatch: pytest.MonkeyPatch, command: Call
) -> None:
    monkeypatch.setenv(name, value)

    done = command("doctor")

    assert done.code == 1
    wrong = findings(done, "✗")
    assert all(word in wrong for word in words)
    assert "→ " in wrong
    assert "hush" not in done.out + done.err
    assert "✓" in done.out  # it goes on to what else there is to look at


def test_a_table_that_is_missing_is_found(healthy: Database, command: Call) -> None:
    healthy.execute("drop table payments")

    done = command("doctor")

    assert done.code == 1
    assert "The source has no table payments" in findings(done, "✗")
    assert "→ Set ECOM_TABLES" in findings(done, "✗")


def test_a_bucket_that_is_missing_is_found(
    healthy: Database, bucket: str, monkeypatch: pytest.MonkeyPatch, command: Call
) -> None:
    del healthy
    monkeypatch.setenv("ECOM_LAKE", f"s3://{bucket}-not/lake")

    done = command("doctor")

    assert done.code == 1
    assert f"The bucket {bucket}-not does not exist" in findings(done, "✗")


@pytest.mark.usefixtures("healthy")
def test_a_lake_that_may_not_be_written_to_is_found(lake: Path) -> None:
    lake.chmod(0o555)
    done = ecom("doctor", as_a_user=True)
    lake.chmod(0o755)

    assert done.code == 1
    assert f"The lake {lake} cannot be used: Permission denied" in findings(done, "✗")


@pytest.mark.usefixtures("healthy")
def test_a_broken_dagster_yaml_is_found(tmp_path: Path, command: Call) -> None:
    (tmp_path / "home/dagster.yaml").write_text("no_such_setting: 1\n")

    done = command("doctor")

    assert done.code == 1
    assert f"{tmp_path}/home does not open" in findings(done, "✗")
    assert "correct dagster.yaml there" in findings(done, "✗")


@pytest.mark.usefixtures("healthy")
def test_a_variable_that_is_no_setting_is_pointed_out(
    monkeypatch: pytest.MonkeyPatch, command: Call
) -> None:
    monkeypatch.setenv("ECOM_START", "2024-01-01")

    done = command("doctor")

    assert done.code == 0
    assert "ECOM_START is no setting, and ignored" in findings(done, "!")
    assert "ECOM_START_DATE" in findings(done, "!")


@pytest.mark.usefixtures("healthy")
def test_a_home_that_no_run_has_used_is_no_fault(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: Call
) -> None:
    (tmp_path / "new").mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "new"))

    done = command("doctor")

    assert (done.code, done.err) == (0, "")
    assert f"{tmp_path}/new has no dagster.yaml yet" in findings(done, "!")


@pytest.mark.usefixtures("healthy")
def test_days_that_are_not_there_yet_are_no_fault(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: Call
) -> None:
    monkeypatch.setenv("ECOM_LAKE", str(tmp_path / "new"))

    done = command("doctor")

    assert done.code == 0
    assert "no day was ever published" in findings(done, "!")
    assert f"→ Run: ecom run --from {YESTERDAY} --to {YESTERDAY}" in findings(done, "!")


@pytest.mark.usefixtures("healthy")
def test_days_that_are_late_are_pointed_out(monkeypatch: pytest.MonkeyPatch, command: Call) -> None:
    before = YESTERDAY - timedelta(days=3)
    monkeypatch.setenv("ECOM_LAKE", "late")
    monkeypatch.setenv("ECOM_START_DATE", str(before))
    publish("metrics/total_revenue", days=[before])

    done = command("doctor")

    assert done.code == 0
    late = f"the newest day of metrics/total_revenue is {before}; {YESTERDAY} is closed too"
    assert late in findings(done, "!")


@pytest.mark.usefixtures("healthy")
def test_a_first_day_that_is_not_over_is_pointed_out(
    monkeypatch: pytest.MonkeyPatch, command: Call
) -> None:
    today = datetime.now(UTC).date()
    monkeypatch.setenv("ECOM_START_DATE", str(today))

    done = command("doctor")

    assert done.code == 0
    assert f"ECOM_START_DATE, {today}, is not over yet" in findings(done, "!")


def test_the_email_key_is_kept_where_runs_look_for_it(
    healthy: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: Call
) -> None:
    del healthy
    monkeypatch.delenv("ECOM_EMAIL_HMAC_KEY")

    done = command("doctor")

    assert done.code == 0
    assert f"kept in {tmp_path}/home" in findings(done, "!")
    key = (tmp_path / "home/email_hmac.key").read_text()
    assert len(key) == 64
    assert key not in done.out


@pytest.mark.usefixtures("healthy")
def test_a_file_of_thresholds_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "thresholds.toml"
    monkeypatch.setenv("ECOM_THRESHOLDS", str(file))
    file.write_text("guests.max_share = 0.8")
    assert f"✓  thresholds        {file}; 0 events" in ecom("doctor").out
    file.write_text("guests.share = 0.8")
    done = ecom("doctor")
    assert done.code == 1
    assert "guests.share: unknown key. Allowed: max_share." in findings(done, "✗")
