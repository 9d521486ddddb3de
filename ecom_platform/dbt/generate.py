"""Writes models/sources.yml from the declarations, and manifest.json from the dbt project.

Usage: python ecom_platform/dbt/generate.py

The manifest is what Dagster loads the marts from, so that loading does not parse the project. It
holds only what is used, in a stable order. A test compares both files with what this makes.
"""  # noqa: INP001 - a script beside the files it writes

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ecom_platform.assets.metrics import METRICS
from ecom_platform.datasets import CLEANED, QUARANTINE, Column, Type

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ecom_platform.datasets import Dataset

PROJECT = Path(__file__).parent
DBT = "from dbt.cli.main import cli; cli()"
NOTE = "# Written by ecom_platform/dbt/generate.py (make marts); do not edit."
#: What Dagster is told of a model, and of a test.
MODEL = ("name", "resource_type", "unique_id", "package_name", "fqn", "original_file_path",
         "description", "raw_code")  # fmt: skip


def sources() -> str:
    """Return the text of models/sources.yml: every table of the warehouse."""
    datasets = (*CLEANED, *QUARANTINE, *(metric.dataset for metric in METRICS))
    lines = [NOTE, "version: 2", "", "sources:"]
    for layer, members in groupby(datasets, key=lambda dataset: dataset.layer):
        lines += [f"  - name: {layer}", "    tables:"]
        lines += [line for dataset in members for line in _table(dataset)]
    return "\n".join(lines) + "\n"


def _table(dataset: Dataset) -> Iterator[str]:
    yield f"      - name: {dataset.name}"
    yield f"        description: {_quoted(f'{dataset.description} Grain: {dataset.grain}.')}"
    yield "        columns:"
    for column in (Column("date", Type.DATE, "Business day"), *dataset.columns):
        yield f"          - name: {column.name}"
        yield f"            description: {_quoted(column.description)}"
        if column.type is not Type.ID:  # which keeps the source's type
            yield f"            data_type: {column.type.lower()}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # which YAML reads as it is


def manifest(project: Path = PROJECT) -> str:
    """Return the text of manifest.json.

    Args:
        project: Folder of the dbt project.

    Raises:
        SystemExit: dbt cannot parse the project; what it says was printed.
    """
    with TemporaryDirectory() as target:
        command = [sys.executable, "-c", DBT, "--quiet", "--no-partial-parse", "parse"]
        folders = ["--project-dir", project, "--profiles-dir", project]
        outputs = ["--target-path", target, "--log-path", target]
        done = subprocess.run([*command, *folders, *outputs], check=False)  # noqa: S603 - our own
        if done.returncode:
            raise SystemExit(done.returncode)
        parsed = json.loads(Path(target, "manifest.json").read_text(encoding="utf-8"))
    return json.dumps(slim(parsed), indent=1, ensure_ascii=False) + "\n"


def slim(parsed: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the marts, their tests and their sources; intermediate models become part of marts."""
    nodes: dict[str, Any] = {}
    for key, node in sorted(parsed["nodes"].items()):
        if _is_mart(node):
            nodes[key] = _pick(node, MODEL) | {
                "columns": {
                    name: _pick(column, ("name", "description", "data_type"))
                    for name, column in node["columns"].items()
                },
                "config": _pick(node["config"], ("enabled", "materialized", "meta")),
                "checksum": {"name": "sha256", "checksum": _version(key, parsed)},
            }
        elif node["resource_type"] == "test":
            nodes[key] = _pick(node, MODEL) | {
                "attached_node": node.get("attached_node") or _tested(node, parsed),
                "config": _pick(node["config"], ("enabled", "severity")),
                # Of a generic test, the query is in its macro.
                "raw_code": "" if "attached_node" in node else node["raw_code"],
            }
    parents = {key: sorted(set(_parents(key, parsed))) for key in nodes}
    for key, node in nodes.items():
        node["depends_on"] = {"nodes": parents[key]}
    used = {key for found in parents.values() for key in found} - nodes.keys()
    children: dict[str, list[str]] = {key: [] for key in [*nodes, *sorted(used)]}
    for key, found in parents.items():
        for parent in found:
            children[parent].append(key)
    return {
        "metadata": _pick(parsed["metadata"], ("project_name", "adapter_type")),
        "nodes": nodes,
        "sources": {
            key: _pick(
                parsed["sources"][key],
                ("name", "source_name", "resource_type", "unique_id", "package_name", "fqn"),
            )
            | {"config": {"enabled": True}}
            for key in sorted(used)
        },
        "parent_map": parents,
        "child_map": {key: sorted(found) for key, found in children.items()},
        **{kind: {} for kind in ("metrics", "exposures", "groups")},
    }


def _pick(node: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: node[name] for name in names if name in node}


def _is_mart(node: Mapping[str, Any]) -> bool:
    return node["resource_type"] == "model" and node["fqn"][1] == "marts"


def _parents(key: str, parsed: Mapping[str, Any]) -> Iterator[str]:
    """Yield the sources and marts that a node reads, through intermediate models."""
    for parent in parsed["nodes"][key]["depends_on"]["nodes"]:
        if parent in parsed["sources"] or _is_mart(parsed["nodes"][parent]):
            yield parent
        else:
            yield from _parents(parent, parsed)


def _tested(node: Mapping[str, Any], parsed: Mapping[str, Any]) -> str:
    """Return the mart that a test of one file is of: its name begins with the mart's."""
    marts = {n["name"]: key for key, n in parsed["nodes"].items() if _is_mart(n)}
    found = [name for name in marts if node["name"].startswith(f"{name}_")]
    if not found:
        raise SystemExit(f"{node['original_file_path']}: begin its name with that of a mart.")
    return marts[max(found, key=len)]


def _version(key: str, parsed: Mapping[str, Any]) -> str:
    """Return a hash of the SQL of a mart and of all between it and the lake, macros included."""
    models = {key}
    waiting = [key]
    while waiting:
        for parent in parsed["nodes"][waiting.pop()]["depends_on"]["nodes"]:
            if parent in parsed["nodes"] and parent not in models:
                models.add(parent)
                waiting.append(parent)
    own = {m for node in models for m in parsed["nodes"][node]["depends_on"]["macros"]}
    texts = [parsed["nodes"][model]["raw_code"] for model in sorted(models)]
    project = parsed["metadata"]["project_name"]
    texts += [
        parsed["macros"][m]["macro_sql"]
        for m in sorted(own)
        if parsed["macros"][m]["package_name"] == project
    ]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:12]


if __name__ == "__main__":
    (PROJECT / "models" / "sources.yml").write_text(sources(), encoding="utf-8")
    (PROJECT / "manifest.json").write_text(manifest(), encoding="utf-8")
