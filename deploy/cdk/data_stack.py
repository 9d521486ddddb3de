"""The stack of what must survive: keys, network, buckets, images, database, users."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import CfnOutput, RemovalPolicy, Stack
from aws_cdk import aws_secretsmanager as secretsmanager

from deploy.cdk.acknowledgements import acknowledge
from deploy.cdk.dashboards import login_role
from deploy.cdk.database import Database
from deploy.cdk.deployer import Deployer
from deploy.cdk.identity import Identity
from deploy.cdk.keys import Keys
from deploy.cdk.log_groups import log_group
from deploy.cdk.network import Network
from deploy.cdk.storage import Buckets, image_registry

if TYPE_CHECKING:
    from aws_cdk import Environment
    from constructs import Construct

    from deploy.cdk.options import Config


class DataStack(Stack):
    """Deployed first, changed seldom, and never deleted by mistake."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        environment: str,
        config: Config,
        env: Environment,
    ) -> None:
        super().__init__(
            scope,
            f"{name}-data",
            env=env,
            termination_protection=True,
            description="ecom-platform: what must survive (keys, network, buckets, database)",
        )
        self.keys = Keys(self, "Keys")
        flow_logs = log_group(self, "FlowLogs", days=config.log_days, key=self.keys.operations)
        self.network = Network(self, "Network", config=config, flow_logs=flow_logs)
        self.buckets = Buckets(
            self,
            "Buckets",
            name=name,
            config=config.storage,
            key=self.keys.data,
            eraser=erasure_role_name(name),
        )
        self.images = image_registry(self, "Images", name=name, key=self.keys.data)
        self.database = Database(
            self,
            "Database",
            name=name,
            config=config,
            network=self.network,
            keys=self.keys,
        )
        self.identity = Identity(
            self, "Identity", name=name, config=config, key=self.keys.operations
        )
        self.login_role = login_role(self, "LoginRole", name=name)
        self.email_hmac_key = secretsmanager.Secret(
            self,
            "EmailHmacKey",
            secret_name=f"{name}/email-hmac-key",
            description="Makes hashes of e-mail addresses. Never change it: all would change.",
            encryption_key=self.keys.data,
            generate_secret_string=secretsmanager.SecretStringGenerator(
                password_length=64, exclude_punctuation=True
            ),
            removal_policy=RemovalPolicy.RETAIN,
        )
        acknowledge(
            self.email_hmac_key,
            {"SMG4": "With another key all hashes would change, and customers could not be told."},
        )
        deployer = Deployer(
            self,
            "Deployer",
            name=name,
            environment=environment,
            config=config,
            images=self.images,
        )
        for output, value in (
            ("ImageRepository", self.images.repository_uri),
            ("DeployRoleArn", deployer.role.role_arn),
            ("VpcId", self.network.vpc.vpc_id),
            ("Subnets", ",".join(self.network.private_subnets)),
            ("RunSecurityGroup", self.network.run.security_group_id),
            ("UserPoolId", self.identity.pool.user_pool_id),
            ("LoginAddress", self.identity.address),
        ):
            CfnOutput(self, output, value=value)


def erasure_role_name(name: str) -> str:
    """Return the name of the one role that may delete versions, as the buckets know it."""
    return f"{name}-erasure"
