"""The thresholds of the checks: how the files that set them are read.

One TOML file in the package has every default, and what it means. The user's own file,
`ECOM_THRESHOLDS`, holds only what differs. A new topic is a section of the file, a model
in `limits.py`, and a line in `load_thresholds`.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import ValidationError

from ecom_platform.errors import SettingsError
from ecom_platform.quality.limits import (
    AnomalyLimits,
    Arithmetic,
    Completeness,
    DriftLimits,
    Guests,
    Limits,
    LossLimits,
    Orphans,
    Timestamps,
    Uniqueness,
    UnknownStatus,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

DEFAULTS = Path(__file__).with_suffix(".toml")

L = TypeVar("L", bound=Limits)


@dataclass(frozen=True)
class Topic(Generic[L]):
    """The thresholds of one topic, for every asset and region.

    Args:
        default: What holds where nothing else is said.
        assets: `layer/name` -> what holds for it.
        regions: `layer/name` -> region -> what holds for it.
    """

    default: L
    assets: Mapping[str, L]
    regions: Mapping[str, Mapping[str, L]]

    def of(self, asset: str, region: str = "") -> L:
        """Return what holds for an asset (`layer/name`), or for one of its regions."""
        by_region = self.regions.get(asset, {})
        return by_region.get(region) or self.assets.get(asset, self.default)


@dataclass(frozen=True)
class Thresholds:
    """All thresholds there are, by topic."""

    losses: Topic[LossLimits]
    anomalies: Topic[AnomalyLimits]
    drift: Topic[DriftLimits]
    completeness: Topic[Completeness]
    orphans: Topic[Orphans]
    uniqueness: Topic[Uniqueness]
    arithmetic: Topic[Arithmetic]
    timestamps: Topic[Timestamps]
    unknown_status: Topic[UnknownStatus]
    guests: Topic[Guests]


def load_thresholds(file: Path | None, assets: Collection[str]) -> Thresholds:
    """Read the defaults, and the user's file over them.

    Args:
        file: The user's own, `ECOM_THRESHOLDS`, if there is one.
        assets: `layer/name` of those that can be named.

    Raises:
        SettingsError: The file cannot be read, or a key in it is unknown or wrong. The message
            names the file and the key, and says what is allowed.
    """
    reader = _Reader(file, assets)
    thresholds = Thresholds(
        losses=reader.topic("losses", LossLimits),
        anomalies=reader.topic("anomalies", AnomalyLimits),
        drift=reader.topic("drift", DriftLimits),
        completeness=reader.topic("completeness", Completeness),
        orphans=reader.topic("orphans", Orphans),
        uniqueness=reader.topic("uniqueness", Uniqueness),
        arithmetic=reader.topic("arithmetic", Arithmetic),
        timestamps=reader.topic("timestamps", Timestamps),
        unknown_status=reader.topic("unknown_status", UnknownStatus),
        guests=reader.topic("guests", Guests),
    )
    reader.refuse_other_sections()
    return thresholds


def read_toml(setting: str, file: Path) -> dict[str, Any]:
    """Read a file that a setting names.

    Raises:
        SettingsError: It cannot be read, or is not TOML; the message names setting and line.
    """
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(
            f"{setting}={file} cannot be read: {error.strerror}.",
            hint=f"Set {setting} to the path of a TOML file, or unset it.",
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{setting}={file} is not TOML: {error}.", hint="Correct the line that is named."
        ) from None


def problems(error: ValidationError) -> Iterator[tuple[str, str, bool]]:
    """Yield (key, what is wrong with it, whether it is unknown) of what pydantic found."""
    for problem in error.errors(include_url=False, include_context=False):
        key = ".".join(str(part) for part in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        unknown = problem["type"] == "extra_forbidden"
        if key and not unknown:
            message = f"{message[0].lower()}{message[1:]}, not {problem['input']!r}"
        yield key, message, unknown


class _Reader:
    """The two files, read section by section."""

    def __init__(self, file: Path | None, assets: Collection[str]) -> None:
        self._file = file
        self._assets = assets
        self._defaults = tomllib.loads(DEFAULTS.read_text(encoding="utf-8"))
        self._own = read_toml("ECOM_THRESHOLDS", file) if file else {}

    def topic(self, name: str, model: type[L]) -> Topic[L]:
        own = self._table(self._own.get(name, {}), name)
        keys = self._known(own, name, model.model_fields, [f'"{a}"' for a in sorted(self._assets)])
        base = self._defaults[name] | keys
        default = self._validate(model, base, name)
        assets: dict[str, L] = {}
        regions: dict[str, dict[str, L]] = {}
        for asset in own.keys() - keys.keys():
            where = f'{name}."{asset}"'
            table = self._table(own[asset], where)
            for_asset = self._known(table, where, model.model_fields, ["regions"])
            assets[asset] = self._validate(model, base | for_asset, where)
            by_region = self._table(table.get("regions", {}), f"{where}.regions")
            for region, overrides in by_region.items():
                place = f"{where}.regions.{region}"
                checked = self._known(self._table(overrides, place), place, model.BY_REGION, [])
                merged = base | for_asset | checked
                regions.setdefault(asset, {})[region] = self._validate(model, merged, place)
        return Topic(default, assets, regions)

    def refuse_other_sections(self) -> None:
        for name in self._own:
            if name not in self._defaults:
                raise self._error(f"[{name}]", "unknown section", self._defaults)

    def _known(
        self, table: Mapping[str, Any], where: str, keys: Collection[str], tables: Collection[str]
    ) -> dict[str, Any]:
        """Return the plain keys of a table, having refused what is neither key nor sub-table."""
        for key, value in table.items():
            plain = not isinstance(value, dict)
            if plain and key not in keys:
                raise self._error(f"{where}.{key}", "unknown key", keys)
            if not plain and f'"{key}"' not in tables and key not in tables:
                what = "unknown asset" if '"' not in where else "unknown table"
                raise self._error(f'{where}."{key}"', what, tables)
        return {key: value for key, value in table.items() if not isinstance(value, dict)}

    def _table(self, value: object, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._error(where, f"must be a table, written [{where}]", [])
        return value

    def _validate(self, model: type[L], values: Mapping[str, Any], where: str) -> L:
        try:
            return model.model_validate(values)
        except ValidationError as error:
            key, message, _ = next(problems(error))
            raise self._error(f"{where}.{key}" if key else where, message, []) from None

    def _error(self, where: str, message: str, allowed: Collection[str]) -> SettingsError:
        listed = f" Allowed: {', '.join(sorted(allowed))}." if allowed else ""
        return SettingsError(
            f"{self._file}: {where}: {message}.{listed}",
            hint="See the thresholds reference, docs/reference/thresholds.md.",
        )
