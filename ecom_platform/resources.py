"""What a run holds: a scratch folder, the engine, the lake, a snapshot of the source.

The one place that says which lake and which source an environment has.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import dagster as dg

from ecom_platform.automation.catalog import path_of
from ecom_platform.automation.runs import datasets_of, days_of
from ecom_platform.datasets import RAW
from ecom_platform.engines.duckdb import Engine
from ecom_platform.errors import EcomError
from ecom_platform.lake.breaker import ACCEPT_LOSS_TAG, ACCEPTED, CircuitBreaker
from ecom_platform.lake.claims import claim_days
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
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ecom_platform.datasets import Dataset
    from ecom_platform.lake.claims import Hold
    from ecom_platform.settings import Settings


def build_resources(
    settings: Settings, datasets: Sequence[Dataset], assets: Iterable[object]
) -> dict[str, dg.ResourceDefinition]:
    """Build the resources that the assets ask for: `engine`, `claim`, `lake`, `source`.

    Args:
        settings: Which lake, which source, how much memory.
        datasets: All that the lake holds.
        assets: What makes them.

    Raises:
        SettingsError: The file of thresholds says what is none.
    """
    known = {dataset.path for dataset in datasets}
    limits = load_thresholds(settings.thresholds, known).losses
    reads = {
        path_of(key): {path_of(dependency) for dependency in dependencies}
        for made in assets
        if isinstance(made, dg.AssetsDefinition)
        for key, dependencies in made.asset_deps.items()
    }

    @dg.resource(description="Runs the SQL files, in a scratch folder of the run's own.")
    def engine(_: dg.InitResourceContext) -> Iterator[Engine]:
        storage = open_storage(settings.lake)
        lake = [storage.root] if isinstance(storage, FolderStorage) else []
        with scratch_folder() as scratch:
            yield Engine(settings, scratch, lake)

    @dg.resource(
        description="The run's claim on its days, from its start to its end.",
        required_resource_keys={"engine"},
    )
    def claim(context: dg.InitResourceContext) -> Iterator[Hold | None]:
        with explain_errors(None):
            hold = _claim(context, settings, datasets, reads)
        try:
            yield hold
        finally:
            if hold:
                with suppress(EcomError):  # it is dropped by others in time
                    hold.end()

    @dg.io_manager(
        description=f"Partitions of the lake {settings.lake}",
        required_resource_keys={"engine", "claim"},
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
            # First, so that what older runs publish from then on is known to be theirs.
            context.resources.claim,
        )
        with explain_errors(None):
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

    return {"engine": engine, "claim": claim, "lake": lake, "source": source}


def _claim(
    context: dg.InitResourceContext,
    settings: Settings,
    datasets: Sequence[Dataset],
    reads: Mapping[str, set[str]],
) -> Hold | None:
    """Claim the days of a run; None for one that publishes none."""
    run, instance = context.run, context.instance
    days = days_of(run.tags) if run else []
    writes = datasets_of(run, datasets) if run else []
    if run is None or instance is None or not days or not writes:
        return None

    def is_over(run_id: str) -> bool:
        found = instance.get_run_by_id(run_id)
        return found is not None and found.is_finished

    return claim_days(
        open_storage(settings.lake),
        context.resources.engine.scratch,
        run.run_id,
        (days[0], days[-1]),
        writes,
        {above for path in writes for above in reads.get(path, ())},
        is_over,
    )
