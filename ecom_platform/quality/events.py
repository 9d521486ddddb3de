"""The calendar of expected events: known days that are neither alarming nor usual.

It is a file of the user's, `ECOM_EVENTS`. What was marked as fine afterwards is in the
lake, in `lake/fine.py`.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ecom_platform.errors import SettingsError
from ecom_platform.quality.thresholds import problems, read_toml

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

ALL = "all"
#: The region that small ones are pooled in.
SMALL = "small regions"


class Event(BaseModel):
    """Some days on which the shop is expected to be other than usual.

    `date` for one day, or `from` and `to`; `region` where it is about one; `expect` says what
    is expected of the numbers; `note` is shown with the checks' answers.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    day: date | None = Field(default=None, alias="date")
    first: date | None = Field(default=None, alias="from")
    last: date | None = Field(default=None, alias="to")
    expect: Literal["higher", "lower", "anything"]
    region: str = ""
    note: str = ""

    @model_validator(mode="after")
    def _has_days(self) -> Event:
        if (self.day is None) == (self.first is None or self.last is None):
            raise ValueError("needs either date, or from and to")
        if self.first and self.last and self.first > self.last:
            raise ValueError(f"ends on {self.last}, before it begins on {self.first}")
        return self

    def covers(self, day: date, region: str) -> bool:
        """Say whether a region is concerned on a day; sums of regions are by each of theirs."""
        first, last = self.first or self.day, self.last or self.day
        concerned = region in {ALL, SMALL} or self.region in {"", region}
        return bool(concerned and first and last and first <= day <= last)

    def explains(self, *, higher: bool) -> bool:
        """Say whether a number that is higher, or else lower, is what was expected."""
        return self.expect in {"anything", "higher" if higher else "lower"}


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    events: tuple[Event, ...] = ()


def load_events(file: Path | None) -> Sequence[Event]:
    """Read the calendar of events; without a file there are none.

    Raises:
        SettingsError: It cannot be read, or an event is wrong. The message names the file,
            which event and which key, and says what is allowed.
    """
    if file is None:
        return ()
    found = read_toml("ECOM_EVENTS", file)
    try:
        return _File.model_validate(found).events
    except ValidationError as error:
        raise SettingsError(
            f"{file}: {next(_sentences(error))}",
            hint="See docs/how-to/tune-the-checks.md.",
        ) from None


def _sentences(error: ValidationError) -> Iterator[str]:
    for key, message, unknown in problems(error):
        _, number, *rest = [*key.split("."), "", ""]
        where = f"event {int(number) + 1}" if number.isdigit() else key
        name = f", {rest[0]}" if rest and rest[0] else ""
        keys = ", ".join(f.alias or field for field, f in Event.model_fields.items())
        allowed = f"unknown key. Allowed: {keys if number else '[[events]]'}"
        yield f"{where}{name}: {allowed if unknown else message}."
