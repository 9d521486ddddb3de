"""The task definitions: one image, and what each role starts it with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_cdk import Duration, Stack
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from deploy.cdk.acknowledgements import acknowledge
from deploy.cdk.log_groups import log_group, log_group_name
from deploy.cdk.network import CODE_PORT, DAGSTER_PORT
from deploy.cdk.storage import COMPUTE_LOGS, bucket_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from deploy.cdk.data_stack import DataStack
    from deploy.cdk.options import Config, Size

USER = "10001:10001"
#: Only their security groups keep others out; a task's own address is not known before.
EVERYWHERE = "0.0.0.0"  # noqa: S104
WORKSPACE = "/opt/dagster/workspace.yaml"
#: What the code server is called inside the cluster; its port has the same name.
CODE_SERVER = "code-server"
#: The most that Fargate grants between SIGTERM and SIGKILL, for what has something to finish.
LONGEST_STOP = Duration.seconds(120)


@dataclass(frozen=True)
class Process:
    """What a container runs.

    Attributes:
        command: Without a shell, so that SIGTERM reaches it.
        healthy: The command that succeeds as long as it is well; none if its end is what counts.
        port: Where it listens, with the name that Service Connect knows it by.
        stop: How long it may take to end.
    """

    command: Sequence[str] = ("ecom", "--help")
    healthy: Sequence[str] = ()
    port: ecs.PortMapping | None = None
    stop: Duration = LONGEST_STOP


def webserver(*, read_only: bool) -> Process:
    """Dagster's UI."""
    ask = f"import urllib.request as u; u.urlopen('http://127.0.0.1:{DAGSTER_PORT}/server_info')"
    return Process(
        command=[
            "dagster-webserver", "-h", EVERYWHERE, "-p", str(DAGSTER_PORT), "-w", WORKSPACE,
            *(["--read-only"] if read_only else []),
        ],
        healthy=["python", "-c", ask],
        port=ecs.PortMapping(name="ui", container_port=DAGSTER_PORT),
        stop=Duration.seconds(30),
    )  # fmt: skip


def daemon() -> Process:
    """Dagster's daemon, of which there is never more than one."""
    return Process(
        command=["dagster-daemon", "run", "-w", WORKSPACE],
        healthy=["dagster-daemon", "liveness-check"],
    )


def code_server(server_id: str) -> Process:
    """The code server: both tasks call themselves the same, or all would reload for ever."""
    return Process(
        command=[
            "dagster", "api", "grpc", "-h", EVERYWHERE, "-p", str(CODE_PORT),
            "-m", "ecom_platform.definitions", "--fixed-server-id", server_id,
        ],
        healthy=["dagster", "api", "grpc-health-check", "-p", str(CODE_PORT)],
        port=ecs.PortMapping(
            name=CODE_SERVER, container_port=CODE_PORT, app_protocol=ecs.AppProtocol.grpc
        ),
    )  # fmt: skip


class Tasks(Construct):
    """Makes task definitions: read-only but for /tmp, not root, with a log group of its own.

    Args:
        scope: Where they belong.
        construct_id: What they are called there.
        name: Of the stacks, with which families begin.
        config: Of the environment.
        data: Images, keys, secrets.
        image_tag: Of the image that all run.
        environment: What every container is told.
        platform_environment: What those are told, too, that run the platform's own code.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        config: Config,
        data: DataStack,
        image_tag: str,
        environment: Mapping[str, str],
        platform_environment: Mapping[str, str],
    ) -> None:
        super().__init__(scope, construct_id)
        self._name, self._config, self._data = name, config, data
        self._image = ecs.ContainerImage.from_ecr_repository(data.images, image_tag)
        self._environment = {**environment}
        self._platform_environment = {**platform_environment}
        # By their names: who may read a secret is said by roles, not by the key's own policy.
        find = secretsmanager.Secret
        secrets = {
            "ECOM_EMAIL_HMAC_KEY": find.from_secret_complete_arn(
                self, "EmailHmacKey", data.email_hmac_key.secret_arn
            ),
            "ECOM_SOURCE": find.from_secret_name_v2(self, "Source", config.source.secret),
        }
        for variable, secret in config.secrets.items():
            secrets[variable] = find.from_secret_name_v2(self, variable, secret)
        self._platform_secrets = {
            variable: ecs.Secret.from_secrets_manager(secret)
            for variable, secret in secrets.items()
        }

    def define(
        self,
        task: str,
        process: Process,
        role: iam.IRole,
        size: Size,
        *,
        runs_the_platform: bool = False,
        disk_gb: int | None = None,
    ) -> ecs.FargateTaskDefinition:
        """Make the task definition of a role, of the family `<name>-<task>`."""
        construct_id = "".join(word.capitalize() for word in task.split("-"))
        group = log_group(
            self,
            f"{construct_id}Logs",
            days=self._config.log_days,
            key=self._data.keys.operations,
            name=log_group_name(self._name, task),
        )
        definition = ecs.FargateTaskDefinition(
            self,
            construct_id,
            family=f"{self._name}-{task}",
            cpu=size.cpu,
            memory_limit_mib=size.memory,
            ephemeral_storage_gib=disk_gb,
            task_role=role,
            volumes=[ecs.Volume(name="tmp")],
        )
        container = definition.add_container(
            task,
            container_name=task,
            image=self._image,
            command=[*process.command],
            environment=self._environment
            | (self._platform_environment if runs_the_platform else {}),
            secrets=self._platform_secrets if runs_the_platform else {},
            user=USER,
            readonly_root_filesystem=True,
            linux_parameters=self._no_capabilities(construct_id),
            stop_timeout=process.stop,
            health_check=_health_check(process.healthy) if process.healthy else None,
            port_mappings=[process.port] if process.port else [],
            logging=ecs.LogDriver.aws_logs(stream_prefix=task, log_group=group),
        )
        container.add_mount_points(
            ecs.MountPoint(container_path="/tmp", source_volume="tmp", read_only=False)  # noqa: S108
        )
        if runs_the_platform:
            definition.obtain_execution_role().add_to_principal_policy(
                iam.PolicyStatement(
                    actions=["kms:Decrypt"], resources=[self._data.keys.data.key_arn]
                )
            )
        acknowledge(
            definition,
            {
                "ECS2": "What is secret comes from Secrets Manager; the rest is no secret.",
                "IAM5[Resource::*]": "ecr:GetAuthorizationToken knows no resources.",
            },
        )
        return definition

    def _no_capabilities(self, construct_id: str) -> ecs.LinuxParameters:
        parameters = ecs.LinuxParameters(self, f"{construct_id}Linux")
        parameters.drop_capabilities(ecs.Capability.ALL)
        return parameters


def _health_check(command: Sequence[str]) -> ecs.HealthCheck:
    return ecs.HealthCheck(
        command=["CMD", *command],
        interval=Duration.seconds(30),
        # Python alone takes seconds to import Dagster on half a CPU.
        timeout=Duration.seconds(20),
        retries=3,
        start_period=Duration.seconds(180),
    )


def common_environment(
    stack: Stack, name: str, config: Config, data: DataStack, launch: Mapping[str, str]
) -> dict[str, str]:
    """Return what every container is told: how all of them open the same Dagster instance."""
    return {
        "DAGSTER_HOME": "/opt/dagster",
        "AWS_REGION": stack.region,
        "AWS_DEFAULT_REGION": stack.region,
        "DAGSTER_POSTGRES_SECRET": data.database.secret.secret_arn,
        "ECOM_COMPUTE_LOGS_BUCKET": bucket_name(name, COMPUTE_LOGS),
        "ECOM_CODE_SERVER_HOST": CODE_SERVER,
        "ECOM_DAGSTER_URL": f"https://{config.ui.domain}",
        **launch,
    }
