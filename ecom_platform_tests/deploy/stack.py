"""The deployment as it is on ECS, on this machine: the same instance, roles and commands."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError

from ecom_platform_tests.deploy.cloud import REGION, Cloud, Ecs, cloud, own_environment
from ecom_platform_tests.deploy.compose import free_port
from ecom_platform_tests.ui.dagster_ui import DagsterUI, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

DEPLOY = Path(__file__).parents[2] / "deploy"
FAMILY = "ecom-platform-rehearsal-run"
#: Waiting is shorter than in production; all else of the instance is as it is there.
FASTER = {
    "poll_interval_seconds: 60": "poll_interval_seconds: 2",
    "upload_interval: 60": "upload_interval: 2",
}

BACKFILL = """
mutation Backfill($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message }
  }
}
"""
JOB = """
mutation Job($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  }
}
"""
LOG_FILES = """
query Files($run: ID!) {
  runOrError(runId: $run) {
    ... on Run { eventConnection { events { ... on LogsCapturedEvent { fileKey } } } }
  }
}
"""
MESSAGES = """
query Messages($run: ID!) {
  runOrError(runId: $run) {
    ... on Run { eventConnection { events { ... on MessageEvent { message } } } }
  }
}
"""
LOGS = "query Logs($key: [String!]!) { capturedLogs(logKey: $key) { stdout stderr } }"
ASSETS = "{ assetNodes { assetKey { path } isPartitioned isExecutable } }"


@dataclass
class Stack:
    """A running deployment.

    Args:
        cloud: The services of AWS.
        ecs: What runs its tasks.
        home: DAGSTER_HOME, as the image has it.
        ports: Role -> where it answers.
    """

    cloud: Cloud
    ecs: Ecs
    home: Path
    environment: dict[str, str]
    ports: dict[str, int]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def ui(self) -> DagsterUI:
        """The web server's GraphQL."""
        return DagsterUI(f"http://127.0.0.1:{self.ports['webserver']}", self.home)

    def start(self, role: str) -> None:
        """Start a process as its task definition does."""
        workspace = str(self.home / "workspace.yaml")
        port = str(self.ports.get(role))
        command = {
            "webserver": ["dagster-webserver", "-h", "127.0.0.1", "-p", port, "-w", workspace],
            "daemon": ["dagster-daemon", "run", "-w", workspace],
            "code-server": [
                "dagster", "api", "grpc", "-h", "127.0.0.1", "-p", port,
                "-m", "ecom_platform.definitions", "--fixed-server-id", "rehearsal",
            ],
        }[role]  # fmt: skip
        command[0] = str(Path(sys.executable).parent / command[0])
        with (self.home / f"{role}.log").open("ab") as output:
            self.processes[role] = subprocess.Popen(
                # Behind a shell's `&`, SIGINT is ignored, and by Dagster SIGTERM too.
                ["/usr/bin/env", "--default-signal=INT", *command],
                cwd=self.home,
                env=self.environment | {"AWS_ACCESS_KEY_ID": role.replace("-", "")},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def kill(self, role: str) -> None:
        """Let a process die without a word."""
        self.processes[role].kill()
        self.processes[role].wait()

    def stop(self, role: str) -> int:
        """End a process as ECS does; return its exit code."""
        self.processes[role].send_signal(signal.SIGTERM)
        return self.processes[role].wait(timeout=30)

    def log(self, role: str) -> str:
        """Return what a role has printed."""
        return (self.home / f"{role}.log").read_text(errors="replace")

    def answers(self) -> bool:
        """Say whether the web server does."""
        try:
            self.ui.ask("{ version }")
        except URLError:
            return False
        return True

    def make_quality_page(self) -> str:
        """Launch the one part of the morning that needs no days before; return its run's id."""
        selector = {
            "repositoryLocationName": "ecom_platform",
            "repositoryName": "__repository__",
            "jobName": "morning_pages",
            "assetSelection": [{"path": ["dashboards", "quality"]}],
            "assetCheckSelection": [],
        }
        params = {"selector": selector, "runConfigData": {}}
        answer = self.ui.ask(JOB, params=params)["launchRun"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return answer["run"]["runId"]

    def messages(self, run: str) -> list[str]:
        """Return what the web page shows of what happened in a run."""
        events = self.ui.ask(MESSAGES, run=run)["runOrError"]["eventConnection"]["events"]
        return [event["message"] for event in events]

    def output(self, run: str) -> str:
        """Return what the web page shows of what a run has printed."""
        events = self.ui.ask(LOG_FILES, run=run)["runOrError"]["eventConnection"]["events"]
        [file] = {event["fileKey"] for event in events if "fileKey" in event}
        logs = self.ui.ask(LOGS, key=[run, "compute_logs", file])["capturedLogs"]
        return f"{logs['stdout']}{logs['stderr']}"

    def written(self, days: list[date]) -> int:
        """Return how many objects of these days are in the lake."""
        marks = tuple(f"date={day}/" for day in days)
        return sum(any(mark in key for mark in marks) for key in self.cloud.versions("lake", ""))

    def backfill(self, days: list[str]) -> str:
        """Launch a backfill of all partitioned assets; return its id."""
        nodes = self.ui.ask(ASSETS)["assetNodes"]
        made = [n["assetKey"] for n in nodes if n["isPartitioned"] and n["isExecutable"]]
        # Its days depend on 90 others, which nobody has made.
        assets = [key for key in made if "customer_retention_rate" not in key["path"]]
        params = {"assetSelection": assets, "partitionNames": days}
        answer = self.ui.ask(BACKFILL, params=params)["launchPartitionBackfill"]
        assert answer["__typename"] == "LaunchBackfillSuccess", answer
        return answer["backfillId"]


@contextmanager
def deployed(folder: Path, dagster_database: str, **settings: str) -> Iterator[Stack]:
    """Deploy everything; the processes are up, the web server answers.

    Args:
        folder: An empty one.
        dagster_database: The address of an empty database.
        settings: ECOM_* variables of the shop.
    """
    with cloud() as services:
        ports = {role: free_port() for role in ("webserver", "code-server")}
        home = folder / "home"
        home.mkdir()
        instance = (DEPLOY / "dagster.yaml").read_text()
        for slow, fast in FASTER.items():
            assert slow in instance
            instance = instance.replace(slow, fast)
        (home / "dagster.yaml").write_text(instance)
        workspace = (DEPLOY / "workspace.yaml").read_text()
        (home / "workspace.yaml").write_text(workspace.replace("4000", str(ports["code-server"])))
        machine = own_environment("ECOM_", "AWS_", "DAGSTER_") | {
            "PYTHONPATH": os.pathsep.join(sys.path),
            "AWS_ENDPOINT_URL": services.url,
            "AWS_ACCESS_KEY_ID": "run",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }
        task = {
            "DAGSTER_HOME": str(home),
            "DAGSTER_POSTGRES_SECRET": _secret(services, dagster_database),
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "DAGSTER_BACKFILL_RETRY_DEFINITION_CHANGED_ERROR": "1",
            "ECOM_COMPUTE_LOGS_BUCKET": "logs",
            "ECOM_CODE_SERVER_HOST": "127.0.0.1",
            "ECOM_DAGSTER_URL": "https://dagster.example.com",
            "ECOM_ECS_CLUSTER": "rehearsal",
            "ECOM_ECS_TASK_DEFINITION": FAMILY,
            "ECOM_ECS_SUBNETS": services.subnet,
            "ECOM_ECS_SECURITY_GROUPS": services.security_group,
            "ECOM_LAKE": "s3://lake/lake",
            "ECOM_DASHBOARDS": "s3://dashboards",
            "ECOM_ALERT_SNS_TOPIC": services.topic,
            "ECOM_HEARTBEAT": "cloudwatch:ecom_platform/rehearsal",
            "ECOM_EMAIL_HMAC_KEY": "k" * 32,
            **settings,
        }
        services.client("ecs").register_task_definition(
            family=FAMILY,
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="2048",
            memory="8192",
            containerDefinitions=[
                {
                    "name": "run",
                    "image": "ecom-platform:rehearsal",
                    "memory": 8192,
                    "environment": [{"name": n, "value": v} for n, v in task.items()],
                    "logConfiguration": {
                        "logDriver": "awslogs",
                        "options": {
                            "awslogs-group": "/rehearsal/run",
                            "awslogs-stream-prefix": "run",
                        },
                    },
                }
            ],
        )
        ecs = Ecs(machine | {"PATH": _path()}, folder, services.client("logs"))
        ecs.start()
        stack = Stack(services, ecs, home, machine | task, ports)
        try:
            stack.start("code-server")
            wait_until(
                lambda: "Started Dagster code server" in stack.log("code-server"), "code server"
            )
            stack.start("webserver")
            stack.start("daemon")
            wait_until(stack.answers, "web server")
            yield stack
        finally:
            ecs.end()
            for process in stack.processes.values():
                process.kill()
                process.wait()


def _secret(services: Cloud, database: str) -> str:
    found = re.fullmatch(r"postgresql://(\w+)@/(\w+)\?host=(.+)&port=(\d+)", database)
    assert found
    user, name, host, port = found.groups()
    from urllib.parse import unquote

    held = {
        "username": user,
        "password": "x",
        "dbname": name,
        "host": unquote(host),
        "port": int(port),
    }
    return services.client("secretsmanager").create_secret(
        Name="dagster", SecretString=json.dumps(held)
    )["ARN"]


def _path() -> str:
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
