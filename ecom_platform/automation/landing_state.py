"""What a tick of `landing_files` leaves to the next; what it does with it is in `landing_watch.py`.

Three years of day folders are thousands of versions, and every tick is stored by Dagster: they
are written without their days, one after the other.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field, PlainSerializer, TypeAdapter

from ecom_platform.automation.changes import State
from ecom_platform.calendar import ONE_DAY
from ecom_platform.sources.files.deliveries import VERSION_LENGTH

_TEXTS = TypeAdapter(dict[str, str])


def _pack(versions: dict[str, str]) -> dict[str, str]:
    """Write the versions of days that follow each other as one text, under the first of them."""
    packed: dict[str, str] = {}
    begun, expected = "", ""
    for name in sorted(versions):
        table, _, day = name.partition("/")
        if name != expected:
            begun, packed[name] = name, ""
        packed[begun] += versions[name]
        expected = f"{table}/{date.fromisoformat(day) + ONE_DAY}" if day else ""
    return packed


def _unpack(packed: object) -> dict[str, str]:
    versions: dict[str, str] = {}
    for name, text in _TEXTS.validate_python(packed).items():
        table, _, day = name.partition("/")
        for at in range(0, len(text), VERSION_LENGTH):
            later = date.fromisoformat(day) + at // VERSION_LENGTH * ONE_DAY if day else ""
            versions[f"{table}/{later}" if day else table] = text[at : at + VERSION_LENGTH]
    return versions


#: `Delivery.name` -> `Delivery.version`.
Versions = Annotated[dict[str, str], BeforeValidator(_unpack), PlainSerializer(_pack)]


class Differing(BaseModel):
    """The days of a delivery of which the lake has something else, and their fingerprints."""

    version: str
    days: dict[date, str]


class Unread(BaseModel):
    """Why a delivery is not read."""

    version: str
    reason: str


class LandingState(State):
    """What the sensor knows. Without it, all files are compared with the lake again.

    Args:
        reading: Of the settings by which files are read; with others, nothing is known.
        seen: Deliveries that the lake has the content of, or that are given up.
        watched: Others, by the moment they were first listed as they are.
        differing: Those of them that were read, and are not in the lake.
        hopeless: Days whose files could not be read, until a run has made them again.
        broken: Tables among `seen`, not filed by day, whose files cannot be read.
        too_slow: Deliveries among `seen` that a tick has not the time to read.
        told: What people were told of: unknown names, and tables that cannot be read.
    """

    reading: str = ""
    seen: Versions = Field(default_factory=dict[str, str])
    watched: dict[datetime, Versions] = Field(default_factory=dict[datetime, Versions])
    differing: dict[str, Differing] = Field(default_factory=dict[str, Differing])
    hopeless: Versions = Field(default_factory=dict[str, str])
    broken: dict[str, Unread] = Field(default_factory=dict[str, Unread])
    too_slow: dict[str, Unread] = Field(default_factory=dict[str, Unread])
    told: list[str] = Field(default_factory=list[str])
