"""`ecom demo` from an empty folder, every command that it recommends, and `ecom dev`."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import psutil
import pytest

from ecom_platform.settings import CODE_LOCATION
from ecom_platform_tests.commands.harness import ecom

if TYPE_CHECKING:
    from collections.abc import Iterator

QUERY = "{assetNodes {assetKey {path} repository {location {name}}}}"
COMMAND = f"{shlex.quote(sys.executable)} -c 'from ecom_platform.cli.main import main; main()'"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where a demo is to be kept; its database is stopped at the end."""
    yield tmp_path / "a demo's folder"
    ecom("demo", "--folder", str(tmp_path / "a demo's folder"), "--stop")


def test_the_demo_shows_its_figures_and_every_command_it_names_works(
    folder: Path, tmp_path: Path
) -> None:
    # What the user has set for a shop of their own is not for the demo.
    (tmp_path / ".env").write_text('ECOM_TABLES={"orders": "my_orders"}\n')
    mine = str(tmp_path / "mine")

    done = ecom(
        "demo", "--orders", "3000", "--days", "10", "--folder", folder.name,
        ECOM_TIMEZONE="Pacific/Kiritimati", ECOM_LAKE=mine,
    )  # fmt: skip

    assert done.code == 0, done.err
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    lines = done.out.splitlines()
    week = [str(yesterday - timedelta(days=before)) for before in range(6, -1, -1)]
    figures = [line.strip("│ ").split("│") for line in lines if line.startswith("│ 20")]
    assert [day.strip() for day, *_ in figures] == week
    assert all(float(revenue.replace(",", "")) > 0 for _, revenue, *_ in figures)
    assert all(rate.strip().endswith("%") for *_, rate in figures)
    assert "materialize 10 days through Dagster" in done.out
    assert "http://localhost:3000" in done.out
    assert not (tmp_path / "mine").exists()

    # Where `ecom` is not on PATH, the demo names it by its place beside Python.
    named = [re.sub(r"^\S*/ecom ", "ecom ", line.strip()) for line in lines if line[:4] == "    "]
    page = named.pop(0)
    assert "<title>" in Path(shlex.split(page)[0]).read_text(encoding="utf-8")
    name = shlex.quote(folder.name)
    assert named[0].endswith(f"ecom dev --folder {name}")
    assert named[-1].endswith(f"ecom demo --folder {name} --stop")
    assert [command.split()[:2] for command in named[2:4]] == [["ecom", "show"], ["ecom", "doctor"]]
    (tmp_path / ".env").unlink()
    shorter = [command.replace("--for 60", "--for 3") for command in named[1:]]
    assert shorter != named[1:]
    tried = subprocess.run(
        ["/bin/sh", "-e", "-c", "\n".join([f'ecom() {{ {COMMAND} "$@"; }}', *shorter])],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert tried.returncode == 0, tried.stderr
    assert f"│ {yesterday} │ all " in tried.stdout
    assert "✓  source            payments: table payments" in tried.stdout
    assert "✗" not in tried.stdout
    assert "metrics\n" in tried.stdout


def test_a_demo_that_cannot_be_kept_there_says_so() -> None:
    done = ecom("demo", "--folder", "/dev/null/demo")

    assert (done.code, done.out) == (1, "")
    assert "Error: The demo database cannot be kept in /dev/null/demo" in done.err


#: Shells have their background jobs ignore Ctrl-C.
INTERRUPTIBLE = """
import signal
from ecom_platform.cli.main import main
signal.signal(signal.SIGINT, signal.default_int_handler)
main()
"""


def test_dev_opens_dagster_on_the_environment(folder: Path) -> None:
    assert ecom("demo", "--orders", "1000", "--days", "7", "--folder", str(folder)).code == 0
    printed = folder / "dev.log"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]  # free again at the end of the block
    with printed.open("w") as output:
        process = psutil.Popen(
            [sys.executable, "-c", INTERRUPTIBLE, "dev", "--folder", folder, "--port", str(port)],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    started: list[psutil.Process] = []
    gone: list[psutil.Process] = []
    try:
        assert "dagster_version" in _ask(f"http://127.0.0.1:{port}/server_info", process)
        nodes = _ask(f"http://127.0.0.1:{port}/graphql?query={quote(QUERY)}", process)
        nodes = nodes["data"]["assetNodes"]
        # Both services share a code server: it, too, must end with them.
        started = process.children(recursive=True)
        process.send_signal(signal.SIGINT)
        code = process.wait(timeout=90)
        gone, _ = psutil.wait_procs(started, timeout=30)
    finally:
        for one in [*started, process]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()

    assert code == 0
    assert {"path": ["metrics", "total_revenue"]} in [node["assetKey"] for node in nodes]
    assert {node["repository"]["location"]["name"] for node in nodes} == {CODE_LOCATION}
    assert len(started) >= 3
    assert len(gone) == len(started)
    lines = re.findall(r"(?im)^.*(?:warning|error|traceback).*$", printed.read_text())
    # What the checks say of the demo's data is for the log: alerts, and how `health` finds it.
    told = (" - incidents - ", "Sensor health skipped: ")
    assert [line for line in lines if not any(words in line for words in told)] == []
    # Until `ecom demo --stop`.
    database = (folder / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0]
    assert psutil.pid_exists(int(database))


def _ask(address: str, process: psutil.Popen) -> Any:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=30) as response:  # noqa: S310 - our own
                return json.load(response)
        except OSError:
            time.sleep(0.2)
    pytest.fail("Dagster does not answer")
