"""Whether the README and the docs say what is true: their commands run, their names exist.

Links between pages are checked by `make docs`.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ecom_platform.instance import DEPLOYMENT_VARIABLES
from ecom_platform.settings import Settings
from ecom_platform.sources.demo_shop import DemoShop, load_demo_shop
from ecom_platform.sources.embedded_postgres import stop_postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecom_platform_tests.sources.postgres_database import Database

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")])

#: What is not run here: .ci/run does it, or it serves a page until it is interrupted.
RUN_BY_CI = {"make install", "make demo", "make test", "make examples"}
SERVES = {"make dev", "ecom dev"}
#: The address of a database in the README, which becomes that of a test's.
ADDRESS = "postgresql://reader:secret@db.example.com/shop?sslmode=require"

FENCE = re.compile(
    r"(?:<!-- ends with exit code (?P<code>\d) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
SHELL = ("bash", "console")


@dataclass(frozen=True)
class Block:
    """A block of code: its language, its text, the exit code that the page tells."""

    language: str
    text: str
    code: int


def blocks(page: Path) -> list[Block]:
    return [
        Block(found["language"], found["text"], int(found["code"] or 0))
        for found in FENCE.finditer(page.read_text(encoding="utf-8"))
    ]


def code(page: Path) -> Iterator[str]:
    """Yield the lines of shell blocks and the code in prose."""
    for block in blocks(page):
        if block.language in SHELL:
            yield from block.text.replace("\\\n", " ").splitlines()
    yield from re.findall(r"`([^`\n]+)`", FENCE.sub("", page.read_text(encoding="utf-8")))


def words_after(program: str) -> Iterator[tuple[str, list[str]]]:
    """Yield page and arguments of every call of a program."""
    call = re.compile(rf"(?:^|[\s/;&|(]){program}(?= )([^;&|#)]*)")
    for page in PAGES:
        for line in code(page):
            for arguments in call.findall(line):
                yield page.name, arguments.split()


def load_reference() -> Any:
    """Import docs/generate_reference.py, which is in no package."""
    name = "generate_reference"
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec
    assert spec.loader
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --------------------------------------------------------------------------- reference


def test_the_reference_is_what_the_code_says() -> None:
    pages = load_reference().pages()
    folder = DOCS / "reference"
    written = {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()}
    del written["sources.md"]  # what is promised is not in the code
    for name in ("aws-stack.md", "aws-costs.md"):
        del written[name]  # written from the templates, with which deploy/test_cdk_docs.py compares
    assert written == pages, "run: .venv/bin/python docs/generate_reference.py"


# --------------------------------------------------------------------------- names


def test_every_setting_that_is_mentioned_exists() -> None:
    known = {f"ECOM_{name.upper()}" for name in Settings.model_fields}.union(DEPLOYMENT_VARIABLES)
    mentioned = {
        (page.name, name)
        for page in PAGES
        for name in re.findall(r"\bECOM_[A-Z][A-Z_]*[A-Z]\b", page.read_text(encoding="utf-8"))
    }
    assert len(mentioned) > len(known)
    assert {(page, name) for page, name in mentioned if name not in known} == set()


def test_every_check_has_a_section_in_the_runbook_and_no_other() -> None:
    listed = (DOCS / "reference/checks.md").read_text(encoding="utf-8")
    runbook = (DOCS / "runbooks/checks.md").read_text(encoding="utf-8")
    checks = set(re.findall(r"checks\.md#(\w+)\)", listed))
    assert checks == set(re.findall(r"^## (\w+)$", runbook, re.MULTILINE))


def test_every_command_that_is_mentioned_exists_with_its_options() -> None:
    known = load_reference().spellings()
    calls = [
        (page, words)
        for page, words in words_after("ecom")
        if re.fullmatch("[a-z]+", words[0])  # and no placeholder
    ]
    groups = {name.split()[0] for name in known if " " in name}
    calls = [
        (page, [" ".join(words[:2]), *words[2:]] if words[0] in groups else words)
        for page, words in calls
    ]
    wrong = {
        (page, " ".join([command, *words]))
        for page, (command, *words) in calls
        if not {word for word in words if word.startswith("-")} <= known.get(command, set())
        or command not in known
    }
    assert {command for _, (command, *_) in calls} == set(known)
    assert wrong == set()


def test_every_make_target_that_is_mentioned_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    calls = {(page, words[0]) for page, words in words_after("make") if words[0].islower()}
    assert len(calls) > 1
    assert {(page, target) for page, target in calls if target not in targets} == set()


def test_every_file_that_the_readme_links_to_exists() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text)
    local = [link for link in links if "://" not in link]
    assert len(local) > 1
    assert [link for link in local if not (ROOT / link).exists()] == []


def test_every_graphql_query_fits_dagster() -> None:
    from dagster_graphql.schema import create_schema
    from graphql import parse, validate

    schema = create_schema().graphql_schema
    queries = [
        query
        for page in PAGES
        for block in blocks(page)
        if block.language == "python"
        for query in re.findall(r'"""\s*((?:query|mutation)\b.*?)"""', block.text, re.DOTALL)
    ]
    assert len(queries) > 1
    assert [str(error) for query in queries for error in validate(schema, parse(query))] == []


# --------------------------------------------------------------------------- commands


@pytest.mark.parametrize("command", sorted(RUN_BY_CI))
def test_what_is_not_run_here_is_run_by_ci(command: str) -> None:
    assert command in (ROOT / ".ci" / "run").read_text()


class Terminal:
    """A shell that runs blocks of pages one after the other, in a copy of the repository.

    Args:
        home: An empty folder: the user's home, and where the copy is made.
    """

    def __init__(self, home: Path) -> None:
        self._state = home / ".state"
        self._copy = home / "repository"
        shutil.copytree(
            ROOT / "ecom_platform",
            self._copy / "ecom_platform",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        programs = home / ".programs"
        programs.mkdir()
        # The command of an environment in which nothing was installed, not even the project.
        main = "from ecom_platform.cli.main import main; main()"
        ecom = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c "{main}" "$@"\n'
        (programs / "ecom").write_text(ecom)
        (programs / "ecom").chmod(0o755)
        path = [str(programs), str(Path(sys.executable).parent), os.environ["PATH"]]
        self._environment = {
            "PATH": os.pathsep.join(path),
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "PYTHONUTF8": "1",
            "PYTHONUNBUFFERED": "1",  # what is printed comes in the order a terminal shows it in
            "PYTHONPATH": str(self._copy),
        }
        self._state.write_text(f"cd {shlex.quote(str(self._copy))}\n")

    def run(self, block: Block, replaced: dict[str, str]) -> str:
        """Run a block with what the blocks before have exported; return what it printed."""
        lines = [line for line in block.text.splitlines() if line.strip() not in RUN_BY_CI | SERVES]
        text = "\n".join(line.removeprefix("$ ") for line in lines)
        for old, new in replaced.items():
            text = text.replace(old, new)
        state = shlex.quote(str(self._state))
        keep = f'trap \'{{ export -p; echo cd "$(printf %q "$PWD")"; }} > {state}\' EXIT'
        bash = shutil.which("bash")
        assert bash
        done = subprocess.run(
            [bash, "-c", f". {state}\n{keep}\nset -eo pipefail\n{text}"],
            check=False,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        assert done.returncode == block.code, f"{text}\n\n{done.stdout}"
        return done.stdout

    def declare_metric(self, declaration: str) -> None:
        """Do what a reader does in an editor: add an entry to METRICS."""
        file = self._copy / "ecom_platform" / "assets" / "metrics.py"
        first = "METRICS = (\n"
        source = file.read_text()
        assert first in source
        file.write_text(source.replace(first, f"{first}{declaration.rstrip()},\n"))


def plain(text: str) -> str:
    return " ".join(text.split())


def read_pages(terminal: Terminal, *pages: str, **replaced: str) -> None:
    """Run the pages as a reader would; each output shown must be among what was printed."""
    for page in pages:
        printed = ""
        for block in blocks(ROOT / page):
            if block.language in SHELL:
                printed = terminal.run(block, replaced)
            elif block.language == "text" and printed:
                shown = ".*?".join(re.escape(plain(part)) for part in block.text.split("…"))
                assert re.search(shown, plain(printed)), f"{page}\n{block.text}\nbut:\n{printed}"
            elif block.text.startswith("Metric("):
                terminal.declare_metric(block.text)


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


@pytest.mark.examples
def test_the_commands_of_the_readme_run(terminal: Terminal, database: Database) -> None:
    load_demo_shop(database.url, DemoShop(date(2025, 3, 1), date(2025, 3, 7), orders=1000))
    read_pages(terminal, "README.md", **{ADDRESS: database.url})


@pytest.mark.examples
def test_the_tutorial_of_files_runs(terminal: Terminal) -> None:
    read_pages(
        terminal,
        "docs/tutorial/first-numbers.md",
        "docs/tutorial/bad-data.md",
        "docs/tutorial/your-metric.md",
        "docs/how-to/read-the-lake.md",
    )


@pytest.mark.examples
def test_the_tutorial_of_a_database_runs(terminal: Terminal, tmp_path: Path) -> None:
    try:
        read_pages(terminal, "docs/tutorial/your-database.md")
    finally:
        stop_postgres(tmp_path / "ecom-database" / "demo" / "postgres")


@pytest.mark.examples
def test_the_tutorial_of_a_changing_number_runs(terminal: Terminal, tmp_path: Path) -> None:
    smaller = {"--orders 20000 --days 60": "--orders 2000 --days 10", "--for 20": "--for 8"}
    try:
        read_pages(terminal, "docs/tutorial/watch-a-number-change.md", **smaller)
    finally:
        stop_postgres(tmp_path / "repository" / ".demo" / "postgres")
