"""Dagster's own database: runs, events, schedules. The shop's is not here."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_rds as rds
from constructs import Construct

from deploy.cdk.acknowledgements import acknowledge
from deploy.cdk.log_groups import log_group
from deploy.cdk.network import POSTGRES_PORT

if TYPE_CHECKING:
    from aws_cdk import aws_secretsmanager as secretsmanager

    from deploy.cdk.keys import Keys
    from deploy.cdk.network import Network
    from deploy.cdk.options import Config

#: Set rather than left to the size of the machine, so that an alarm can be a share of it.
MAX_CONNECTIONS = 200
#: RDS takes no /, @ or quotes; the rest would have to be escaped somewhere.
NOT_IN_PASSWORDS = " %+~`#$&*()|[]{}:;<>?!'/@\"\\"


class Database(Construct):
    """PostgreSQL on RDS. Its password is known to its secret alone, and new every 30 days."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        config: Config,
        network: Network,
        keys: Keys,
    ) -> None:
        super().__init__(scope, construct_id)
        engine = rds.DatabaseInstanceEngine.postgres(version=rds.PostgresEngineVersion.VER_17_7)
        # RDS would make the log group itself, without a key and to be kept for ever.
        logs = log_group(
            self,
            "Logs",
            days=config.log_days,
            key=keys.operations,
            name=f"/aws/rds/instance/{name}/postgresql",
        )
        self.instance = rds.DatabaseInstance(
            self,
            "Instance",
            instance_identifier=name,
            engine=engine,
            instance_type=ec2.InstanceType(config.database.instance_class),
            parameter_group=rds.ParameterGroup(
                self,
                "Parameters",
                engine=engine,
                parameters={
                    "rds.force_ssl": "1",
                    "max_connections": str(MAX_CONNECTIONS),
                    "log_min_duration_statement": "1000",
                },
            ),
            vpc=network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
            security_groups=[network.database],
            database_name="dagster",
            port=POSTGRES_PORT,
            credentials=rds.Credentials.from_generated_secret(
                "dagster", encryption_key=keys.data, exclude_characters=NOT_IN_PASSWORDS
            ),
            allocated_storage=config.database.storage_gb,
            max_allocated_storage=config.database.max_storage_gb,
            storage_type=rds.StorageType.GP3,
            storage_encrypted=True,
            storage_encryption_key=keys.data,
            multi_az=config.database.multi_az,
            backup_retention=Duration.days(config.database.backup_days),
            delete_automated_backups=False,
            copy_tags_to_snapshot=True,
            deletion_protection=True,
            removal_policy=RemovalPolicy.RETAIN,
            auto_minor_version_upgrade=True,
            publicly_accessible=False,
            enable_performance_insights=True,
            performance_insight_encryption_key=keys.data,
            cloudwatch_logs_exports=["postgresql"],
        )
        self.instance.node.add_dependency(logs)
        reasons = {
            "RDS11": "No port is secret: only our own tasks reach it, by their security groups."
        }
        if not config.database.multi_az:
            reasons["RDS3"] = "multi_az is off in this environment: it may be away for an hour."
        acknowledge(self.instance, reasons)
        self.secret = cast("secretsmanager.ISecret", self.instance.secret)
        self.instance.add_rotation_single_user(
            automatically_after=Duration.days(30),
            security_group=network.rotation,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
            exclude_characters=NOT_IN_PASSWORDS,
        )
