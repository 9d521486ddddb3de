"""The dbt project as tests need it: copied to be changed, run by hand, and its generator."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from ecom_platform.marts import PROJECT

if TYPE_CHECKING:
    from pathlib import Path


def load_generator() -> Any:
    """Import dbt/generate.py, which is in no package."""
    spec = importlib.util.spec_from_file_location("generate_dbt", PROJECT / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def copy_project(folder: Path) -> Path:
    """Copy the project, to be changed."""
    ignored = shutil.ignore_patterns("__pycache__", "target", "logs", "*.duckdb")
    return shutil.copytree(PROJECT, folder / "dbt", ignore=ignored)


def dbt(*arguments: str, warehouse: Path, target: Path) -> subprocess.CompletedProcess[str]:
    """Run dbt on a warehouse, as an analyst does."""
    return subprocess.run(
        [
            *(sys.executable, "-c", "from dbt.cli.main import cli; cli()", "--no-use-colors"),
            *arguments,
            *("--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)),
            *("--target-path", str(target), "--log-path", str(target)),
            *("--vars", json.dumps({"warehouse": str(warehouse)})),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
