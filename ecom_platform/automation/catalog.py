"""What the platform's declarations say of assets and checks, for those who are told of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg

from ecom_platform.datasets import NAMED
from ecom_platform.incidents.model import About
from ecom_platform.lake.inputs import window_of
from ecom_platform.quality.checks import NOTICE

if TYPE_CHECKING:
    from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation
    from dagster._core.definitions.assets.graph.asset_graph import AssetGraph


@dataclass(frozen=True)
class Catalog:
    """What the platform's declarations say of assets and checks."""

    graph: AssetGraph

    def lineage(self) -> dict[str, dict[str, int]]:
        """Return asset -> each asset that it is computed from -> how many days further back.

        Raw rows hang on those of the same day that they name: without them, they are refused.
        """
        found: dict[str, dict[str, int]] = {}
        for key in self.graph.toposorted_asset_keys:
            above = dict.fromkeys(NAMED.get(path_of(key), ()), 0)
            for parent in self.graph.get(key).parent_keys:
                back = window_of(self.graph.get_partition_mapping(key, parent)).before
                for one, more in {path_of(parent): 0, **found.get(path_of(parent), {})}.items():
                    above[one] = max(above.get(one, 0), back + more)
            found[path_of(key)] = above
        return found

    def check(self, answer: AssetCheckEvaluation) -> About:
        """Return what is known of a check."""
        key = dg.AssetCheckKey(answer.asset_key, answer.check_name)
        if not self.graph.has(answer.asset_key) or key not in self.graph.asset_check_keys:
            return About(answer.check_name.replace("_", " "))
        spec = self.graph.get_check_spec(key)
        runbook, notice = (spec.metadata.get(name, "") for name in ("runbook", NOTICE))
        return About(
            spec.description or answer.check_name.replace("_", " "),
            self.owner(answer.asset_key),
            str(getattr(runbook, "value", runbook)),
            notice=bool(getattr(notice, "value", notice)),
        )

    def owner(self, key: dg.AssetKey) -> str:
        """Return the first owner of an asset."""
        owners = self.graph.get(key).owners if self.graph.has(key) else ()
        return owners[0] if owners else ""


def path_of(key: dg.AssetKey) -> str:
    """Return `layer/name`."""
    return "/".join(key.path)
