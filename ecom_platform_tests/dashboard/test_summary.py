"""The figures for people who do not open pages, and how they reach them."""

from __future__ import annotations

import io
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from PIL import Image

from ecom_platform.assets.morning_message import send
from ecom_platform.dashboard.summary import FIGURES, HEIGHT, WIDTH, Figure, Summary, Unit, summarize
from ecom_platform.errors import AlertError, SettingsError
from ecom_platform.lake.storage import open_storage
from ecom_platform.settings import Settings
from ecom_platform_tests.alerts.mail import mail_server
from ecom_platform_tests.alerts.webhook import webhook

if TYPE_CHECKING:
    from pathlib import Path

DAY = date(2024, 3, 1)
TEXT = """\
The shop on Friday 1 March 2024

Revenue        1,234.50  −50.0% on the week before, +20.4% on the year before
Orders               12  +20.0% on the week before
Customers            11
Average order    102.88  unchanged on the week before
Retention         30.0%  +2.0 pp on the week before

Revenue of 22 January, 23 January, 24 January and 34 more days is missing.
Orders of 22 January, 23 January, 24 January and 34 more days are missing."""  # noqa: RUF001 - the sign of minus


@pytest.fixture
def summary() -> Summary:
    """Of a day with a week before it, and a hole in the days between."""
    values: dict[str, tuple[Any, Any, Any]] = {
        "total_revenue": ("1234.50", "2469.00", "1025.00"),
        "total_orders": (12, 10, None),
        "total_customers": (11, None, None),
        "average_order_value": (102.875, 102.875, None),
        "customer_retention_rate": (0.30, 0.28, None),
    }
    assert values.keys() == FIGURES.keys()
    columns = ", ".join(
        f"{value or 'NULL'} AS {name}{suffix}"
        for name, found in values.items()
        for suffix, value in zip(("", "_week_before", "_year_before"), found, strict=True)
    )
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA marts")
        connection.execute(
            "CREATE TABLE marts.kpi_daily AS "
            f"SELECT DATE '{DAY}' AS date, 'all' AS region, 1 AS active_customers, {columns}"
        )
        for back, region in ((1, "all"), (3, "all"), (40, "all"), (0, "north")):
            connection.execute(
                "INSERT INTO marts.kpi_daily BY NAME SELECT * REPLACE (? AS date, ? AS region, "
                "7 AS total_orders) FROM marts.kpi_daily LIMIT 1",
                [DAY - timedelta(days=back), region],
            )
        return summarize(connection, DAY, 90)


def test_the_text_has_a_line_for_each_figure(summary: Summary) -> None:
    assert summary.text() == TEXT
    assert summary.subject == "Friday 1 March: revenue 1,234.50 (−50.0%)"  # noqa: RUF001


@pytest.mark.parametrize(
    ("unit", "value", "before", "told", "way"),
    [
        ("money", -182.44, -80.00, "−102.44", -1),  # noqa: RUF001
        ("money", 56.58, -147.70, "+204.28", 1),
        ("money", -20.00, 80.00, "−100.00", -1),  # noqa: RUF001
        ("money", 20.00, 0.00, "+20.00", 1),
        ("money", 0.00, 0.00, "unchanged", 0),
        ("count", 3, 0, "+3", 1),
        ("money", 100.40, 100.00, "+0.4%", 0),
        ("money", 99.99, 100.00, "unchanged", 0),
        ("ratio", 0.4998, 0.5, "unchanged", 0),
        ("ratio", 0.48, 0.5, "−2.0 pp", -1),  # noqa: RUF001
        ("money", None, 1.00, "", 0),
    ],
)
def test_a_change_has_the_sign_of_the_difference_and_a_percentage_only_of_what_is_above_zero(
    unit: Unit, value: float | None, before: float, told: str, way: int
) -> None:
    assert Figure("Revenue", unit, value, before, None, ()).change(before) == (told, way)


def test_the_line_of_a_figure_has_the_last_days_and_holes_where_none_was_computed(
    summary: Summary,
) -> None:
    assert summary.figures[1].days[-5:] == (None, 7.0, None, 7.0, 12.0)
    assert len(summary.figures[1].days) == 28


def test_what_is_missing_is_told_with_its_reason() -> None:
    day = date(2024, 3, 4)
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA marts")
        columns = ", ".join(
            f"CAST(NULL AS DOUBLE) AS {name}{suffix}"
            for name in FIGURES
            for suffix in ("", "_week_before", "_year_before")
        )
        connection.execute(
            "CREATE TABLE marts.kpi_daily AS SELECT date, 'all' AS region, "
            "CAST(NULL AS BIGINT) AS active_customers, "
            f"{columns.replace('CAST(NULL AS DOUBLE) AS total_revenue,', '5.0 AS total_revenue,')} "
            f"FROM (SELECT unnest(range(DATE '{day}' - 3, DATE '{day}' + 1, INTERVAL 1 DAY))"
            "::DATE AS date)"
        )
        connection.execute(
            "UPDATE marts.kpi_daily SET total_orders = 2, total_customers = 1, "
            f"average_order_value = 2.5 WHERE date <> DATE '{day}' - 1"
        )
        connection.execute(
            f"UPDATE marts.kpi_daily SET active_customers = 1 WHERE date < DATE '{day}' - 1"
        )
        found = summarize(connection, day, 90)
    assert found.missing == ["Orders of 3 March are missing."]
    assert [figure.shown for figure in found.figures] == ["5.00", "2", "1", "2.50", "\N{EN DASH}"]
    lines = found.text().splitlines()
    assert lines[-3:] == [
        "Retention         \N{EN DASH}  orders of 3 March are missing",
        "",
        "Orders of 3 March are missing.",
    ]
    with Image.open(io.BytesIO(found.png())) as image:
        assert image.size == (WIDTH, HEIGHT)


def test_the_picture_is_a_small_png(summary: Summary) -> None:
    stored = summary.png()
    with Image.open(io.BytesIO(stored)) as image:
        assert image.size == (WIDTH, HEIGHT)
    assert len(stored) < 60_000


def settings(tmp_path: Path, **options: Any) -> Settings:
    return Settings(
        _env_file=None, lake=str(tmp_path / "lake"), alert_email_from="shop@example.invalid",
        alert_email_to="ann@example.invalid", **options,
    )  # fmt: skip


def test_every_channel_gets_a_day_once_and_one_that_failed_gets_it_later(
    summary: Summary, tmp_path: Path
) -> None:
    with mail_server() as server, webhook() as (url, posted), webhook(500) as (broken, _):
        smtp = f"smtp://127.0.0.1:{server.port}"
        wrong = settings(
            tmp_path, morning_message="slack, email", alert_slack_webhook=broken,
            alert_email_smtp=smtp,
        )  # fmt: skip
        storage = open_storage(wrong.lake)
        with pytest.raises(AlertError, match="answers 500"):
            send(wrong, storage, summary, tmp_path)
        right = settings(
            tmp_path, morning_message="slack,email", alert_slack_webhook=url, alert_email_smtp=smtp
        )
        assert send(right, storage, summary, tmp_path) == ["slack"]
        assert send(right, storage, summary, tmp_path) == []
    [mail] = server.received
    parts = {part.get_content_type(): part for part in mail.walk()}
    assert parts["text/plain"].get_content().splitlines() == TEXT.splitlines()
    assert parts["image/png"].get_content() == summary.png()
    assert 'src="cid:picture"' in parts["text/html"].get_content()
    [post] = posted
    assert "1,234.50" in post["text"]


def test_a_channel_that_is_not_set_is_named(summary: Summary, tmp_path: Path) -> None:
    named = settings(tmp_path, morning_message="sns")
    with pytest.raises(SettingsError, match="names sns, which is not set"):
        send(named, open_storage(named.lake), summary, tmp_path)
