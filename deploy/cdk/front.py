"""The way in to a web server: a load balancer that lets pass who has logged in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Duration
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_elasticloadbalancingv2_actions as actions
from constructs import Construct

from deploy.cdk.network import DAGSTER_PORT, HTTP_PORT, HTTPS_PORT

if TYPE_CHECKING:
    from aws_cdk import aws_cognito as cognito
    from aws_cdk import aws_ecs as ecs

    from deploy.cdk.data_stack import DataStack
    from deploy.cdk.options import Config


class Front(Construct):
    """One for each web server, not one for both.

    A load balancer would take the session of one of its names for a session of another: AWS does
    not say that it tells them apart, and the read-only UI's users must not come into the other.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        config: Config,
        data: DataStack,
        client: cognito.UserPoolClient,
        service: ecs.FargateService,
    ) -> None:
        super().__init__(scope, construct_id)
        self.balancer = elb.ApplicationLoadBalancer(
            self,
            "Balancer",
            vpc=data.network.vpc,
            internet_facing=True,
            security_group=data.network.load_balancer,
            drop_invalid_header_fields=True,
            # The UI follows runs by websockets, which are silent while nothing happens.
            idle_timeout=Duration.minutes(5),
        )
        self.balancer.log_access_logs(data.buckets.access_logs, f"load-balancer/{name}")
        self.balancer.add_redirect(source_port=HTTP_PORT, target_port=HTTPS_PORT, open=False)
        self.targets = elb.ApplicationTargetGroup(
            self,
            "Targets",
            vpc=data.network.vpc,
            port=DAGSTER_PORT,
            protocol=elb.ApplicationProtocol.HTTP,
            target_type=elb.TargetType.IP,
            deregistration_delay=Duration.seconds(30),
            health_check=elb.HealthCheck(path="/server_info", interval=Duration.seconds(15)),
        )
        service.attach_to_application_target_group(self.targets)
        self.balancer.add_listener(
            "Https",
            port=HTTPS_PORT,
            open=False,
            ssl_policy=elb.SslPolicy.TLS13_RES,
            certificates=[
                acm.Certificate.from_certificate_arn(self, "Certificate", config.ui.certificate_arn)
            ],
            default_action=actions.AuthenticateCognitoAction(
                user_pool=data.identity.pool,
                user_pool_client=client,
                user_pool_domain=data.identity.domain,
                scope="openid",
                session_timeout=Duration.hours(config.login.session_hours),
                allow_https_outbound=False,
                next=elb.ListenerAction.forward([self.targets]),
            ),
        )
