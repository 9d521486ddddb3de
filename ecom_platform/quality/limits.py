"""The models of the thresholds, one for each topic of `thresholds.toml`."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


class Limits(BaseModel):
    """The thresholds of a topic, as they hold for one asset; the TOML file says what each means.

    Its `BY_REGION` are those that can differ from region to region.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
    BY_REGION: ClassVar[frozenset[str]] = frozenset()


class AnomalyLimits(Limits):
    """When a day's number is out of the ordinary."""

    BY_REGION: ClassVar[frozenset[str]] = frozenset(
        {"warn_z", "warn_change", "error_z", "error_change", "min_spread"}
    )

    enabled: bool
    weeks: Annotated[int, Field(ge=2, le=26)]
    min_weeks: Annotated[int, Field(ge=2, le=26)]
    warn_z: Positive
    warn_change: NotNegative
    error_z: Positive
    error_change: NotNegative
    region_extra_z: NotNegative
    min_spread: Positive
    max_spread: Positive
    min_points: Share
    settled_days: Annotated[int, Field(ge=0, le=365)]

    @model_validator(mode="after")
    def _is_in_order(self) -> AnomalyLimits:
        for less, more in (
            ("min_weeks", "weeks"),
            ("warn_z", "error_z"),
            ("warn_change", "error_change"),
        ):
            if getattr(self, less) > getattr(self, more):
                raise ValueError(f"{less} is more than {more}")
        return self


class DriftLimits(Limits):
    """When a region's share of the whole has drifted."""

    BY_REGION: ClassVar[frozenset[str]] = frozenset({"change", "z"})

    enabled: bool
    days: Annotated[int, Field(ge=7, le=91)]
    weeks: Annotated[int, Field(ge=2, le=52)]
    change: Positive
    z: Positive


class LossLimits(Limits):
    """What of published days may be lost at once."""

    day_share: Share
    run_share: Share
    rows: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _is_in_order(self) -> LossLimits:
        if self.run_share > self.day_share:
            raise ValueError("run_share is more than day_share")
        return self


class Completeness(Limits):
    """Rows that days have."""

    min_rows: Annotated[int, Field(ge=1)]


class Orphans(Limits):
    """Rows whose parent is missing."""

    grace_hours: Annotated[int, Field(ge=0, le=24 * 365)]


class Uniqueness(Limits):
    """Ids that are on several days."""

    days: Annotated[int, Field(ge=1, le=3660)]


class Arithmetic(Limits):
    """Orders against their payments."""

    grace_days: Annotated[int, Field(ge=0, le=28)]
    max_share: Share


class Timestamps(Limits):
    """Times that cannot be."""

    skew_minutes: Annotated[int, Field(ge=0)]


class UnknownStatus(Limits):
    """Statuses that the platform has no word for."""

    max_share: Share


class Guests(Limits):
    """Orders without a customer."""

    max_share: Share
