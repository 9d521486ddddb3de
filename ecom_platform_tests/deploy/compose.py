"""`deploy/compose.yaml` as Docker reads it, for who starts its commands without Docker."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import yaml

from ecom_platform.automation.jobs import DAILY_REFRESH
from ecom_platform.settings import CODE_LOCATION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ecom_platform_tests.ui.dagster_ui import DagsterUI

FOLDER = Path(__file__).parents[2] / "deploy"
COMPOSE = (FOLDER / "compose.yaml").read_text()
EXAMPLE = (FOLDER / "compose" / ".env.example").read_text()
#: `${NAME}`, `${NAME:-default}` and `${NAME:?}`.
VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*)|:\?)?}")
LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  }
}
"""


@dataclass(frozen=True)
class Service:
    """What a container is started with.

    Args:
        check: The command that says whether it is healthy.
    """

    command: list[str]
    environment: dict[str, str]
    check: list[str]


def variables(text: str) -> dict[str, str]:
    """Return what a `.env` file says."""
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def compose(env: Mapping[str, str], text: str = COMPOSE) -> dict[str, Any]:
    """Return the file, with the values of variables."""
    return yaml.safe_load(VARIABLE.sub(lambda found: env.get(found[1]) or found[2] or "", text))


def services(
    env: Mapping[str, str], elsewhere: Mapping[str, str], database: int
) -> dict[str, Service]:
    """Return what runs our image, by its name.

    Args:
        env: What the user's `.env` says.
        elsewhere: What stands in the file -> what is so here, such as ports that are free.
        database: The port of PostgreSQL on this machine.
    """
    text = COMPOSE
    for there, here in elsewhere.items():
        assert there in text
        text = text.replace(there, here)
    of_this_machine = {
        "DAGSTER_POSTGRES_HOST": "127.0.0.1",
        "DAGSTER_POSTGRES_PORT": str(database),
        "ECOM_CODE_SERVER_HOST": "127.0.0.1",
    }
    found = compose(env, text)["services"]
    del found["postgres"]
    return {
        name: Service(
            service["command"],
            {
                **(env if "env_file" in service else {}),
                **{variable: str(value) for variable, value in service["environment"].items()},
                **of_this_machine,
            },
            service.get("healthcheck", {}).get("test", [])[1:],
        )
        for name, service in found.items()
    }


def launch_day(ui: DagsterUI, day: str) -> str:
    """Have Dagster make a day of all datasets, by its queue; return the run's id."""
    span = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
    params = {
        "selector": {
            "repositoryLocationName": CODE_LOCATION,
            "repositoryName": "__repository__",
            "jobName": DAILY_REFRESH,
        },
        "executionMetadata": {"tags": [{"key": key, "value": day} for key in span]},
    }
    answer = ui.ask(LAUNCH, params=params)["launchRun"]
    assert answer["__typename"] == "LaunchRunSuccess", answer
    return answer["run"]["runId"]


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def by_tcp(postgres: str) -> Iterator[int]:
    """Lead a port of this machine to the socket of an embedded server, while the block is open."""
    query = parse_qs(urlsplit(postgres).query)
    path = f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}"
    opened: Future[tuple[int, Callable[[], object]]] = Future()

    async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
        target.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_unix_connection(path)
        try:
            await asyncio.gather(carry(reader, server_writer), carry(server_reader, writer))
        finally:
            for end in (writer, server_writer):
                end.close()
                with suppress(OSError):
                    await end.wait_closed()

    async def serve() -> None:
        ended = asyncio.Event()
        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        end = partial(asyncio.get_running_loop().call_soon_threadsafe, ended.set)
        opened.set_result((server.sockets[0].getsockname()[1], end))
        await ended.wait()
        server.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    port, end = opened.result()
    try:
        yield port
    finally:
        end()
        thread.join()
