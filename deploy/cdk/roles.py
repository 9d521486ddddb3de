"""What each task may do in AWS, and no more. docs/reference/aws-stack.md lists it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from deploy.cdk.acknowledgements import acknowledge_wildcard
from deploy.cdk.log_groups import log_group_name
from deploy.cdk.storage import COMPUTE_LOGS, DASHBOARDS, LAKE, bucket_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_cdk import aws_ecs as ecs
    from aws_cdk import aws_sns as sns

    from deploy.cdk.data_stack import DataStack
    from deploy.cdk.lake_catalog import LakeCatalog
    from deploy.cdk.options import Config

READ = ("s3:GetObject",)
WRITE = ("s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload")
#: With this a deleted object comes back: what it was is a version.
REMOVE = ("s3:DeleteObject",)
USE_KEY = ("kms:Decrypt", "kms:GenerateDataKey")


class Roles(Construct):
    """A role for each kind of task.

    Args:
        scope: Where they belong.
        construct_id: What they are called there.
        name: Of the stacks, with which the roles' names begin.
        data: What they are about.
        topic: Where alerts go.
        catalog: The tables of the lake in Glue.
        metrics: The namespace of the platform's own metrics.
        config: Of the environment.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        data: DataStack,
        topic: sns.ITopic,
        catalog: LakeCatalog,
        metrics: str,
        config: Config,
    ) -> None:
        super().__init__(scope, construct_id)
        self._name, self._config = name, config
        self.webserver = self._role("webserver", "Shows runs, and stops them")
        self.read_only = self._role("read-only", "Shows runs")
        self.daemon = self._role("daemon", "Starts runs, and watches them")
        self.code_server = self._role("code-server", "Evaluates schedules and sensors")
        self.run = self._role("run", "Reads the shop, and writes the lake and the pages")
        self.erasure = self._role("erasure", "As a run; and deletes every version of an object")
        dagster = (self.webserver, self.read_only, self.daemon)
        platform = (self.code_server, self.run, self.erasure)

        for role in (*dagster, *platform):
            _allow(role, ["secretsmanager:GetSecretValue"], [data.database.secret.secret_arn])
        for role in (self.webserver, self.read_only):
            _allow(role, ["kms:Decrypt"], [data.keys.data.key_arn])
            self._use_bucket(role, COMPUTE_LOGS, READ)
        for role in (self.daemon, *platform):
            _allow(role, USE_KEY, [data.keys.data.key_arn])
            # What a process prints, it writes there itself.
            self._use_bucket(role, COMPUTE_LOGS, WRITE)
        for role in platform:
            self._use_bucket(role, LAKE, (*WRITE, *REMOVE))
            self._use_bucket(role, DASHBOARDS, (*WRITE, *REMOVE))
            self._read_source(role)
            # The second is how `ecom doctor` sees whether the topic is there.
            _allow(role, ["sns:Publish", "sns:GetTopicAttributes"], [topic.topic_arn])
            _allow(role, USE_KEY, [data.keys.operations.key_arn])
            _allow(
                role,
                ["cloudwatch:PutMetricData"],
                ["*"],
                {"StringEquals": {"cloudwatch:namespace": metrics}},
                why="Metrics are no resources; the condition names the one namespace.",
            )
        for role in (self.run, self.erasure):
            _allow(
                role,
                ["glue:GetDatabase", "glue:GetTables", "glue:CreateTable", "glue:UpdateTable"],
                catalog.arns,
                why="The tables of our one database; `ecom catalog apply` makes them.",
            )
        for what in (LAKE, DASHBOARDS):
            self._use_bucket(
                self.erasure,
                what,
                ("s3:DeleteObjectVersion", "s3:GetObjectVersion"),
                listing=("s3:ListBucketVersions",),
            )

    def let_launch(self, run: ecs.TaskDefinition) -> None:
        """Let the daemon start, watch and stop runs, and the engineers' web server stop them."""
        cluster = self._arn("ecs", "cluster", self._name)
        tasks = self._arn("ecs", "task", f"{self._name}/*")
        in_cluster = {"ArnEquals": {"ecs:cluster": cluster}}
        _allow(
            self.daemon,
            ["ecs:DescribeTaskDefinition"],
            ["*"],
            why="AWS takes no resource for this action; it only reads.",
        )
        _allow(
            self.daemon,
            ["ecs:ListTasks"],
            ["*"],
            in_cluster,
            why="Before they are listed, tasks have no name; the condition names the cluster.",
        )
        _allow(
            self.daemon,
            ["ecs:RunTask"],
            [self._arn("ecs", "task-definition", f"{run.family}:*")],
            in_cluster,
            why="Every revision of the one family: runs start with the newest.",
        )
        _allow(
            self.daemon,
            ["ecs:TagResource"],
            [tasks],
            {"StringEquals": {"ecs:CreateAction": "RunTask"}},
            why="A task has no name before it is started.",
        )
        _allow(
            self.daemon,
            ["iam:PassRole"],
            [self.run.role_arn, run.obtain_execution_role().role_arn],
            {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
        )
        for role in (self.daemon, self.webserver):
            _allow(
                role,
                ["ecs:DescribeTasks", "ecs:StopTask"],
                [tasks],
                in_cluster,
                why="A task has no name before it is started; all are of our own cluster.",
            )
        _allow(
            self.daemon,
            ["logs:GetLogEvents"],
            [self._arn("logs", "log-group", f"{log_group_name(self._name, 'run')}:log-stream:*")],
            why="Each run has a stream of its own; the daemon says what a failed one printed last.",
        )

    def _arn(self, service: str, resource: str, name: str) -> str:
        separator = ArnFormat.COLON_RESOURCE_NAME if service == "logs" else None
        return Stack.of(self).format_arn(
            service=service, resource=resource, resource_name=name, arn_format=separator
        )

    def _use_bucket(
        self,
        role: iam.Role,
        what: str,
        actions: Sequence[str],
        *,
        listing: Sequence[str] = ("s3:ListBucket",),
    ) -> None:
        arn = f"arn:{Stack.of(self).partition}:s3:::{bucket_name(self._name, what)}"
        _allow(role, listing, [arn])
        _allow(role, actions, [f"{arn}/*"], why="The objects of one bucket.")

    def _read_source(self, role: iam.Role) -> None:
        if self._config.source.bucket:
            arn = f"arn:{Stack.of(self).partition}:s3:::{self._config.source.bucket}"
            _allow(role, ["s3:ListBucket"], [arn])
            _allow(role, READ, [f"{arn}/*"], why="The files that the shop delivers.")

    def _role(self, task: str, description: str) -> iam.Role:
        stack = Stack.of(self)
        return iam.Role(
            self,
            "".join(word.capitalize() for word in task.split("-")),
            role_name=f"{self._name}-{task}",
            description=description,
            assumed_by=iam.ServicePrincipal(
                "ecs-tasks.amazonaws.com",
                # No task of another account acts through ECS as one of ours.
                conditions={"StringEquals": {"aws:SourceAccount": stack.account}},
            ),
        )


def _allow(
    role: iam.Role,
    actions: Sequence[str],
    resources: Sequence[str],
    conditions: dict[str, object] | None = None,
    *,
    why: str = "",
) -> None:
    """Add a statement; what has a wildcard says why."""
    role.add_to_policy(
        iam.PolicyStatement(actions=[*actions], resources=[*resources], conditions=conditions or {})
    )
    if why:
        acknowledge_wildcard(role, resources, why)
