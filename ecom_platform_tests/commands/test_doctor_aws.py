"""A deployment without a fault has none found; each fault is found, and named with what to do."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ecs.models import ecs_backends
from moto.rds.models import rds_backends
from moto.secretsmanager.models import secretsmanager_backends
from moto.sns.models import sns_backends

from ecom_platform_tests.commands.harness import ecom

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REGION = "us-east-1"
BUCKETS = ("lake", "dashboards", "logs")


class Deployment:
    """What the stack makes, in moto; all its names begin with one prefix."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        for bucket in BUCKETS:
            self._make_bucket(f"{prefix}-{bucket}")
        self.topic = client("sns").create_topic(
            Name=prefix, Attributes={"KmsMasterKeyId": "alias/key"}
        )["TopicArn"]
        queue = client("sqs").create_queue(QueueName=prefix)["QueueUrl"]
        attributes = client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        endpoint = attributes["Attributes"]["QueueArn"]
        client("sns").subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=endpoint)
        self.secret = client("secretsmanager").create_secret(Name=prefix, SecretString="{}")["ARN"]
        stored = secretsmanager_backends[DEFAULT_ACCOUNT_ID][REGION].secrets[self.secret]
        stored.rotation_requested = stored.rotation_enabled = True
        stored.auto_rotate_after_days = 30
        stored.last_rotation_date = datetime.now(UTC).timestamp()
        self.stored_secret = stored
        client("logs").create_log_group(logGroupName=prefix)
        client("logs").put_retention_policy(logGroupName=prefix, retentionInDays=30)
        self.put_alarm("OK")
        client("rds").create_db_instance(
            DBInstanceIdentifier=prefix, DBName="dagster", Engine="postgres",
            DBInstanceClass="db.t4g.small", AllocatedStorage=20, StorageEncrypted=True,
            DeletionProtection=True, BackupRetentionPeriod=7, PubliclyAccessible=False,
            MasterUsername="dagster", MasterUserPassword="password",
        )  # fmt: skip
        self.database = rds_backends[DEFAULT_ACCOUNT_ID][REGION].databases[prefix]
        ecs = client("ecs")
        ecs.create_cluster(clusterName=prefix)
        self.register()
        for service in ("webserver", "daemon"):
            ecs.create_service(
                cluster=prefix, serviceName=service, taskDefinition=prefix, desiredCount=1
            )
            self.service(service).running_count = 1

    def _make_bucket(self, name: str) -> None:
        s3 = client("s3")
        s3.create_bucket(Bucket=name)
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        blocks = (
            "BlockPublicAcls",
            "IgnorePublicAcls",
            "BlockPublicPolicy",
            "RestrictPublicBuckets",
        )
        s3.put_public_access_block(
            Bucket=name, PublicAccessBlockConfiguration=dict.fromkeys(blocks, True)
        )
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
        s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": [rule]})
        only_tls = {
            "Effect": "Deny", "Principal": "*", "Action": "s3:*",
            "Resource": f"arn:aws:s3:::{name}",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }  # fmt: skip
        policy = {"Version": "2012-10-17", "Statement": [only_tls]}
        s3.put_bucket_policy(Bucket=name, Policy=json.dumps(policy))
        expire = {
            "ID": "old", "Status": "Enabled", "Filter": {"Prefix": ""},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 90},
        }  # fmt: skip
        s3.put_bucket_lifecycle_configuration(
            Bucket=name, LifecycleConfiguration={"Rules": [expire]}
        )

    def register(self, **more: str) -> None:
        """Register the task definition of runs, with more in its environment."""
        environment = {
            "ECOM_LAKE": f"s3://{self.prefix}-lake/lake",
            "ECOM_DASHBOARDS": f"s3://{self.prefix}-dashboards",
            "ECOM_COMPUTE_LOGS_BUCKET": f"{self.prefix}-logs",
            "ECOM_ECS_CLUSTER": self.prefix,
            "ECOM_ALERT_SNS_TOPIC": self.topic,
            "DAGSTER_POSTGRES_SECRET": self.secret,
            **more,
        }
        container: Any = {
            "name": "run", "image": "ecom-platform:1", "memory": 512,
            "readonlyRootFilesystem": True,
            "environment": [{"name": n, "value": v} for n, v in environment.items()],
            "logConfiguration": {
                "logDriver": "awslogs", "options": {"awslogs-group": self.prefix},
            },
        }  # fmt: skip
        client("ecs").register_task_definition(family=self.prefix, containerDefinitions=[container])

    def service(self, name: str) -> Any:
        """Return the state that moto has of a service."""
        services = ecs_backends[DEFAULT_ACCOUNT_ID][REGION].services
        [found] = [s for s in services.values() if (s.cluster_name, s.name) == (self.prefix, name)]
        return found

    def put_alarm(self, state: str) -> None:
        """Make the alarm, in some state."""
        client("cloudwatch").put_metric_alarm(
            AlarmName=self.prefix, AlarmDescription="See docs/runbooks/aws-alarms.md.",
            Namespace="Shop", MetricName="Heartbeat", Statistic="Sum", Period=300,
            EvaluationPeriods=3, Threshold=1, ComparisonOperator="LessThanThreshold",
            AlarmActions=[self.topic],
        )  # fmt: skip
        client("cloudwatch").set_alarm_state(
            AlarmName=self.prefix, StateValue=state, StateReason="no data"
        )

    def remove(self) -> None:
        """Remove what others would see."""
        self.database.deletion_protection = False
        client("rds").delete_db_instance(DBInstanceIdentifier=self.prefix, SkipFinalSnapshot=True)


def client(service: str) -> Any:
    return boto3.client(service, region_name=REGION)


@pytest.fixture
def deployment(bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("ECOM_ECS_TASK_DEFINITION", bucket)
    made = Deployment(bucket)
    yield made
    made.remove()


def test_a_deployment_without_a_fault_has_none(deployment: Deployment) -> None:
    done = ecom("doctor", "--aws")
    assert done.code == 0, done.out
    marks = {line.split()[0] for line in done.out.splitlines() if not line.startswith(" ")}
    assert marks == {"✓"}
    for what in ("123456789012 in us-east-1", f"{deployment.prefix}:1 starts ecom-platform:1"):
        assert what in done.out


def unblock(made: Deployment) -> None:
    client("s3").delete_public_access_block(Bucket=f"{made.prefix}-lake")


def drop_policy(made: Deployment) -> None:
    client("s3").delete_bucket_policy(Bucket=f"{made.prefix}-dashboards")


def suspend(made: Deployment) -> None:
    client("s3").put_bucket_versioning(
        Bucket=f"{made.prefix}-lake", VersioningConfiguration={"Status": "Suspended"}
    )


def delete_bucket(made: Deployment) -> None:
    client("s3").delete_bucket(Bucket=f"{made.prefix}-logs")


def unsubscribe(made: Deployment) -> None:
    for arn, subscription in list(sns_backends[DEFAULT_ACCOUNT_ID][REGION].subscriptions.items()):
        if subscription.topic.arn == made.topic:
            client("sns").unsubscribe(SubscriptionArn=arn)


def forget_rotation(made: Deployment) -> None:
    late = datetime.now(UTC) - timedelta(days=61)
    made.stored_secret.last_rotation_date = late.timestamp()


def break_off(made: Deployment) -> None:
    made.service("webserver").running_count = 0


def double(made: Deployment) -> None:
    client("ecs").update_service(cluster=made.prefix, service="daemon", desiredCount=2)
    made.service("daemon").running_count = 2


FAULTS: dict[str, tuple[Callable[[Deployment], object], str]] = {
    "public": (unblock, "-lake may be made public"),
    "plain": (drop_policy, "-dashboards can be read without TLS"),
    "versions": (suspend, "-lake keeps no versions"),
    "no bucket": (delete_bucket, "-logs does not exist"),
    "secret in plain sight": (
        lambda made: made.register(ECOM_SOURCE="postgresql://x"),
        "shows ECOM_SOURCE to all who may read task definitions",
    ),
    "another cluster": (lambda made: made.register(ECOM_ECS_CLUSTER="none"), "services"),
    "nobody listens": (unsubscribe, "0 have subscribed"),
    "alarm": (lambda made: made.put_alarm("ALARM"), "no data"),
    "rotation is late": (forget_rotation, "was rotated"),
    "rotation is off": (
        lambda made: setattr(made.stored_secret, "rotation_enabled", False),
        "is never rotated",
    ),
    "a service is down": (break_off, "webserver has 0 of 1 tasks"),
    "two daemons": (double, "daemon is to run 2 times"),
    "public database": (
        lambda made: setattr(made.database, "publicly_accessible", True),
        "not so: is private",
    ),
    "no backup": (
        lambda made: setattr(made.database, "backup_retention_period", 0),
        "not so: is backed up",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_and_nothing_else(deployment: Deployment, fault: str) -> None:
    bring_about, told = FAULTS[fault]
    bring_about(deployment)
    done = ecom("doctor", "--aws")
    assert done.code == 1
    wrong = [line for line in done.out.splitlines() if line.startswith("✗")]
    assert len(wrong) == 1, done.out
    assert told in " ".join(done.out.split())


def test_the_family_must_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ECOM_ECS_TASK_DEFINITION", raising=False)
    done = ecom("doctor", "--aws")
    assert done.code == 1
    assert "ECOM_ECS_TASK_DEFINITION is not set" in done.out


def test_a_family_that_does_not_exist_is_named(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECOM_ECS_TASK_DEFINITION", f"{deployment.prefix}-x")
    done = ecom("doctor", "--aws")
    assert done.code == 1
    assert "DescribeTaskDefinition" in done.out
