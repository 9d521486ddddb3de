"""Days made without Dagster's event log: real source, assets, engine and lake, called in turn.

Several times as fast as a run, for tests of figures: of long ranges, and of many shops. What
Dagster adds is tested through `platform.py`.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from graphlib import TopologicalSorter
from inspect import isgenerator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import dagster as dg
import duckdb

from ecom_platform.assets.metrics import METRICS
from ecom_platform.calendar import days_between
from ecom_platform.datasets import CLEANED, QUARANTINE, RAW
from ecom_platform.definitions import build_definitions
from ecom_platform.engines.duckdb import Engine
from ecom_platform.lake.breaker import CircuitBreaker
from ecom_platform.lake.publish import Lake
from ecom_platform.lake.storage import open_storage
from ecom_platform.quality.thresholds import load_thresholds
from ecom_platform.sources import open_source
from ecom_platform.sources.run_snapshot import RunSnapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

    from ecom_platform.lake.tables import LakeTable
    from ecom_platform.settings import Settings

DATASETS = {d.path: d for d in (*RAW, *CLEANED, *QUARANTINE, *(m.dataset for m in METRICS))}


class Pipeline:
    """The assets of an environment, in the order of their dependencies.

    Args:
        settings: Of the environment.
        instance: Dagster's, which records nothing here.
        replacements: Assets to use instead of the environment's own of the same step.
        layer: Of the assets to make, where it is not all of them.
        accepts_loss: Whether days may lose more than the thresholds allow.
    """

    def __init__(
        self,
        settings: Settings,
        instance: dg.DagsterInstance,
        *replacements: dg.AssetsDefinition,
        layer: str = "",
        accepts_loss: bool = False,
    ) -> None:
        self.settings = settings
        self.instance = instance
        limits = load_thresholds(settings.thresholds, DATASETS).losses
        self._breaker = CircuitBreaker(limits, accepts_loss)
        #: (dataset, day) -> what the assets said of it.
        self.facts: dict[tuple[str, str], dict[str, Any]] = {}
        # Those of `Definitions`, before it binds them to its resources.
        assets: Any = [*(build_definitions(settings).assets or ()), *replacements]
        steps = {
            a.node_def.name: a
            for a in assets
            if isinstance(a, dg.AssetsDefinition) and a.partitions_def
        }
        made_by = {key: name for name, asset in steps.items() for key in asset.keys}
        order = TopologicalSorter(
            {
                name: {made_by[key] for key in asset.keys_by_input_name.values()}
                for name, asset in steps.items()
            }
        )
        self._assets = [
            steps[name]
            for name in order.static_order()
            if all(key.path[0] == layer for key in steps[name].keys) or not layer
        ]

    def run(self, first: date, last: date) -> dict[str, str]:
        """Make the days of all datasets; return `dataset day` -> why it was not published."""
        days = _isoformat(first, last)
        bad_days: dict[str, str] = {}
        with TemporaryDirectory() as folder:
            scratch = Path(folder)
            storage = open_storage(self.settings.lake)
            lake = Lake(storage, self.settings.calendar, scratch, "", breaker=self._breaker)
            lake.remember(DATASETS.values())
            engine = Engine(self.settings, scratch, [Path(self.settings.lake).absolute()])
            source = RunSnapshot(open_source(self.settings), scratch)
            with dg.build_asset_context(
                resources={
                    "engine": engine,
                    "lake": SimpleNamespace(lake=lake),
                    "source": source,
                },
                partition_key_range=dg.PartitionKeyRange(days[0], days[-1]),
                instance=self.instance,
            ) as context:
                for asset in self._assets:
                    made: Any = asset(context, **self._inputs(asset, lake, first, last))
                    (rows,) = [output.value for output in made] if isgenerator(made) else [made]
                    # A quarantine is published beside what it belongs to.
                    (path,) = {
                        "/".join(key.path) for key in asset.keys if key.path[0] != "quarantine"
                    }
                    with rows.connection:
                        report = lake.publish(DATASETS[path], rows, days, "")
                    bad_days |= {f"{path} {day}": why for day, why in report.bad_days.items()}
                    self.facts |= {(path, day): dict(facts) for day, facts in rows.facts.items()}
        return bad_days

    def _inputs(
        self, asset: dg.AssetsDefinition, lake: Lake, first: date, last: date
    ) -> dict[str, LakeTable]:
        inputs: dict[str, LakeTable] = {}
        for name, key in asset.keys_by_input_name.items():
            before = -getattr(asset.get_partition_mapping(key), "start_offset", 0)
            start = max(self.settings.start_date, first - timedelta(days=before))
            inputs[name] = lake.table(DATASETS["/".join(key.path)], _isoformat(start, last))
        return inputs


@contextmanager
def open_lake(
    settings: Settings, datasets: Iterable[str], first: date, last: date
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open days of some datasets of any lake, as any reader of Parquet would: `layer.name`."""
    with TemporaryDirectory() as scratch, duckdb.connect(config={"threads": 2}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for layer in ("raw", "cleaned", "quarantine", "metrics"):
            connection.execute(f"CREATE SCHEMA {layer}")
        storage = open_storage(settings.lake)
        for dataset in datasets:
            paths = [DATASETS[dataset].object_path(day) for day in _isoformat(first, last)]
            etags = storage.etags(dataset)
            published = {path: etags[path] for path in paths if path in etags}
            files = storage.fetch(published, Path(scratch))
            listed = ", ".join(f"'{file}'" for file in files.values())
            connection.execute(
                f"CREATE VIEW {dataset.replace('/', '.')} AS FROM read_parquet([{listed}], "
                "hive_partitioning = true, hive_types = {'date': DATE}, union_by_name = true)"
            )
        yield connection


def _isoformat(first: date, last: date) -> list[str]:
    return [day.isoformat() for day in days_between(first, last)]
