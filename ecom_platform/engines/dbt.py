"""Runs dbt on a warehouse, in a process of its own; what it makes is published elsewhere.

dbt keeps state of its own in a process, and its DuckDB would share the memory of ours.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecom_platform.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ecom_platform.settings import Settings

#: `dbt`, wherever it was installed to.
_DBT = "from dbt.cli.main import cli; cli()"
#: Lines that an error tells of what dbt said.
_LINES = 20


@dataclass(frozen=True)
class NodeResult:
    """What became of a model or a test.

    Args:
        status: dbt's word: `success` or `error` of a model; `pass`, `warn`, `fail` or `error` of
            a test; `skipped` of both.
        failures: Rows that a test found.
        message: What dbt says.
        seconds: How long it took.
    """

    status: str
    failures: int
    message: str
    seconds: float


def build(project: Path, warehouse: Path, settings: Settings) -> Mapping[str, NodeResult]:
    """Build and test all models on a warehouse: a DuckDB file, which gets their schemas.

    What dbt writes stands beside the warehouse. Unit tests are not run: they ask about the
    code, and are for when it is changed.

    Args:
        project: Folder of the dbt project, which is only read.
        warehouse: The file.
        settings: For memory and threads.

    Returns:
        dbt's id -> what became of it.

    Raises:
        EngineError: dbt did not get so far as to build.
    """
    target = warehouse.parent / "dbt"
    variables = {
        "warehouse": str(warehouse),
        "memory": settings.engine_memory,
        "spill": str(target / "spill"),
        "threads": settings.engine_threads or os.cpu_count(),
    }
    command = [
        *(sys.executable, "-c", _DBT, "--no-use-colors", "--no-partial-parse", "--quiet"),
        *("--no-version-check", "--no-send-anonymous-usage-stats", "--log-path", str(target)),
        *("build", "--exclude-resource-type", "unit_test", "--target-path", str(target)),
        *("--project-dir", str(project), "--profiles-dir", str(project)),
        *("--vars", json.dumps(variables)),
    ]
    # Someone's own settings of dbt are for their own work.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DBT_")}
    done = subprocess.run(  # noqa: S603 - our own
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    results = target / "run_results.json"
    if not results.exists():
        said = "\n".join(done.stdout.strip().splitlines()[-_LINES:])
        raise EngineError(
            f"dbt could not run (exit code {done.returncode}):\n{said}",
            hint="Correct the project in ecom_platform/dbt, and try it: make marts",
        )
    return {
        found["unique_id"]: NodeResult(
            found["status"],
            found["failures"] or 0,
            found["message"] or "",
            found["execution_time"],
        )
        for found in json.loads(results.read_text(encoding="utf-8"))["results"]
    }
