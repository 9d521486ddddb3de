"""The services: which tasks run all the time, how many, and how they are replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Duration
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_servicediscovery as servicediscovery
from constructs import Construct

from deploy.cdk.network import CODE_PORT
from deploy.cdk.tasks import CODE_SERVER

if TYPE_CHECKING:
    from deploy.cdk.network import Network

#: A sensor may take a minute; Service Connect would end its answer after 15 seconds.
LONGEST_ANSWER = Duration.minutes(5)


def make_cluster(
    scope: Construct, construct_id: str, *, name: str, network: Network
) -> ecs.Cluster:
    """Make the cluster, with the namespace in which services know each other."""
    cluster = ecs.Cluster(
        scope,
        construct_id,
        cluster_name=name,
        vpc=network.vpc,
        container_insights_v2=ecs.ContainerInsights.ENABLED,
    )
    cluster.add_default_cloud_map_namespace(
        name=name,
        type=servicediscovery.NamespaceType.HTTP,
        use_for_service_connect=True,
    )
    return cluster


class Services(Construct):
    """Makes services of task definitions."""

    def __init__(self, scope: Construct, construct_id: str, *, cluster: ecs.Cluster) -> None:
        super().__init__(scope, construct_id)
        self._cluster = cluster

    def webserver(
        self, task: str, definition: ecs.FargateTaskDefinition, group: ec2.ISecurityGroup
    ) -> ecs.FargateService:
        """One web server; the next is healthy before the last one ends."""
        return self._service(
            task,
            definition,
            group,
            min_healthy_percent=100,
            max_healthy_percent=200,
            health_check_grace_period=Duration.minutes(3),
            service_connect_configuration=ecs.ServiceConnectProps(),
        )

    def daemon(
        self, task: str, definition: ecs.FargateTaskDefinition, group: ec2.ISecurityGroup
    ) -> ecs.FargateService:
        """The daemon: the last one ends before the next begins, for two would start runs twice."""
        return self._service(
            task,
            definition,
            group,
            min_healthy_percent=0,
            max_healthy_percent=100,
            service_connect_configuration=ecs.ServiceConnectProps(),
        )

    def code_servers(
        self,
        task: str,
        definition: ecs.FargateTaskDefinition,
        group: ec2.ISecurityGroup,
        bake_time: Duration,
    ) -> ecs.FargateService:
        """Two code servers; a deployment makes two others, and all ask those from one moment on.

        Both versions answering in turn, as while tasks are replaced one by one, would have the
        daemon and the web servers reload all definitions at every answer.
        """
        return self._service(
            task,
            definition,
            group,
            desired_count=2,
            min_healthy_percent=100,
            max_healthy_percent=200,
            deployment_strategy=ecs.DeploymentStrategy.BLUE_GREEN,
            bake_time=bake_time,
            service_connect_configuration=ecs.ServiceConnectProps(
                services=[
                    ecs.ServiceConnectService(
                        port_mapping_name=CODE_SERVER,
                        discovery_name=CODE_SERVER,
                        dns_name=CODE_SERVER,
                        port=CODE_PORT,
                        per_request_timeout=LONGEST_ANSWER,
                        idle_timeout=LONGEST_ANSWER,
                    )
                ]
            ),
        )

    def _service(
        self,
        task: str,
        definition: ecs.FargateTaskDefinition,
        group: ec2.ISecurityGroup,
        *,
        desired_count: int = 1,
        **options: object,
    ) -> ecs.FargateService:
        return ecs.FargateService(
            self,
            "".join(word.capitalize() for word in task.split("-")),
            service_name=task,
            cluster=self._cluster,
            task_definition=definition,
            desired_count=desired_count,
            security_groups=[group],
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
            assign_public_ip=False,
            circuit_breaker=ecs.DeploymentCircuitBreaker(enable=True, rollback=True),
            enable_execute_command=False,
            enable_ecs_managed_tags=True,
            propagate_tags=ecs.PropagatedTagSource.SERVICE,
            **options,
        )
