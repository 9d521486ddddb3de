"""The container image, as it is built and as each role of it is started (`make image-check`)."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import psycopg
import pytest

from ecom_platform.settings import Settings
from ecom_platform_tests.comparisons import assert_metrics_equal
from ecom_platform_tests.deploy.compose import FOLDER, by_tcp, free_port, launch_day, services
from ecom_platform_tests.deploy.image import USER, Container, Image, image
from ecom_platform_tests.deploy.test_compose import DAY, ENV, SHOP
from ecom_platform_tests.oracle import metrics
from ecom_platform_tests.shop_writers import write_csv
from ecom_platform_tests.ui.dagster_ui import DagsterUI, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.image, pytest.mark.timeout(900)]
#: Docker's own patience is ten seconds.
PATIENCE = 10
#: What a package index, or a secret, is told by.
TELLTALE = re.compile(
    r"index-url|find-links|pip\.conf|PASSWORD|SECRET|TOKEN|127\.0\.0\.1|http://", re.IGNORECASE
)
SERVERS = ("code-server", "daemon", "webserver", "read-only webserver")
SECONDS: dict[str, float] = {}


class Stack:
    """The services of the compose file, in containers of the image."""

    def __init__(self, built: Image, folder: Path, database: int) -> None:
        self._image, self.data = built, folder / "data"
        ports = {name: str(free_port()) for name in ("3000", "4000", "read-only")}
        workspace = (FOLDER / "workspace.yaml").read_text()
        (folder / "workspace.yaml").write_text(workspace.replace("4000", ports["4000"]))
        shutil.copy(FOLDER / "compose" / "dagster.yaml", folder)
        self._mounts = {
            "/data": self.data,
            "/opt/dagster/dagster.yaml": folder / "dagster.yaml",
            "/opt/dagster/workspace.yaml": folder / "workspace.yaml",
        }
        for each in (self.data, *(self.data / name for name in ("lake", "logs", "shop"))):
            each.mkdir()
            os.chown(each, USER, USER)
        write_csv(SHOP, self.data / "shop")
        env = ENV | {"ECOM_SOURCE": "file:///data/shop", "ECOM_START_DATE": str(DAY)}
        web = {"4000": ports["4000"]}
        self.services = services(env, {**web, "3000": ports["3000"]}, database)
        read_only = services(env, {**web, "3000": ports["read-only"]}, database)["webserver"]
        read_only.command.append("--read-only")
        self.services["read-only webserver"] = read_only
        self.ui = DagsterUI(f"http://127.0.0.1:{ports['3000']}", folder)
        self.read_only_ui = DagsterUI(f"http://127.0.0.1:{ports['read-only']}", folder)
        self.running: dict[str, Container] = {}

    def start(self, service: str, *command: str) -> Container:
        """Start a container of a service, with a command of its own or of the file's."""
        known = self.services[service]
        command = command or tuple(known.command)
        return self._image.start(list(command), known.environment, self._mounts)

    def does(self, service: str, *command: str) -> str:
        """Run a container to its end; return what it printed."""
        started = time.monotonic()
        container = self.start(service, *command)
        assert container.wait(120) == 0, container.log
        SECONDS[" ".join(command[:2]) or service] = time.monotonic() - started
        return container.log

    def is_healthy(self, service: str) -> bool:
        """Ask a service's health check."""
        return self.start(service, *self.services[service].check).wait(60) == 0


@pytest.fixture(scope="module")
def built() -> Iterator[Image]:
    missing = [tool for tool in ("buildah", "mmdebstrap", "unshare") if not shutil.which(tool)]
    assert not missing, f"Install with apt-get: {', '.join(missing)}"
    assert os.geteuid() == 0, "Only root can unpack an image and mount it."
    # Not under pytest's own folder, which only root may enter.
    with TemporaryDirectory(prefix="ecom-image-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with image(folder) as made:
            SECONDS.update(made.built)
            yield made
    print()  # noqa: T201 - the measurement
    for what, seconds in SECONDS.items():
        print(f"{seconds:7.1f} s  {what}")  # noqa: T201 - as above


@pytest.fixture(scope="module")
def stack(built: Image, postgres: str) -> Iterator[Stack]:
    """All services, started in the order of the compose file, and healthy."""
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("create role dagster login")
        connection.execute("create database dagster owner dagster")
    with by_tcp(postgres) as port:
        found = Stack(built, built.folder, port)
        found.does("migrate")
        for server in SERVERS:
            started = time.monotonic()
            container = found.running[server] = found.start(server)
            wait_until(lambda: not container.runs or found.is_healthy(server), server)  # noqa: B023 - is called now
            assert container.runs, container.log
            SECONDS[f"{server} is healthy"] = time.monotonic() - started
        yield found
        built.kill()


def test_the_image_says_how_its_containers_are_started(built: Image) -> None:
    config = built.config
    assert config["User"] == f"{USER}:{USER}"
    assert not config.get("Entrypoint")
    assert config["StopSignal"] == "SIGTERM"
    assert config["WorkingDir"] == "/opt/dagster"
    assert config["Volumes"] == {"/tmp": {}}  # noqa: S108 - a path in the image
    labels = {
        name.removeprefix("org.opencontainers.image."): value
        for name, value in config["Labels"].items()
    }
    assert labels["version"] == "1.2.3"
    assert labels["revision"] == "abc"
    assert labels["source"] == "https://git.example.com/x"


def test_no_tool_that_installs_or_builds_is_left(built: Image) -> None:
    tools = re.compile(r"pip[\d.]*|uv|make|curl|wget|git|(.*-)?(g?cc|[cg]\+\+|cpp|clang|ld)(-\d+)?")
    packages = re.compile(r"(pip|setuptools|wheel|uv)(-.*-info)?|ensurepip|_distutils_hack")
    folders = [folder for folder in built.root.rglob("*") if folder.is_dir()]
    assert not [
        f for f in folders if packages.fullmatch(f.name) and f.parent.name[-8:] != "licenses"
    ]
    programs = [p for f in folders if f.name in {"bin", "sbin"} for p in f.iterdir()]
    assert len(programs) > 100
    assert not [program for program in programs if tools.fullmatch(program.name)]


def test_neither_an_index_nor_a_secret_is_kept(built: Image) -> None:
    kept = json.dumps([built.config, built.manifest["OCIv1"]["history"]])
    assert not TELLTALE.findall(kept)
    notes = [
        path
        for folder in ("opt/venv/lib/python3.11/site-packages", "opt/dagster", "etc")
        for pattern in ("*.dist-info/direct_url.json", "*.cfg", "*.conf", "*.yaml")
        for path in (built.root / folder).glob(pattern)
    ]
    assert not [path for path in notes if "127.0.0.1" in path.read_text(errors="replace")]
    assert not list(built.root.rglob("pip.conf"))
    assert {path.name for path in (built.root / "opt").iterdir()} == {"dagster", "venv"}


def test_the_build_is_given_nothing_but_what_the_image_is_made_of(built: Image) -> None:
    packages = built.root / "opt/venv/lib/python3.11/site-packages"
    assert not list(packages.glob("*_tests"))
    ours = {p.name for p in (packages / "ecom_platform").rglob("*") if p.suffix != ".pyc"}
    assert {"manifest.json", "page.html", "total_revenue.sql"} <= ours
    assert {path.name for path in (built.root / "opt/dagster").iterdir()} == {
        "dagster.yaml",
        "workspace.yaml",
    }


def test_all_bytecode_is_there(built: Image) -> None:
    packages = built.root / "opt/venv/lib/python3.11/site-packages"
    for package in ("dagster", "dagster_webserver", "ecom_platform", "sqlalchemy"):
        for module in (packages / package).rglob("*.py"):
            compiled = module.parent / "__pycache__" / f"{module.stem}.cpython-311.pyc"
            assert compiled.exists(), module


def test_what_the_instance_on_aws_names_is_in_the_image(built: Image) -> None:
    load = """
import importlib, yaml
named = yaml.safe_load(open("/opt/dagster/dagster.yaml"))
for part in (named["storage"]["custom"], named["compute_logs"], named["run_launcher"]):
    print(getattr(importlib.import_module(part["module"]), part["class"]).__name__)
"""
    container = built.start(["python", "-c", load], {}, {})
    assert container.wait(60) == 0
    assert "EcsLauncher" in container.log.splitlines()


def test_nothing_but_tmp_and_the_volumes_can_be_written(stack: Stack) -> None:
    asked = """
import os
for folder in ("/", "/opt/dagster", "/opt/venv", "/etc", "/var/tmp", "/data", "/tmp"):
    try:
        open(f"{folder}/x", "w").close()
    except OSError as error:
        print(folder, error.strerror)
    else:
        print(folder, "written")
print(os.getuid(), os.getgroups(), open("/proc/self/status").read().split("CapBnd:")[1].split()[0])
"""
    *folders, who = stack.does("code-server", "python", "-c", asked).splitlines()
    writable = {line.split()[0] for line in folders if "Read-only" not in line}
    assert writable == {"/data", "/tmp"}  # noqa: S108 - paths in the image
    assert who == f"{USER} [] 0000000000000000"


@pytest.mark.parametrize("server", SERVERS)
def test_a_role_is_up_as_nobody_in_particular_and_misses_nothing(stack: Stack, server: str) -> None:
    container = stack.running[server]
    assert set(container.first.uids()) == {USER}
    assert not re.search(
        r"Read-only file system|Permission denied|Traceback|Warning", container.log
    ), container.log


def test_the_read_only_page_refuses_a_change(stack: Stack) -> None:
    started = stack.read_only_ui.ask(
        'mutation { startSchedule(scheduleSelector: {repositoryName: "__repository__", '
        'repositoryLocationName: "ecom_platform", scheduleName: "daily"}) { __typename } }'
    )
    assert started["startSchedule"]["__typename"] == "UnauthorizedError"
    assert stack.read_only_ui.ask("{ version }")["version"]


def test_a_run_goes_by_the_queue_to_the_code_server_and_publishes(stack: Stack) -> None:
    started = time.monotonic()
    assert stack.ui.finished_run(launch_day(stack.ui, str(DAY))) == "SUCCESS"
    SECONDS["a run by the queue"] = time.monotonic() - started
    settings = Settings(_env_file=None, lake=str(stack.data / "lake"), start_date=DAY)
    assert_metrics_equal(settings, [DAY], metrics(SHOP, settings, [DAY]))


def test_the_commands_of_people_work_in_the_image(stack: Stack) -> None:
    assert "can be written" in stack.does("code-server", "ecom", "doctor")
    lake = stack.data / "lake"
    shutil.rmtree(lake / "metrics")
    stack.does("code-server", "ecom", "run", "--from", str(DAY), "--to", str(DAY))
    assert list((lake / "metrics").rglob("*.parquet"))
    stack.does("code-server", "ecom", "pages")
    assert '"North"' in (lake / "dashboards/latest/index.html").read_text()
    assert list((lake / "marts").rglob("*.parquet"))


def test_every_role_ends_when_it_is_asked_to(stack: Stack) -> None:
    """The last one: it ends them."""
    for server, container in stack.running.items():
        started = time.monotonic()
        assert container.stop(PATIENCE) == 0, container.log
        SECONDS[f"{server} has ended"] = time.monotonic() - started
