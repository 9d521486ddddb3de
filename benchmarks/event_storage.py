"""What one event costs: Dagster's own SQLite event log beside ours, which keeps connections.

Run: python benchmarks/event_storage.py [EVENTS]
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import dagster as dg
from dagster._core.events import AssetMaterializationPlannedData, DagsterEvent, DagsterEventType

from ecom_platform.commands.run import INSTANCE

KEY = dg.AssetKey(["metrics", "total_revenue"])


def seconds(home: Path, events: int) -> dict[str, float]:
    """Return seconds by kind of event, stored one by one in the instance of `home`."""
    os.environ["DAGSTER_HOME"] = str(home)
    found: dict[str, float] = {}
    with dg.DagsterInstance.get() as instance:

        @dg.op
        def nothing() -> None:
            pass

        @dg.job
        def empty() -> None:
            nothing()

        run = instance.create_run_for_job(empty)
        for kind in ("planned", "materialized", "checked"):
            start = time.perf_counter()
            for number in range(events):
                instance.report_dagster_event(event(kind, str(number)), run.run_id)
            found[kind] = time.perf_counter() - start
    return found


def event(kind: str, partition: str) -> DagsterEvent:
    """Return an event of a partition, as a range run records it."""
    types = {
        "planned": (
            DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
            AssetMaterializationPlannedData(KEY, partition=partition),
        ),
        "materialized": (
            DagsterEventType.ASSET_MATERIALIZATION,
            dg.AssetMaterialization(KEY, partition=partition, metadata={"rows": 1}),
        ),
        "checked": (
            DagsterEventType.ASSET_CHECK_EVALUATION,
            dg.AssetCheckEvaluation(KEY, "check", passed=True, partition=partition),
        ),
    }
    of_type, data = types[kind]
    if isinstance(data, dg.AssetMaterialization):
        from dagster._core.events import StepMaterializationData

        data = StepMaterializationData(data, [])
    return DagsterEvent(of_type.value, "empty", step_key="nothing", event_specific_data=data)


def main() -> None:
    """Measure both, in turns, and print milliseconds an event and their ratio."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    rounds: list[tuple[dict[str, float], dict[str, float]]] = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as own, tempfile.TemporaryDirectory() as kept:
            (Path(own) / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
            (Path(kept) / "dagster.yaml").write_text(INSTANCE)
            rounds.append((seconds(Path(own), events), seconds(Path(kept), events)))
    print(f"{'event':14} {'Dagster ms':>11} {'kept ms':>9} {'ratio':>6}   (medians of 3 rounds)")
    for kind in rounds[0][0]:
        own, kept = (sorted(r[side][kind] for r in rounds)[1] / events * 1000 for side in (0, 1))
        print(f"{kind:14} {own:11.2f} {kept:9.2f} {own / kept:6.1f}")


if __name__ == "__main__":
    main()
