"""Every setting, its default and its meaning: the only place that reads the environment.

The settings reference in docs/ is generated from this file.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from zoneinfo import available_timezones

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict
from pydantic_settings import SettingsError as SourceParsingError

from ecom_platform.alert_settings import AlertSettings
from ecom_platform.calendar import Calendar
from ecom_platform.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What Dagster calls this code location, everywhere.
CODE_LOCATION = "ecom_platform"

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62})?")

#: How far ahead of UTC clocks are where a day begins first.
_EASTERNMOST = timedelta(hours=14)
#: How alike a variable and a setting are, from 0 to 1, when one is meant for the other.
_MISSPELT = 0.8

SOURCE_COLUMNS = {
    "orders": ("id", "customer_id", "total_amount", "created_at", "status"),
    "customers": ("id", "email", "region", "signup_date"),
    "payments": ("id", "order_id", "amount", "status", "paid_at"),
}

DEFAULT_PAYMENT_STATUSES = {
    "completed": ["completed", "complete", "paid", "succeeded", "success", "captured", "settled"],
    "pending": [
        "pending", "authorized", "authorised", "processing", "requires_action",
        "requires_capture", "requires_confirmation", "requires_payment_method", "created",
        "open", "initiated", "in_progress", "awaiting_payment",
    ],
    "failed": [
        "failed", "failure", "declined", "canceled", "cancelled", "expired", "rejected", "error",
        "voided", "void",
    ],
    "refunded": [
        "refunded", "refund", "partially_refunded", "chargeback", "charged_back", "reversed",
    ],
}  # fmt: skip


class Settings(AlertSettings):
    """The platform's settings, read from `ECOM_*` environment variables and `.env`."""

    model_config = SettingsConfigDict(
        env_prefix="ECOM_", env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    source: SecretStr | None = Field(
        default=None,
        description="Where the shop's data is: `postgresql://…`, `mysql://…` (also for MariaDB), "
        "or a folder of files as `file:///folder` or `s3://bucket/prefix`.",
    )
    lake: str = Field(
        default="lake",
        description="Where the lake is: a folder, or `s3://bucket/prefix`. For S3 the standard "
        "`AWS_*` variables are honoured, `AWS_ENDPOINT_URL` included.",
    )
    dashboards: str | None = Field(
        default=None,
        description="Where the pages are published, such as `s3://bucket` of those that a web "
        "server shows. Unset: `dashboards` in the lake.",
    )
    start_date: date = Field(
        default=date(2024, 1, 1),
        description="The first business day of the lake, as YYYY-MM-DD. Rows without a day of "
        "their own are filed under it.",
    )
    timezone: str = Field(
        default="UTC", description="The business timezone (IANA name): what a day is."
    )
    source_timezone: str = Field(
        default="UTC",
        description="The timezone (IANA name) of source timestamps that carry none.",
    )
    source_timestamp_format: str | None = Field(
        default=None,
        description="How text timestamps in CSV and JSON Lines files are written, as a strptime "
        "pattern such as `%d/%m/%Y %H:%M`. Unset: ISO 8601.",
    )
    source_delimiter: str = Field(
        default=",", min_length=1, max_length=1, description="The delimiter of CSV files."
    )
    source_markers: bool = Field(
        default=False,
        description="Whether deliverers of files end each day folder with `_SUCCESS` or "
        "`_manifest.json`. If so, a day without it is not delivered yet, and not published.",
    )
    source_still_minutes: int = Field(
        default=5,
        ge=0,
        le=24 * 60,
        description="Minutes that files must have stayed the same before `landing_files` takes "
        "them for whole.",
    )
    source_connections: int = Field(
        default=3,
        ge=1,
        le=16,
        description="Connections to read a PostgreSQL database with, at once.",
    )
    source_statement_timeout: int = Field(
        default=900, ge=1, description="Seconds after which the database ends a statement of ours."
    )
    tables: dict[str, str] = Field(
        default_factory=dict,
        description="The source's own table names, as JSON: "
        '`{"orders": "shop.sales_order"}`. For files: the file or folder name.',
    )
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="The source's own column names, as JSON: "
        '`{"orders.created_at": "placed_at"}`.',
    )
    retention_days: int = Field(
        default=90, ge=1, le=730, description="The window of `customer_retention_rate`, in days."
    )
    void_order_statuses: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("cancelled", "canceled", "void", "test", "deleted"),
        description="Order statuses, comma-separated, that do not count for retention.",
    )
    payment_statuses: dict[Literal["completed", "pending", "failed", "refunded"], list[str]] = (
        Field(
            default_factory=dict[Literal["completed", "pending", "failed", "refunded"], list[str]],
            description="The shop's own words for payment statuses, as JSON, added to the "
            'built-in ones: `{"completed": ["abgeschlossen"]}`. All others become `other`.',
        )
    )
    lookback_days: int = Field(
        default=28,
        ge=1,
        le=3660,
        description="How many closed days, yesterday included, the daily schedule makes each "
        "time, and `source_changes` compares at every tick, for what has changed since.",
    )
    change_check_minutes: int = Field(
        default=5, ge=1, le=60, description="Minutes between two ticks of `source_changes`."
    )
    change_check_hours: int = Field(
        default=24,
        ge=1,
        le=24 * 31,
        description="Hours in which `source_changes` compares the whole history with the "
        "database; the last `ECOM_LOOKBACK_DAYS` days are compared at every tick.",
    )
    change_check_seconds: int = Field(
        default=20,
        ge=2,
        le=40,
        description="Seconds that the database may work for a tick of `source_changes`, and that "
        "a tick of `landing_files` may read files.",
    )
    max_changed_days: int = Field(
        default=60,
        ge=1,
        description="When more published days than this have changed in the source within "
        "`ECOM_CHANGE_CHECK_HOURS`, `source_changes` and `landing_files` make none of them again, "
        "and alert.",
    )
    quarantine_max_share: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="A day fails when more than this share of its rows is quarantined, and more "
        "than `ECOM_QUARANTINE_MIN_ROWS` are.",
    )
    quarantine_min_rows: int = Field(
        default=5, ge=0, description="Up to this many quarantined rows never fail a day."
    )
    unknown_status_max_share: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="A day fails when more than this share of its payments, and more than "
        "`ECOM_QUARANTINE_MIN_ROWS`, have a status that `ECOM_PAYMENT_STATUSES` has no word for.",
    )
    thresholds: Path | None = Field(
        default=None,
        description="A TOML file with your own thresholds of the checks; it holds only what "
        "differs from the [defaults](thresholds.md).",
    )
    events: Path | None = Field(
        default=None,
        description="A TOML file with the [events](../how-to/tune-the-checks.md) on which the "
        "shop is expected to be other than usual.",
    )
    email_hmac_key: SecretStr | None = Field(
        default=None,
        description="The secret key (at least 32 characters) of the e-mail HMAC in cleaned "
        "customers. Unset: a key is made once and kept in `$DAGSTER_HOME/email_hmac.key`.",
    )
    retry_seconds: int = Field(
        default=10,
        ge=0,
        description="Seconds until a step that met a passing failure, such as a server that "
        "does not answer, tries again; twice at most, the second time after twice as long.",
    )
    close_after_days: int = Field(
        default=30,
        ge=0,
        description="Days after which a business day's numbers are settled; until then they are "
        "provisional.",
    )
    event_log_days: int = Field(
        default=90,
        ge=7,
        description="Days after which the job `prune_event_log` drops from Dagster's event log "
        "what says nothing any more of how things stand. Needs PostgreSQL.",
    )
    engine: Literal["duckdb"] = Field(default="duckdb", description="What runs the SQL.")
    engine_memory: str = Field(
        default="2GB",
        description="Memory of the engine, as `2GB`, or as a share of the machine's or the "
        "container's, as `50%`; beyond it, it spills to scratch.",
    )
    engine_threads: int | None = Field(
        default=None, ge=1, description="Threads of the engine. Unset: one for each core."
    )

    @field_validator("start_date")
    @classmethod
    def _has_begun(cls, value: date) -> date:
        if value > (datetime.now(UTC) + _EASTERNMOST).date():
            raise ValueError(f"{value} is in the future, so there would be no day to make")
        return value

    @field_validator("source_timestamp_format")
    @classmethod
    def _is_a_pattern(cls, value: str | None) -> str | None:
        if value is not None and not re.search("%[A-Za-z]", value):
            raise ValueError("not a pattern such as %d/%m/%Y %H:%M: it has no directive with a %")
        return value

    @field_validator("payment_statuses")
    @classmethod
    def _words_have_one_meaning(cls, value: dict[str, list[str]]) -> dict[str, list[str]]:
        meaning: dict[str, str] = {}
        for status, group in value.items():
            for word in (word.strip().lower() for word in group):
                if meaning.setdefault(word, status) != status:
                    raise ValueError(f"{word!r} is both {meaning[word]} and {status}")
        return value

    @field_validator("engine_memory")
    @classmethod
    def _is_memory(cls, value: str) -> str:
        size = re.fullmatch(r"(\d+(?:\.\d+)?)\s?[KMG]i?B", value)
        if not re.fullmatch(r"[1-9]\d?%", value) and not (size and float(size[1])):
            raise ValueError("not a size above 0 such as 2GB, nor a share such as 50%")
        return value

    @field_validator("timezone", "source_timezone")
    @classmethod
    def _is_a_timezone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError("not an IANA timezone name such as Europe/Berlin")
        return value

    @field_validator("void_order_statuses", mode="before")
    @classmethod
    def _split_words(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(word.strip().lower() for word in value.split(",") if word.strip())
        return value

    @field_validator("tables")
    @classmethod
    def _tables_are_identifiers(cls, value: dict[str, str]) -> dict[str, str]:
        for table, name in value.items():
            if table not in SOURCE_COLUMNS:
                raise ValueError(f"{table!r} is none of {', '.join(SOURCE_COLUMNS)}")
            if not _IDENTIFIER.fullmatch(name):
                raise ValueError(f"the name of {table} is not a plain identifier")
        return value

    @field_validator("columns")
    @classmethod
    def _columns_are_identifiers(cls, value: dict[str, str]) -> dict[str, str]:
        known = {f"{table}.{column}" for table, cols in SOURCE_COLUMNS.items() for column in cols}
        for column, name in value.items():
            if column not in known:
                raise ValueError(f"{column!r} is not a column such as orders.created_at")
            if not _IDENTIFIER.fullmatch(name) or "." in name:
                raise ValueError(f"the name of {column} is not a plain identifier")
        return value

    @field_validator("email_hmac_key")
    @classmethod
    def _is_long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 32:  # noqa: PLR2004
            raise ValueError("shorter than 32 characters")
        return value

    @property
    def pages(self) -> str:
        """Where the pages are published."""
        return self.dashboards or f"{self.lake.rstrip('/')}/dashboards"

    @cached_property
    def calendar(self) -> Calendar:
        """The business calendar these settings describe."""
        return Calendar(self.timezone, self.start_date)

    @property
    def source_kind(self) -> str:
        """What the source is: `postgres`, `mysql`, `file`, `s3`, or `unknown`."""
        address = self.source.get_secret_value() if self.source else ""
        kinds = {
            "postgresql": "postgres", "postgres": "postgres", "mysql": "mysql",
            "mariadb": "mysql", "file": "file", "s3": "s3",
        }  # fmt: skip
        return kinds.get(address.partition("://")[0], "unknown")

    @property
    def payment_status_words(self) -> dict[str, str]:
        """The one table of status words: the source's word -> normalised status."""
        words = {
            word: status for status, group in DEFAULT_PAYMENT_STATUSES.items() for word in group
        }
        for status, group in self.payment_statuses.items():
            words.update({word.strip().lower(): status for word in group})
        return words

    def is_settled(self, day: str, moment: datetime) -> bool:
        """Say whether a business day was settled at a moment: ECOM_CLOSE_AFTER_DAYS after it."""
        age = self.calendar.last_closed(moment) - date.fromisoformat(day)
        return age.days >= self.close_after_days

    def source_table(self, table: str) -> str:
        """Return the source's name of `orders`, `customers` or `payments`."""
        return self.tables.get(table, table)

    def source_column(self, table: str, column: str) -> str:
        """Return the source's name of a column."""
        return self.columns.get(f"{table}.{column}", column)


def _misspelt() -> Iterator[tuple[str, str]]:
    """Yield variables that are nearly settings; what is like none may be somebody else's."""
    known = [f"ECOM_{name.upper()}" for name in Settings.model_fields]
    for name in sorted(os.environ):
        if name.startswith("ECOM_") and name not in known:
            own = [one.removeprefix("ECOM_") for one in known]
            near = get_close_matches(name.removeprefix("ECOM_"), own, 1, _MISSPELT)
            yield from ((name, f"ECOM_{meant}") for meant in near)


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises:
        SettingsError: A setting is wrong, or misspelt; the message names its variable.
    """
    if misspelt := [f"{name}: no setting; is {meant} meant?" for name, meant in _misspelt()]:
        raise SettingsError("\n".join(misspelt), hint="Correct its name, or unset it.")
    try:
        return Settings()
    except SourceParsingError as error:
        field = str(error).partition('field "')[2].partition('"')[0]
        raise SettingsError(
            f'ECOM_{field.upper()}: not JSON, such as {{"orders": "sales"}}',
            hint="See the settings reference, docs/reference/settings.md.",
        ) from None
    except ValidationError as error:
        problems = [
            f"ECOM_{str(problem['loc'][0]).upper()}: {problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors(include_input=False, include_url=False)
        ]
        raise SettingsError(
            "\n".join(problems), hint="See the settings reference, docs/reference/settings.md."
        ) from None
