"""The AWS services that the deployment uses, from moto over HTTP; ECS tasks really run.

Who asks is known by the access key, and what each role asked for is written down.
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from collections import Counter, defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ecs.models import ecs_backends
from moto.moto_api import state_manager
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

REGION = "us-east-1"
_TARGET_SERVICES = {
    "AmazonEC2ContainerServiceV20141113": "ecs",
    "secretsmanager": "secretsmanager",
    "Logs_20140328": "logs",
    "GraniteServiceVersion20100801": "cloudwatch",
    "AmazonSQS": "sqs",
}


class Recorder:
    """Hands requests on, and writes down role -> the IAM actions that they need."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app
        self.actions: dict[str, set[str]] = defaultdict(set)

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        credential = re.search(r"Credential=(\w+)/", environ.get("HTTP_AUTHORIZATION", ""))
        if credential:
            self.actions[credential[1]].add(_action(environ))
        return self._app(environ, start)


def _action(environ: dict[str, Any]) -> str:
    target = environ.get("HTTP_X_AMZ_TARGET")
    path, method, query = environ["PATH_INFO"], environ["REQUEST_METHOD"], environ["QUERY_STRING"]
    if target:
        service, operation = target.rsplit(".", 1)
        return f"{_TARGET_SERVICES[service]}:{operation}"
    smithy = re.fullmatch(r"/service/(\w+)/operation/(\w+)", path)
    if smithy:
        return f"{_TARGET_SERVICES[smithy[1]]}:{smithy[2]}"
    scope = re.search(r"Credential=\w+/\d+/[\w-]+/(\w+)/", environ["HTTP_AUTHORIZATION"])
    assert scope
    if scope[1] == "s3":
        _, bucket, *key = path.split("/", 2)
        operation = {"PUT": "PutObject", "POST": "PutObject", "DELETE": "DeleteObject"}.get(
            method, "GetObject" if key and key[0] else "ListBucket"
        )
        if "uploadId=" in query and method == "DELETE":
            operation = "AbortMultipartUpload"
        return f"s3:{'DeleteObject' if query == 'delete' else operation} {bucket}"
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"] or 0))
    import io

    environ["wsgi.input"] = io.BytesIO(body)
    operation = re.search(rb"Action=(\w+)", body)
    return f"{scope[1]}:{operation[1].decode() if operation else '?'}"


class Ecs(threading.Thread):
    """Does what ECS does with tasks: starts their command with their environment, sees them end.

    Args:
        environment: What a machine gives each container besides what its task says.
        folder: For what they print.
        logs: A client of CloudWatch Logs.
    """

    def __init__(self, environment: dict[str, str], folder: Path, logs: Any) -> None:
        super().__init__(daemon=True)
        self.backend = ecs_backends[DEFAULT_ACCOUNT_ID][REGION]
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._environment, self._folder, self._logs = environment, folder, logs
        self._outputs: dict[str, Path] = {}
        self._ended = threading.Event()
        #: Tasks of one run that ran at the same moment.
        self.most_at_once = 0

    def run(self) -> None:
        while not self._ended.is_set():
            for task in self.tasks():
                process = self.processes.get(task.task_arn)
                if process is None and task.desired_status == "RUNNING":
                    self._start(task)
                elif process and process.poll() is not None and task.desired_status == "RUNNING":
                    self._note_end(task, process.returncode)
                elif process and process.poll() is None and task.desired_status == "STOPPED":
                    process.terminate()
            alive = Counter(
                task.started_by
                for task in self.tasks()
                if task.task_arn in self.processes and self.processes[task.task_arn].poll() is None
            )
            self.most_at_once = max(self.most_at_once, *alive.values(), 0)
            time.sleep(0.2)

    def tasks(self) -> list[Any]:
        """Return all tasks there ever were, the first one first."""
        return [task for tasks in list(self.backend.tasks.values()) for task in tasks.values()]

    def of_run(self, run: str) -> list[Any]:
        """Return the tasks of a run of Dagster."""
        return [task for task in self.tasks() if task.started_by == run]

    def kill(self, task: Any) -> None:
        """Let the process of a task die, as when its machine does or memory runs out."""
        self.processes[task.task_arn].kill()

    def end(self) -> None:
        """Stop looking, and kill what runs."""
        self._ended.set()
        self.join()
        for process in self.processes.values():
            process.kill()
            process.wait()

    def _start(self, task: Any) -> None:
        definition = self.backend.describe_task_definition(task.task_definition_arn)
        [container] = definition.container_definitions
        [override] = task.overrides["containerOverrides"]
        assert override["name"] == container["name"]
        environment = {pair["name"]: pair["value"] for pair in container["environment"]}
        file = self._outputs[task.task_arn] = self._folder / f"task-{len(self.processes)}.log"
        with file.open("wb") as output:
            self.processes[task.task_arn] = subprocess.Popen(
                override["command"],
                env=self._environment | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def _note_end(self, task: Any, code: int) -> None:
        self._send_log(task)
        task.containers[0].exitCode = code if code >= 0 else 128 - code
        task.last_status = task.desired_status = "STOPPED"
        task.stopped_reason = "Essential container in task exited"

    def _send_log(self, task: Any) -> None:
        """Do what the log driver `awslogs` does, for the last lines."""
        definition = self.backend.describe_task_definition(task.task_definition_arn)
        [container] = definition.container_definitions
        options = container["logConfiguration"]["options"]
        group, stream = options["awslogs-group"], options["awslogs-stream-prefix"]
        stream = f"{stream}/{container['name']}/{task.task_arn.split('/')[-1]}"
        lines = self._outputs[task.task_arn].read_text(errors="replace").splitlines()[-5:]
        self._logs.create_log_stream(logGroupName=group, logStreamName=stream)
        events = [{"timestamp": int(time.time() * 1000), "message": line} for line in lines if line]
        self._logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


class Cloud:
    """The services, and what the stack makes of them.

    Args:
        url: Where they answer.
        recorder: What was asked of them.
    """

    def __init__(self, url: str, recorder: Recorder) -> None:
        self.url, self.actions = url, recorder.actions
        for bucket in ("lake", "dashboards", "logs"):
            self.client("s3").create_bucket(Bucket=bucket)
            self.client("s3").put_bucket_versioning(
                Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}
            )
        self.topic = self.client("sns").create_topic(Name="alerts")["TopicArn"]
        queue = self.client("sqs").create_queue(QueueName="alerts")["QueueUrl"]
        self.client("sns").subscribe(
            TopicArn=self.topic,
            Protocol="sqs",
            Endpoint=self.client("sqs").get_queue_attributes(
                QueueUrl=queue, AttributeNames=["QueueArn"]
            )["Attributes"]["QueueArn"],
            Attributes={"RawMessageDelivery": "true"},
        )
        self._queue = queue
        self.client("ecs").create_cluster(clusterName="rehearsal")
        self.client("logs").create_log_group(logGroupName="/rehearsal/run")
        ec2 = self.client("ec2")
        network = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        ec2.modify_vpc_attribute(VpcId=network, EnableDnsHostnames={"Value": True})
        self.subnet = ec2.create_subnet(VpcId=network, CidrBlock="10.0.0.0/24")["Subnet"][
            "SubnetId"
        ]
        self.security_group = ec2.create_security_group(
            GroupName="runs", Description="runs", VpcId=network
        )["GroupId"]

    def client(self, service: str) -> Any:
        """Return a client as an administrator has it."""
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id="administrator",
            aws_secret_access_key="secret",  # noqa: S106 - nobody checks it
        )

    def versions(self, bucket: str, prefix: str) -> dict[str, int]:
        """Return key -> how often it was written."""
        pages = self.client("s3").get_paginator("list_object_versions")
        found: dict[str, int] = defaultdict(int)
        for page in pages.paginate(Bucket=bucket, Prefix=prefix):
            for version in page.get("Versions", []):
                found[version["Key"]] += 1
        return dict(found)

    def alerts(self) -> list[str]:
        """Take the alerts that have come by now out of the queue."""
        client, found = self.client("sqs"), []
        while messages := client.receive_message(QueueUrl=self._queue).get("Messages"):
            for message in messages:
                found.append(message["Body"])
                client.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        return found


def own_environment(*without: str) -> dict[str, str]:
    """Return the environment of this process, without what starts so."""
    return {name: value for name, value in os.environ.items() if not name.startswith(without)}


@contextmanager
def cloud() -> Iterator[Cloud]:
    """Run the services while the block is open."""
    # Tasks are stopped by those who run them, not by how often somebody asks.
    state_manager.set_transition("ecs::task", {"progression": "manual", "times": 10**9})
    recorder = Recorder(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, recorder, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Cloud(f"http://127.0.0.1:{server.server_port}", recorder)
    finally:
        server.shutdown()
        thread.join()
        ecs_backends[DEFAULT_ACCOUNT_ID][REGION].reset()
        state_manager.unset_transition("ecs::task")
