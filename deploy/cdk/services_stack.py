"""The stack of what runs: tasks, services, the ways in, the alarms. All of it can be made anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import CfnOutput, Duration, Stack

from deploy.cdk.cluster import Services, make_cluster
from deploy.cdk.dashboards import Dashboards
from deploy.cdk.front import Front
from deploy.cdk.lake_catalog import LakeCatalog
from deploy.cdk.monitoring import Monitoring
from deploy.cdk.roles import Roles
from deploy.cdk.storage import DASHBOARDS, LAKE, bucket_name
from deploy.cdk.tasks import Process, Tasks, code_server, common_environment, daemon, webserver

if TYPE_CHECKING:
    from aws_cdk import Environment
    from constructs import Construct

    from deploy.cdk.data_stack import DataStack
    from deploy.cdk.options import Config


class ServicesStack(Stack):
    """Deployed with every version of the image."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        environment: str,
        config: Config,
        data: DataStack,
        image_tag: str,
        env: Environment,
    ) -> None:
        super().__init__(
            scope,
            f"{name}-services",
            env=env,
            description="ecom-platform: what runs (tasks, services, logins, alarms)",
        )
        self._name, self._config, self._data = name, config, data
        lake = f"s3://{bucket_name(name, LAKE)}/lake"
        metrics = f"ecom_platform/{environment}"
        catalog = LakeCatalog(self, "Catalog", name=name, lake=lake, scan_gb=config.athena_scan_gb)
        self._monitoring = Monitoring(
            self, "Monitoring", name=name, config=config, key=data.keys.operations
        )
        self._roles = Roles(
            self,
            "Roles",
            name=name,
            data=data,
            topic=self._monitoring.topic,
            catalog=catalog,
            metrics=metrics,
            config=config,
        )
        self._cluster = make_cluster(self, "Cluster", name=name, network=data.network)
        self._tasks = Tasks(
            self,
            "Tasks",
            name=name,
            config=config,
            data=data,
            image_tag=image_tag,
            environment=common_environment(self, name, config, data, self._where_runs_go()),
            platform_environment={
                "ECOM_LAKE": lake,
                "ECOM_DASHBOARDS": f"s3://{bucket_name(name, DASHBOARDS)}",
                "ECOM_ALERT_SNS_TOPIC": self._monitoring.topic.topic_arn,
                "ECOM_HEARTBEAT": f"cloudwatch:{metrics}",
                **config.settings,
            },
        )
        self._make_runs()
        self._make_services(image_tag)
        dashboards = Dashboards(self, "Dashboards", name=name, config=config, data=data)
        self._monitoring.watch_platform(metrics)
        self._monitoring.watch_database(data.database.instance)
        CfnOutput(self, "PagesAddress", value=dashboards.distribution.distribution_domain_name)

    def _where_runs_go(self) -> dict[str, str]:
        return {
            "ECOM_ECS_CLUSTER": self._name,
            # Without a revision: each run starts with the newest.
            "ECOM_ECS_TASK_DEFINITION": f"{self._name}-run",
            "ECOM_ECS_SUBNETS": ",".join(self._data.network.private_subnets),
            "ECOM_ECS_SECURITY_GROUPS": self._data.network.run.security_group_id,
        }

    def _make_runs(self) -> None:
        sizes, roles = self._config.tasks, self._roles
        for task, role in (("run", roles.run), ("erasure", roles.erasure)):
            definition = self._tasks.define(
                task,
                Process(),
                role,
                sizes.run,
                runs_the_platform=True,
                disk_gb=sizes.run_disk_gb,
            )
            if task == "run":
                roles.let_launch(definition)

    def _make_services(self, image_tag: str) -> None:
        sizes, roles, network = self._config.tasks, self._roles, self._data.network
        services = Services(self, "Services", cluster=self._cluster)
        definition = self._tasks.define(
            "code-server",
            code_server(image_tag),
            roles.code_server,
            sizes.code_server,
            runs_the_platform=True,
        )
        running = {
            "code-server": services.code_servers(
                "code-server",
                definition,
                network.code_server,
                Duration.minutes(sizes.bake_minutes),
            )
        }
        definition = self._tasks.define("daemon", daemon(), roles.daemon, sizes.daemon)
        running["daemon"] = services.daemon("daemon", definition, network.daemon)
        identity = self._data.identity
        for task, role, size, client in (
            ("webserver", roles.webserver, sizes.webserver, identity.engineers),
            ("read-only", roles.read_only, sizes.read_only, identity.readers),
        ):
            process = webserver(read_only=task == "read-only")
            definition = self._tasks.define(task, process, role, size)
            running[task] = services.webserver(task, definition, network.webserver)
            front = Front(
                self,
                f"{task.title().replace('-', '')}Front",
                name=task,
                config=self._config,
                data=self._data,
                client=client,
                service=running[task],
            )
            self._monitoring.watch_load_balancer(task, front.balancer)
            CfnOutput(
                self,
                f"{task.title().replace('-', '')}Address",
                value=front.balancer.load_balancer_dns_name,
            )
        for task, service in running.items():
            # A service finds only those that were there when its tasks began.
            if task != "code-server":
                service.node.add_dependency(running["code-server"])
        self._monitoring.watch_services(running)
