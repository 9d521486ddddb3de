from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

import pytest

from ecom_platform.errors import SettingsError
from ecom_platform.instance import DEPLOYMENT_VARIABLES
from ecom_platform.settings import DEFAULT_PAYMENT_STATUSES, Settings, load_settings

if TYPE_CHECKING:
    from pathlib import Path


def test_without_any_setting_there_is_a_whole_configuration() -> None:
    settings = load_settings()

    assert settings.source is None
    assert settings.lake == "lake"
    assert (settings.timezone, settings.source_timezone) == ("UTC", "UTC")
    assert settings.retention_days == 90
    assert settings.calendar.start == settings.start_date == date(2024, 1, 1)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_described(name: str) -> None:
    described = Settings.model_fields[name].description

    assert described
    assert re.search(r"[.)`]$", described)


def test_settings_come_from_the_environment_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("ECOM_TIMEZONE=Asia/Tokyo\nECOM_RETENTION_DAYS=30\nOTHER=1\n")
    monkeypatch.setenv("ECOM_RETENTION_DAYS", "60")

    settings = load_settings()

    assert (settings.timezone, settings.retention_days) == ("Asia/Tokyo", 60)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ECOM_TIMEZONE", "Mars/Olympus", "not an IANA timezone name such as Europe/Berlin"),
        ("ECOM_SOURCE_TIMEZONE", "CET+1", "not an IANA timezone name"),
        ("ECOM_START_DATE", "1.3.2024", "valid date"),
        ("ECOM_START_DATE", "2024-02-30", "valid date"),
        ("ECOM_RETENTION_DAYS", "0", "greater than or equal to 1"),
        ("ECOM_RETENTION_DAYS", "ninety", "valid integer"),
        ("ECOM_SOURCE_CONNECTIONS", "17", "less than or equal to 16"),
        ("ECOM_SOURCE_DELIMITER", "||", "at most 1 character"),
        ("ECOM_QUARANTINE_MAX_SHARE", "10%", "valid number"),
        ("ECOM_QUARANTINE_MAX_SHARE", "1.5", "less than or equal to 1"),
        ("ECOM_ENGINE_MEMORY", "lots", "not a size above 0 such as 2GB, nor a share such as 50%"),
        ("ECOM_ENGINE_MEMORY", "0GB", "not a size above 0"),
        ("ECOM_ENGINE_MEMORY", "0.00 MiB", "not a size above 0"),
        ("ECOM_ENGINE_MEMORY", "0%", "not a size above 0"),
        ("ECOM_START_DATE", "2999-01-01", "2999-01-01 is in the future"),
        ("ECOM_SOURCE_TIMESTAMP_FORMAT", "dd.MM.yyyy", "no directive with a %"),
        ("ECOM_SOURCE_TIMESTAMP_FORMAT", "100%", "no directive with a %"),
        (
            "ECOM_PAYMENT_STATUSES",
            '{"completed": ["done"], "failed": [" DONE "]}',
            "'done' is both completed and failed",
        ),
        ("ECOM_EMAIL_HMAC_KEY", "hush-4711", "shorter than 32 characters"),
        ("ECOM_TABLES", '{"invoices": "x"}', "none of orders, customers, payments"),
        ("ECOM_TABLES", '{"orders": "orders; drop table x"}', "not a plain identifier"),
        ("ECOM_TABLES", '{"orders": "a.b.c"}', "not a plain identifier"),
        ("ECOM_TABLES", '["orders"]', "valid dictionary"),
        ("ECOM_TABLES", "orders=my_orders", "JSON"),
        ("ECOM_COLUMNS", '{"orders.total": "x"}', "not a column such as orders.created_at"),
        ("ECOM_COLUMNS", '{"orders.id": "o.id"}', "not a plain identifier"),
        ("ECOM_PAYMENT_STATUSES", '{"paid": ["bezahlt"]}', "'completed', 'pending'"),
    ],
)
def test_a_bad_setting_is_named_with_what_it_should_be(
    name: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError) as error:
        load_settings()

    assert error.value.message.startswith(f"{name}: ")
    assert words in error.value.message
    assert "docs/reference/settings.md" in error.value.hint
    assert "hush-4711" not in str(error.value)


def test_all_bad_settings_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOM_TIMEZONE", "x")
    monkeypatch.setenv("ECOM_RETENTION_DAYS", "x")

    with pytest.raises(SettingsError) as error:
        load_settings()

    named = [line.partition(":")[0] for line in error.value.message.splitlines()]
    assert sorted(named) == ["ECOM_RETENTION_DAYS", "ECOM_TIMEZONE"]


def test_secrets_are_not_in_what_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOM_SOURCE", "postgresql://me:hush-4711@host/shop")
    monkeypatch.setenv("ECOM_EMAIL_HMAC_KEY", "hush-4711" * 4)
    monkeypatch.setenv("ECOM_ALERT_SLACK_WEBHOOK", "https://hooks.example.invalid/hush-4711")

    settings = load_settings()

    assert "hush-4711" not in f"{settings!r} {settings} {settings.model_dump()}"
    assert settings.source
    assert settings.source.get_secret_value().startswith("postgresql://me:hush-4711@")


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("postgresql://host/shop", "postgres"),
        ("postgres://host/shop", "postgres"),
        ("file:///folder", "file"),
        ("s3://bucket/prefix", "s3"),
        ("oracle://host/shop", "unknown"),
        ("/folder", "unknown"),
        ("", "unknown"),
    ],
)
def test_the_address_says_the_kind_of_source(
    address: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECOM_SOURCE", address)

    assert load_settings().source_kind == kind


def test_void_statuses_are_words_between_commas_in_any_case(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ECOM_VOID_ORDER_STATUSES", " Returned ,,TEST")

    assert load_settings().void_order_statuses == ("returned", "test")


def test_no_status_is_void_when_the_setting_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOM_VOID_ORDER_STATUSES", "")

    assert load_settings().void_order_statuses == ()


def test_words_of_the_shop_are_added_to_those_that_are_built_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ECOM_PAYMENT_STATUSES", '{"completed": [" Abgeschlossen", "pending"]}')

    words = load_settings().payment_status_words

    assert words["abgeschlossen"] == "completed"
    assert words["pending"] == "completed"  # the shop's own word wins
    assert words["settled"] == "completed"
    assert words["declined"] == "failed"


def test_no_built_in_word_has_two_meanings() -> None:
    words = [word for group in DEFAULT_PAYMENT_STATUSES.values() for word in group]

    assert len(words) == len(set(words))
    assert words == [word.strip().lower() for word in words]


def test_tables_and_columns_of_other_names_are_found_under_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ECOM_TABLES", '{"orders": "shop.sales_order"}')
    monkeypatch.setenv("ECOM_COLUMNS", '{"orders.created_at": "placed_at"}')

    settings = load_settings()

    assert settings.source_table("orders") == "shop.sales_order"
    assert settings.source_table("payments") == "payments"
    assert settings.source_column("orders", "created_at") == "placed_at"
    assert settings.source_column("orders", "id") == "id"


def test_a_misspelt_setting_is_refused_and_what_is_like_none_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ECOM_OF_SOMEBODY_ELSE", "1")
    assert load_settings().timezone == "UTC"

    monkeypatch.setenv("ECOM_TIME_ZONE", "Asia/Tokyo")
    monkeypatch.setenv("ECOM_RETENTION_DAY", "30")
    with pytest.raises(SettingsError) as error:
        load_settings()

    assert error.value.message.splitlines() == [
        "ECOM_RETENTION_DAY: no setting; is ECOM_RETENTION_DAYS meant?",
        "ECOM_TIME_ZONE: no setting; is ECOM_TIMEZONE meant?",
    ]
    assert error.value.hint == "Correct its name, or unset it."


def test_what_the_deployment_sets_is_not_taken_for_a_misspelt_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in DEPLOYMENT_VARIABLES:
        monkeypatch.setenv(name, "x")
    assert load_settings().timezone == "UTC"
