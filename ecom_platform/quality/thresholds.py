"""When checks say no: the defaults of `thresholds.toml`, and what a file of the user's changes."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ecom_platform.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Collection

DEFAULTS = Path(__file__).parent / "thresholds.toml"

_Count = Annotated[int, Field(ge=1)]
_Share = Annotated[float, Field(ge=0, le=1)]


class _Limits(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Completeness(_Limits):
    """Rows that days have."""

    min_rows: _Count


class Orphans(_Limits):
    """Rows whose parent is missing."""

    grace_hours: Annotated[int, Field(ge=0, le=24 * 365)]


class Uniqueness(_Limits):
    """Ids that are on several days."""

    days: Annotated[int, Field(ge=1, le=3660)]


class Arithmetic(_Limits):
    """Orders against their payments."""

    grace_days: Annotated[int, Field(ge=0, le=28)]
    max_share: _Share


class Timestamps(_Limits):
    """Times that cannot be."""

    skew_minutes: Annotated[int, Field(ge=0)]


class UnknownStatus(_Limits):
    """Statuses that the platform has no word for."""

    max_share: _Share


class Guests(_Limits):
    """Orders without a customer."""

    max_share: _Share


L = TypeVar("L", bound=_Limits)


class Topic(BaseModel, Generic[L]):
    """The limits of one topic: for all datasets, and for those that have their own."""

    model_config = ConfigDict(frozen=True)

    general: L
    own: dict[str, L] = {}

    def of(self, dataset: str) -> L:
        """Return the limits of a dataset, `layer/name`."""
        return self.own.get(dataset, self.general)


class Thresholds(BaseModel):
    """All thresholds, by topic."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    completeness: Topic[Completeness]
    orphans: Topic[Orphans]
    uniqueness: Topic[Uniqueness]
    arithmetic: Topic[Arithmetic]
    timestamps: Topic[Timestamps]
    unknown_status: Topic[UnknownStatus]
    guests: Topic[Guests]


def load_thresholds(file: Path | None, datasets: Collection[str]) -> Thresholds:
    """Read the thresholds: the defaults, and what a file says otherwise.

    Args:
        file: The user's, if there is one.
        datasets: `layer/name` of all datasets that may have limits of their own.

    Raises:
        SettingsError: The file cannot be read, or says what is no threshold; the message names
            the file and the key.
    """
    defaults = tomllib.loads(DEFAULTS.read_text(encoding="utf-8"))
    given = _read(file) if file else {}
    unknown = [name for name in given if name not in Thresholds.model_fields]
    if unknown:
        known = ", ".join(Thresholds.model_fields)
        raise _error(file, f"[{unknown[0]}] is no topic; there are {known}")
    merged: dict[str, Any] = {}
    for topic, values in defaults.items():
        own, general = _split(given.get(topic, {}))
        for dataset in own:
            if dataset not in datasets:
                known = ", ".join(sorted(datasets))
                raise _error(file, f'[{topic}."{dataset}"] is no dataset; there are {known}')
        general = values | general
        merged[topic] = {
            "general": general,
            "own": {dataset: general | limits for dataset, limits in own.items()},
        }
    try:
        return Thresholds.model_validate(merged)
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        topic, kind, *rest = map(str, problem["loc"])
        section = f'{topic}."{rest.pop(0)}"' if kind == "own" else topic
        raise _error(file, f"[{section}] {'.'.join(rest)}: {problem['msg']}") from None


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _error(file, reason) from None


def _split(values: Any) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Split a topic into the sections of datasets, and what holds for all."""
    if not isinstance(values, dict):
        return {}, {"": values}  # which no topic takes
    own = {key: value for key, value in values.items() if isinstance(value, dict)}
    return own, {key: value for key, value in values.items() if key not in own}


def _error(file: Path | None, what: str) -> SettingsError:
    return SettingsError(
        f"ECOM_THRESHOLDS, {file}: {what}.",
        hint="ecom_platform/quality/thresholds.toml has all topics and keys, and what they mean.",
    )
