"""What a run holds: a scratch folder, the engine, the lake, a snapshot of the source.

The one place that says which lake and which source an environment has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from ecom_platform.datasets import RAW
from ecom_platform.engines.duckdb import Engine
from ecom_platform.lake.breaker import ACCEPT_LOSS_TAG, ACCEPTED, CircuitBreaker
from ecom_platform.lake.failures import explain_errors
from ecom_platform.lake.io_manager import LakeIOManager
from ecom_platform.lake.ledger import BACKFILL, CAUSE_TAG
from ecom_platform.lake.publish import Lake
from ecom_platform.lake.storage import FolderStorage, open_storage
from ecom_platform.quality.thresholds import load_thresholds
from ecom_platform.scratch import scratch_folder
from ecom_platform.settings import SOURCE_COLUMNS
from ecom_platform.sources import open_source
from ecom_platform.sources.run_snapshot import RunSnapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ecom_platform.datasets import Dataset
    from ecom_platform.settings import Settings


def build_resources(
    settings: Settings, datasets: Sequence[Dataset]
) -> dict[str, dg.ResourceDefinition]:
    """Build the resources that the assets ask for: `engine`, `lake`, `source`.

    Args:
        settings: Which lake, which source, how much memory.
        datasets: All that the lake holds.

    Raises:
        SettingsError: The file of thresholds says what is none.
    """
    known = {dataset.path for dataset in datasets}
    limits = load_thresholds(settings.thresholds, known).losses

    @dg.resource(description="Runs the SQL files, in a scratch folder of the run's own.")
    def engine(_: dg.InitResourceContext) -> Iterator[Engine]:
        storage = open_storage(settings.lake)
        lake = [storage.root] if isinstance(storage, FolderStorage) else []
        with scratch_folder() as scratch:
            yield Engine(settings, scratch, lake)

    @dg.io_manager(
        description=f"Partitions of the lake {settings.lake}",
        required_resource_keys={"engine"},
    )
    def lake(context: dg.InitResourceContext) -> LakeIOManager:
        engine: Engine = context.resources.engine
        tags = context.run.tags if context.run else {}
        opened = Lake(
            open_storage(settings.lake),
            settings.calendar,
            engine.scratch,
            context.run.run_id if context.run else "",
            tags.get(CAUSE_TAG, BACKFILL),
            CircuitBreaker(limits, tags.get(ACCEPT_LOSS_TAG, "").lower() == ACCEPTED),
        )
        with explain_errors(settings.retry_seconds):
            opened.remember(datasets)
        return LakeIOManager(opened, engine, {dataset.path: dataset for dataset in datasets})

    @dg.resource(
        description=f"One snapshot of the source ({settings.source_kind}) for each run.",
        required_resource_keys={"engine"},
    )
    def source(context: dg.InitResourceContext) -> RunSnapshot:
        engine: Engine = context.resources.engine
        selected = context.run.asset_selection if context.run else None
        tables = [raw.name for raw in RAW if dg.AssetKey(raw.path.split("/")) in (selected or ())]
        # Of a whole job, nothing is selected.
        return RunSnapshot(
            open_source(settings), engine.scratch, SOURCE_COLUMNS if selected is None else tables
        )

    return {"engine": engine, "lake": lake, "source": source}
