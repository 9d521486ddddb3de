"""Dagster's web page as tests use it: started by `ecom dev` on a demo, and asked in GraphQL."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

from ecom_platform.calendar import days_between

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

#: Processes are started and runs are executed; Dagster's daemon looks twice a minute.
PATIENCE = 500

RUNS = """
query Runs($backfill: String!) {
  runsOrError(filter: {tags: [{key: "dagster/backfill", value: $backfill}]}) {
    ... on Runs { results { id status tags { key value } assetSelection { path } } }
  }
}
"""
BACKFILL = """
query Backfill($backfill: String!) {
  partitionBackfillOrError(backfillId: $backfill) { ... on PartitionBackfill { status } }
}
"""
RUN = "query Run($run: ID!) { runOrError(runId: $run) { ... on Run { status } } }"
ASSET = """
query Asset($asset: AssetKeyInput!) {
  assetNodeOrError(assetKey: $asset) {
    ... on AssetNode {
      assetPartitionStatuses {
        ... on TimePartitionStatuses { ranges { status startKey endKey } }
      }
    }
  }
}
"""
CHECK = """
query Check($asset: AssetKeyInput!, $check: String!) {
  assetNodeOrError(assetKey: $asset) {
    ... on AssetNode {
      assetCheckOrError(checkName: $check) {
        ... on AssetCheck {
          partitionStatuses {
            ... on AssetCheckTimePartitionStatuses { ranges { status startKey endKey } }
          }
        }
      }
    }
  }
}
"""


@dataclass(frozen=True)
class BackfillRun:
    """A run of a backfill: its first and last day, its assets, how it ended."""

    first: str
    last: str
    assets: set[str]
    status: str


@dataclass(frozen=True)
class DagsterUI:
    """A running Dagster.

    Args:
        url: Of its page.
        output: What it has printed.
    """

    url: str
    output: Path

    def ask(self, query: str, **variables: Any) -> Any:
        """Ask its GraphQL interface."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = Request(  # noqa: S310 - of this machine
            f"{self.url}/graphql", body, {"Content-Type": "application/json"}
        )
        with urlopen(request, timeout=60) as response:  # noqa: S310 - as above
            answer = json.load(response)
        assert "errors" not in answer, answer
        return answer["data"]

    def finished_backfill(self, backfill: str) -> tuple[str, list[BackfillRun]]:
        """Wait for the end of a backfill; return its status, and its runs by their days."""

        def status() -> str:
            return self.ask(BACKFILL, backfill=backfill)["partitionBackfillOrError"]["status"]

        wait_until(lambda: status() not in {"REQUESTED", "COMPLETING"}, f"backfill {backfill}")
        runs: list[BackfillRun] = []
        for run in self.ask(RUNS, backfill=backfill)["runsOrError"]["results"]:
            tags = {tag["key"]: tag["value"] for tag in run["tags"]}
            if "dagster/asset_partition_range_start" not in tags:
                continue  # of the pages, which have no days
            runs.append(
                BackfillRun(
                    tags["dagster/asset_partition_range_start"],
                    tags["dagster/asset_partition_range_end"],
                    {"/".join(asset["path"]) for asset in run["assetSelection"]},
                    run["status"],
                )
            )
        return status(), sorted(runs, key=lambda run: run.first)

    def run_status(self, run: str) -> str:
        """Return the status of a run."""
        return self.ask(RUN, run=run)["runOrError"]["status"]

    def finished_run(self, run: str) -> str:
        """Wait for the end of a run; return its status."""
        ended = {"SUCCESS", "FAILURE", "CANCELED"}
        wait_until(lambda: self.run_status(run) in ended, f"run {run}")
        return self.run_status(run)

    def asset_statuses(self, asset: str) -> dict[str, str]:
        """Return day -> status, `MATERIALIZED` or `FAILED`, of the days that have one."""
        answer = self.ask(ASSET, asset={"path": asset.split("/")})["assetNodeOrError"]
        return _by_day(answer["assetPartitionStatuses"]["ranges"])

    def check_statuses(self, asset: str, check: str) -> dict[str, str]:
        """Return day -> status, `SUCCEEDED` or `FAILED`, of the days that have one."""
        answer = self.ask(CHECK, asset={"path": asset.split("/")}, check=check)["assetNodeOrError"]
        return _by_day(answer["assetCheckOrError"]["partitionStatuses"]["ranges"])


def _by_day(ranges: list[dict[str, str]]) -> dict[str, str]:
    return {
        day.isoformat(): span["status"]
        for span in ranges
        for day in days_between(
            date.fromisoformat(span["startKey"]), date.fromisoformat(span["endKey"])
        )
    }


def wait_until(done: Callable[[], bool], what: str) -> None:
    """Wait until something is so; fail when it is not in time."""
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end, f"{what}: not within {PATIENCE} s"
        time.sleep(0.5)


def ecom_command(*arguments: str) -> list[str]:
    """Return how `ecom` is called with this Python."""
    return [sys.executable, "-c", "from ecom_platform.cli.main import main; main()", *arguments]


def own_environment() -> dict[str, str]:
    """Return an environment without settings of the developer's."""
    ours = ("ECOM_", "AWS_", "DAGSTER_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {"PYTHONPATH": os.pathsep.join(sys.path)}


@contextmanager
def dagster_dev(folder: Path) -> Generator[DagsterUI]:
    """Run `ecom dev` on the folder of a demo, until the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    output = folder / "dagster-dev.log"
    with output.open("w") as file:
        process = subprocess.Popen(
            ecom_command("dev", "--folder", str(folder), "--port", str(port)),
            env=own_environment() | {"NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that all its processes can be ended together
        )
    try:
        wait_until(
            lambda: process.poll() is not None or "Serving dagster" in output.read_text(),
            "starting Dagster",
        )
        assert process.poll() is None, output.read_text()
        yield DagsterUI(f"http://127.0.0.1:{port}", output)
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and those it has started, runs included."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=10)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
