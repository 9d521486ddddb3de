"""The compose stack: what its files promise, and a day made by the commands that stand in it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from ecom_platform import __version__
from ecom_platform.settings import Settings
from ecom_platform_tests.comparisons import assert_metrics_equal
from ecom_platform_tests.deploy.compose import (
    EXAMPLE,
    FOLDER,
    VARIABLE,
    Service,
    by_tcp,
    compose,
    free_port,
    launch_day,
    services,
    variables,
)
from ecom_platform_tests.oracle import Customer, Order, Payment, Shop, metrics
from ecom_platform_tests.shop_writers import write_csv
from ecom_platform_tests.ui.dagster_ui import DagsterUI, own_environment, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY = date(2024, 3, 1)
NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
SHOP = Shop(
    [Order(1, 1, Decimal("12.50"), NOON, "paid"), Order(2, 2, Decimal("7.25"), NOON, "paid")],
    [
        Customer(1, "a@example.invalid", "North", DAY),
        Customer(2, "b@example.invalid", "South", DAY),
    ],
    [
        Payment(1, 1, Decimal("12.50"), "paid", NOON),
        Payment(2, 2, Decimal("7.25"), "failed", NOON),
    ],
)
FILLED_IN = {"POSTGRES_PASSWORD": "x", "ECOM_EMAIL_HMAC_KEY": "k" * 32}
ENV = variables(EXAMPLE) | FILLED_IN
FILE = compose(ENV)
SERVICES: dict[str, Any] = FILE["services"]
#: Those that stay.
SERVERS = {name: service for name, service in SERVICES.items() if service["restart"] != "no"}


def test_every_variable_is_in_the_example_and_all_there_are_used() -> None:
    used = {found[1] for found in VARIABLE.finditer((FOLDER / "compose.yaml").read_text())}
    settings = {f"ECOM_{name.upper()}" for name in Settings.model_fields}
    example = set(variables(EXAMPLE))
    assert used <= example
    assert example - used <= settings


def test_only_what_differs_everywhere_is_left_to_be_filled_in() -> None:
    empty = {name for name, value in variables(EXAMPLE).items() if not value}
    assert empty == set(FILLED_IN)


def test_the_example_names_the_image_that_make_image_builds() -> None:
    assert ENV["IMAGE"] == f"ecom-platform:{__version__}"


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_may_do_little(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "mem_limit" in service
    assert not {"privileged", "cap_add", "devices", "network_mode", "pid"} & set(service)


def test_all_that_stays_is_looked_after_and_waited_for() -> None:
    assert all(s["restart"] == "unless-stopped" and "healthcheck" in s for s in SERVERS.values())
    waits = [wait for s in SERVICES.values() for wait in s.get("depends_on", {}).items()]
    for name, wait in waits:
        ends = SERVICES[name]["restart"] == "no"
        assert wait["condition"] == (
            "service_completed_successfully" if ends else "service_healthy"
        )


def test_only_this_machine_reaches_the_page_and_nobody_the_database() -> None:
    assert {name: s["ports"] for name, s in SERVICES.items() if "ports" in s} == {
        "webserver": ["127.0.0.1:3000:3000"]
    }
    assert SERVICES["postgres"]["networks"] == ["storage"]
    assert FILE["networks"]["storage"] == {"internal": True}


def test_only_the_code_server_knows_the_shop_and_has_the_lake() -> None:
    assert [name for name, s in SERVICES.items() if "env_file" in s] == ["code-server"]
    mounts = {name: str(s["volumes"]) for name, s in SERVICES.items()}
    assert [name for name, volumes in mounts.items() if "lake:" in volumes] == ["code-server"]
    secret = {"ECOM_SOURCE", "ECOM_EMAIL_HMAC_KEY"}
    assert not [name for name, s in SERVICES.items() if secret & set(s["environment"])]


def test_volumes_and_networks_are_declared() -> None:
    named = {
        mount.split(":")[0]
        for service in SERVICES.values()
        for mount in service["volumes"]
        if not mount.startswith("./")
    }
    assert named == set(FILE["volumes"])
    assert {n for s in SERVICES.values() for n in s["networks"]} == set(FILE["networks"])


class Processes:
    """The services as processes of this machine."""

    def __init__(self, folder: Path, database: int) -> None:
        self.folder = folder
        self._ports = {"3000": str(free_port()), "4000": str(free_port())}
        self.ui = DagsterUI(f"http://127.0.0.1:{self._ports['3000']}", folder)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        home, data, shop = folder / "home", folder / "data", folder / "shop"
        for each in (home, data, shop):
            each.mkdir()
        shutil.copy(FOLDER / "compose" / "dagster.yaml", home)
        workspace = (FOLDER / "workspace.yaml").read_text()
        (home / "workspace.yaml").write_text(workspace.replace("4000", self._ports["4000"]))
        instance = (home / "dagster.yaml").read_text()
        (home / "dagster.yaml").write_text(instance.replace("/data/", f"{data}/"))
        write_csv(SHOP, shop)
        self._services = services(
            ENV | {"ECOM_SOURCE": f"file://{shop}", "ECOM_START_DATE": str(DAY)},
            self._ports
            | {"/opt/dagster/": f"{home}/", "/data/": f"{data}/", "0.0.0.0": "127.0.0.1"},  # noqa: S104 - it is replaced
            database,
        )
        self._environment = own_environment() | {
            "DAGSTER_HOME": str(home),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }

    def start(self, name: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("wb") as output:
            self._running[name] = subprocess.Popen(
                self._services[name].command,
                cwd=self.folder / "home",
                env=self._environment | self._services[name].environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        return self._running[name]

    def started(self, name: str) -> None:
        """Start one, and wait until its check says that it is healthy."""
        process = self.start(name)
        wait_until(lambda: process.poll() is not None or self._healthy(name), name)
        assert process.poll() is None, self.log(name)

    def _healthy(self, name: str) -> bool:
        service: Service = self._services[name]
        done = subprocess.run(
            service.check,
            env=self._environment | service.environment,
            capture_output=True,
            check=False,
        )
        return done.returncode == 0

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def stop(self, name: str) -> int:
        """End one as Docker does; return its exit code."""
        self._running[name].send_signal(signal.SIGTERM)
        return self._running[name].wait(60)

    def kill(self) -> None:
        for process in self._running.values():
            process.kill()
            process.wait()


@pytest.fixture
def processes(postgres: str, tmp_path: Path) -> Iterator[Processes]:
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("create role dagster login")
        connection.execute("create database dagster owner dagster")
    with by_tcp(postgres) as port:
        found = Processes(tmp_path, port)
        # Behind a shell's `&`, SIGINT is ignored, and by Dagster SIGTERM too.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            yield found
        finally:
            found.kill()
            signal.signal(signal.SIGINT, before)
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("drop database dagster with (force)")
        connection.execute("drop role dagster")


def test_the_commands_of_the_file_make_a_day_and_the_code_server_ends_after_its_run(
    processes: Processes,
) -> None:
    assert processes.start("migrate").wait(60) == 0, processes.log("migrate")
    processes.started("code-server")
    processes.started("daemon")
    processes.started("webserver")
    run = launch_day(processes.ui, str(DAY))
    wait_until(lambda: processes.ui.run_status(run) != "QUEUED", "the queue")
    wait_until(lambda: processes.ui.run_status(run) != "STARTING", "the run")
    assert processes.stop("code-server") == 0
    assert processes.ui.run_status(run) == "SUCCESS"

    settings = Settings(_env_file=None, lake=str(processes.folder / "data/lake"), start_date=DAY)
    assert_metrics_equal(settings, [DAY], metrics(SHOP, settings, [DAY]))
    logs = [path for path in (processes.folder / "data/logs").rglob("*") if path.is_file()]
    assert logs
    assert processes.stop("daemon") == processes.stop("webserver") == 0
