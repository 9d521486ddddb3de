"""Days made without Dagster's event log: real source, assets, engine and lake, called in turn.

Several times as fast as a run, for tests of figures: of long ranges, and of many shops. What
Dagster adds is tested through `platform.py`.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from graphlib import TopologicalSorter
from inspect import isgenerator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import dagster as dg
import duckdb

from ecom_platform.assets.metrics import METRICS
from ecom_platform.calendar import days_between
from ecom_platform.datasets import CLEANED, QUARANTINE, RAW
from ecom_platform.definitions import build_definitions
from ecom_platform.engines.duckdb import Engine
from ecom_platform.lake.publish import Lake
from ecom_platform.lake.storage import open_storage
from ecom_platform.sources import open_source
from ecom_platform.sources.run_snapshot import RunSnapshot

if TYPE_CHECKING:
    from datetime import date

    from ecom_platform.lake.publish import LakeTable
    from ecom_platform.settings import Settings

DATASETS = {d.path: d for d in (*RAW, *CLEANED, *QUARANTINE, *(m.dataset for m in METRICS))}


@dataclass
class Pipeline:
    """The assets of an environment, in the order of their dependencies.

    Args:
        settings: Of the environment.
        instance: Dagster's, which records nothing here.
    """

    settings: Settings
    instance: dg.DagsterInstance
    facts: dict[tuple[str, str], dict[str, Any]] = field(init=False, default_factory=dict)
    """(dataset, day) -> what the assets said of it."""

    def __post_init__(self) -> None:
        assets: Any = build_definitions(self.settings).assets  # without resources of their own
        made_by = {key: asset for asset in assets for key in asset.keys}
        ordered = TopologicalSorter({
            asset.node_def.name: {made_by[key].node_def.name for key in asset.keys_by_input_name.values()}
            for asset in assets
        })
        by_name = {asset.node_def.name: asset for asset in assets}
        self._assets = [by_name[name] for name in ordered.static_order()]

    def run(self, first: date, last: date) -> dict[str, str]:
        """Make the days of all datasets; return `dataset day` -> why it was not published."""
        days = _isoformat(first, last)
        bad_days: dict[str, str] = {}
        with TemporaryDirectory() as folder:
            scratch = Path(folder)
            lake = Lake(open_storage(self.settings.lake), self.settings.calendar, scratch, "")
            lake.remember(DATASETS.values())
            engine = Engine(self.settings, scratch, [Path(self.settings.lake).absolute()])
            with closing(RunSnapshot(open_source(self.settings), scratch)) as source:
                context = dg.build_asset_context(
                    resources={"engine": engine, "lake": None, "source": source},
                    partition_key_range=dg.PartitionKeyRange(days[0], days[-1]),
                    instance=self.instance,
                )
                for asset in self._assets:
                    made: Any = asset(context, **self._inputs(asset, lake, first, last))
                    rows = list(made)[0].value if isgenerator(made) else made
                    path = next(str(k.to_user_string()) for k in asset.keys if "quarantine" not in k.path)
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
            inputs[name] = lake.table(DATASETS[key.to_user_string()], _isoformat(start, last))
        return inputs


def query(settings: Settings, dataset: str, first: date, last: date, sql: str) -> list[Any]:
    """Query days of a dataset of any lake, as `dataset`, as any reader of Parquet would."""
    paths = [DATASETS[dataset].object_path(day) for day in _isoformat(first, last)]
    with TemporaryDirectory() as scratch, duckdb.connect() as connection:
        files = open_storage(settings.lake).fetch(paths, Path(scratch))
        listed = ", ".join(f"'{file}'" for file in files.values())
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            f"CREATE VIEW dataset AS SELECT * FROM read_parquet([{listed}], "
            "hive_partitioning = true, hive_types = {'date': DATE}, union_by_name = true)"
        )
        return connection.execute(sql).fetchall()


def _isoformat(first: date, last: date) -> list[str]:
    return [day.isoformat() for day in days_between(first, last)]
