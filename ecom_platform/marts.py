"""The marts as datasets of the lake, read from what dbt says of its project.

They are declared in `dbt/models/marts/`, by their SQL and YAML; nothing is declared here.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecom_platform.datasets import Column, Dataset, Type
from ecom_platform.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

PROJECT = Path(__file__).parent / "dbt"
MARTS = "marts"
_TYPES = {
    str(kind).lower().replace(" ", ""): kind for kind in Type if kind is not Type.ID
}  # as dbt's contracts spell them, with spaces or without


@cache
def load_manifest(project: Path = PROJECT) -> dict[str, Any]:
    """Return the manifest of the dbt project, as `make marts` wrote it.

    Raises:
        SettingsError: There is none.
    """
    try:
        return json.loads((project / "manifest.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(
            f"{project / 'manifest.json'} does not exist.", hint="Write it: make marts"
        ) from None


def load_marts(manifest: Mapping[str, Any]) -> dict[str, Dataset]:
    """Return dbt's id -> dataset, of every mart.

    Raises:
        SettingsError: A column is of a type that the lake does not have.
    """
    return {
        key: _dataset(node)
        for key, node in sorted(manifest["nodes"].items())
        if node["resource_type"] == "model"
    }


def _dataset(node: Mapping[str, Any]) -> Dataset:
    meta = node["config"]["meta"]
    key = tuple(meta.get("key", ()))
    return Dataset(
        MARTS,
        node["name"],
        node["description"],
        meta.get("grain", "see the description"),
        tuple(_column(node["name"], column, key) for column in node["columns"].values()),
        key=key,
        owner=meta["owner"],
        daily=False,
    )


def _column(mart: str, column: Mapping[str, str], key: tuple[str, ...]) -> Column:
    kind = _TYPES.get((column.get("data_type") or "").lower().replace(" ", ""))
    if kind is None:
        raise SettingsError(
            f"The column {column['name']} of the mart {mart} is {column.get('data_type')}.",
            hint=f"Cast it, and declare it as one of {', '.join(map(str, _TYPES.values()))}.",
        )
    name = column["name"]
    return Column(name, kind, column["description"], required=name in key)
