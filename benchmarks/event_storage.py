"""What one event costs: Dagster's own event logs beside ours, which keep connections.

In SQLite, and in PostgreSQL over a socket of this machine: without TLS and without a network,
which make each new connection dearer.

Run: python benchmarks/event_storage.py [EVENTS]
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import dagster as dg
import psycopg
from dagster._core.events import AssetMaterializationPlannedData, DagsterEvent, DagsterEventType

from ecom_platform.commands.run import INSTANCE
from ecom_platform.sources.embedded_postgres import embedded_postgres

if TYPE_CHECKING:
    from collections.abc import Callable

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


def compare(name: str, instances: Callable[[], tuple[str, str]], events: int) -> None:
    """Measure two instances, in turns, and print milliseconds an event and their ratio.

    Args:
        name: Of what they store events in.
        instances: Makes the `dagster.yaml` of Dagster's own and of ours, on empty storage.
        events: Of each kind.
    """
    rounds: list[tuple[dict[str, float], dict[str, float]]] = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as own, tempfile.TemporaryDirectory() as kept:
            for home, instance in zip((own, kept), instances(), strict=True):
                (Path(home) / "dagster.yaml").write_text(instance)
            rounds.append((seconds(Path(own), events), seconds(Path(kept), events)))
    for kind in rounds[0][0]:
        own, kept = (sorted(r[side][kind] for r in rounds)[1] / events * 1000 for side in (0, 1))
        print(f"{name:11} {kind:14} {own:11.2f} {kept:9.2f} {own / kept:6.1f}")


def in_postgres(server: str) -> tuple[str, str]:
    """Make two databases, and the instances that store in them."""
    instances: list[str] = []
    for storage in (
        "postgres: {{postgres_url: '{}'}}",
        (
            "custom: {{module: ecom_platform.instance.postgres, class: PostgresStorage, "
            "config: {{postgres_url: '{}'}}}}"
        ),
    ):
        name = f"events_{uuid4().hex}"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"create database {name}")
        url = server.replace("postgresql:", "postgresql+psycopg2:").replace(
            "/postgres?", f"/{name}?"
        )
        instances.append(f"storage: {{{storage.format(url)}}}\ntelemetry: {{enabled: false}}\n")
    return instances[0], instances[1]


def main() -> None:
    """Measure both kinds of storage."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    print(f"{'storage':11} {'event':14} {'Dagster ms':>11} {'kept ms':>9} {'ratio':>6}   (medians)")
    compare("SQLite", lambda: ("telemetry: {enabled: false}\n", INSTANCE), events)
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        embedded_postgres(Path(folder)) as server,
    ):
        compare("PostgreSQL", lambda: in_postgres(server), events)


if __name__ == "__main__":
    main()
