"""The network: VPC, the ways out of it, and who may connect to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from deploy.cdk.acknowledgements import acknowledge

if TYPE_CHECKING:
    from aws_cdk import aws_logs as logs

    from deploy.cdk.options import Config

DAGSTER_PORT, CODE_PORT, POSTGRES_PORT, HTTPS_PORT, HTTP_PORT = 3000, 4000, 5432, 443, 80


class Network(Construct):
    """Two zones; tasks and database in private subnets, load balancers and NAT in public ones.

    S3, where nearly all bytes go, has a gateway endpoint, which is free. For all other services
    of AWS a NAT gateway, which Slack and the shop's database may need anyway, costs less than
    their endpoints: see docs/reference/aws-costs.md.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, config: Config, flow_logs: logs.ILogGroup
    ) -> None:
        super().__init__(scope, construct_id)
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(str(config.network.cidr)),
            max_azs=2,
            nat_gateways=config.network.nat_gateways,
            enable_dns_hostnames=True,
            enable_dns_support=True,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="public",
                    subnet_type=ec2.SubnetType.PUBLIC,
                    map_public_ip_on_launch=False,
                    cidr_mask=24,
                ),
                ec2.SubnetConfiguration(
                    name="private", subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS, cidr_mask=20
                ),
                ec2.SubnetConfiguration(
                    name="database", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED, cidr_mask=24
                ),
            ],
            gateway_endpoints={
                "S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3)
            },
            flow_logs={
                "All": ec2.FlowLogOptions(
                    destination=ec2.FlowLogDestination.to_cloud_watch_logs(flow_logs)
                )
            },
        )
        self.load_balancer = self._group("LoadBalancer", "Load balancers")
        self.webserver = self._group("Webserver", "Web servers")
        self.daemon = self._group("Daemon", "Daemon")
        self.code_server = self._group("CodeServer", "Code servers")
        self.run = self._group("Run", "Runs and one-off tasks")
        self.database = self._group("Database", "Database of Dagster")
        self.rotation = self._group("Rotation", "Rotation of the password of the database")
        self._connect(config)

    @property
    def private_subnets(self) -> list[str]:
        """The ids of the subnets where tasks run."""
        private = ec2.SubnetType.PRIVATE_WITH_EGRESS
        return [*self.vpc.select_subnets(subnet_type=private).subnet_ids]

    def _connect(self, config: Config) -> None:
        anywhere, https = ec2.Peer.any_ipv4(), ec2.Port.tcp(HTTPS_PORT)
        self.load_balancer.add_ingress_rule(anywhere, https, "People")
        self.load_balancer.add_ingress_rule(
            anywhere, ec2.Port.tcp(HTTP_PORT), "Redirected to HTTPS"
        )
        acknowledge(
            self.load_balancer,
            {"EC23": "People open the UI from anywhere; nothing passes without a login."},
        )
        for source, target, port, reason in (
            (self.load_balancer, self.webserver, DAGSTER_PORT, "UI"),
            (self.webserver, self.code_server, CODE_PORT, "Definitions"),
            (self.daemon, self.code_server, CODE_PORT, "Definitions, sensors, schedules"),
            (self.webserver, self.database, POSTGRES_PORT, "Runs and events"),
            (self.daemon, self.database, POSTGRES_PORT, "Runs and events"),
            (self.code_server, self.database, POSTGRES_PORT, "Runs and events"),
            (self.run, self.database, POSTGRES_PORT, "Runs and events"),
        ):
            source.add_egress_rule(target, ec2.Port.tcp(port), reason)
            target.add_ingress_rule(source, ec2.Port.tcp(port), reason)
        self.load_balancer.add_egress_rule(anywhere, https, "Login at Cognito")
        for group in (self.webserver, self.daemon, self.rotation):
            group.add_egress_rule(anywhere, https, "AWS")
        for group in (self.code_server, self.run):
            group.add_egress_rule(anywhere, https, "AWS and Slack")
            for rule in config.network.egress:
                peer = ec2.Peer.ipv4(str(rule.cidr))
                group.add_egress_rule(peer, ec2.Port.tcp(rule.port), rule.reason)

    def _group(self, name: str, description: str) -> ec2.SecurityGroup:
        return ec2.SecurityGroup(
            self, name, vpc=self.vpc, description=description, allow_all_outbound=False
        )
