"""`ecom doctor --aws`: whether what the platform runs on in AWS is as it should be.

Where everything is, the task definition of runs says: its family is all that must be known.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from ecom_platform.commands.doctor_buckets import buckets_of
from ecom_platform.commands.formats import print_findings
from ecom_platform.findings import NOTE, OK, WRONG, Finding
from ecom_platform.instance import TASK_DEFINITION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Settings that hold passwords or keys.
SECRETS = {
    "ECOM_SOURCE", "ECOM_EMAIL_HMAC_KEY", "ECOM_ALERT_SLACK_WEBHOOK", "ECOM_ALERT_EMAIL_SMTP",
}  # fmt: skip
_RESTORABLE = timedelta(hours=1)


def examine_aws() -> int:
    """Print the findings; return 0, or 1 when something is wrong."""
    family = os.environ.get(TASK_DEFINITION)
    if not family:
        advice = f"Set {TASK_DEFINITION}, such as ecom-platform-production-run."
        findings = [Finding(WRONG, "task definition", f"{TASK_DEFINITION} is not set", advice)]
    else:
        findings = list(_everything(family))
    print_findings(findings)
    return 1 if any(finding.mark == WRONG for finding in findings) else 0


def _everything(family: str) -> Iterator[Finding]:
    import boto3

    session = boto3.Session()
    looked = _look("account", lambda: _account(session))
    yield from looked
    if any(finding.mark == WRONG for finding in looked):
        return
    ecs = session.client("ecs")
    task: dict[str, Any] = {}

    def read() -> Iterator[Finding]:
        found = ecs.describe_task_definition(taskDefinition=family)["taskDefinition"]
        task.update(found["containerDefinitions"][0])
        return _task(task, found)

    yield from _look("task definition", read)
    if not task:
        return
    environment = {pair["name"]: pair["value"] for pair in task.get("environment", [])}
    for bucket in buckets_of(environment):
        yield from _look("buckets", lambda: bucket.examine(session.client("s3")))  # noqa: B023 - at once
    looks: dict[str, Callable[[], Iterator[Finding]]] = {
        "services": lambda: _services(ecs, environment["ECOM_ECS_CLUSTER"]),
        "database": lambda: _database(session.client("rds")),
        "secret": lambda: _secret(
            session.client("secretsmanager"), environment["DAGSTER_POSTGRES_SECRET"]
        ),
        "alerts": lambda: _topic(session.client("sns"), environment["ECOM_ALERT_SNS_TOPIC"]),
        "alarms": lambda: _alarms(
            session.client("cloudwatch"), environment["ECOM_ALERT_SNS_TOPIC"]
        ),
        "logs": lambda: _logs(session.client("logs"), task),
    }
    for what, look in looks.items():
        yield from _look(what, look)


def _look(what: str, look: Callable[[], Iterator[Finding]]) -> list[Finding]:
    try:
        return list(look())
    except KeyError as error:
        advice = "Deploy the stack again: it sets them all."
        return [Finding(WRONG, what, f"the task definition does not set {error}", advice)]
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code.startswith("AccessDenied") or code == "AuthorizationError":
            advice = "Ask as somebody who may, such as the role of the deployment."
            return [Finding(NOTE, what, f"may not be looked at: {error}", advice)]
        return [Finding(WRONG, what, str(error))]
    except BotoCoreError as error:
        return [Finding(WRONG, what, str(error), "Set AWS_PROFILE, or AWS_REGION and credentials.")]


def _says(
    what: str, *, good: bool, fact: str, advice: str = "", mark: str = WRONG
) -> Iterator[Finding]:
    yield Finding(OK, what, fact) if good else Finding(mark, what, fact, advice)


def _account(session: Any) -> Iterator[Finding]:
    found = session.client("sts").get_caller_identity()
    yield Finding(OK, "account", f"{found['Account']} in {session.region_name}, as {found['Arn']}")


def _task(container: dict[str, Any], found: dict[str, Any]) -> Iterator[Finding]:
    what, name = "task definition", f"{found['family']}:{found['revision']}"
    yield Finding(OK, what, f"{name} starts {container['image']}")
    if not container.get("readonlyRootFilesystem"):
        yield Finding(WRONG, what, f"{name} may write to its image", "Deploy the stack again.")
    plain = SECRETS & {pair["name"] for pair in container.get("environment", [])}
    for setting in sorted(plain):
        yield Finding(
            WRONG, what, f"{name} shows {setting} to all who may read task definitions",
            "Put it into Secrets Manager, and name the secret in the configuration of the stack.",
        )  # fmt: skip


def _services(ecs: Any, cluster: str) -> Iterator[Finding]:
    arns = ecs.list_services(cluster=cluster)["serviceArns"]
    if not arns:
        yield Finding(WRONG, "services", f"{cluster} has none", "Deploy the stack.")
        return
    for service in ecs.describe_services(cluster=cluster, services=arns)["services"]:
        name, wanted, running = (
            service[k] for k in ("serviceName", "desiredCount", "runningCount")
        )
        yield from _says(
            "services", good=running >= wanted > 0, fact=f"{name} has {running} of {wanted} tasks",
            advice="See the events of the service, and docs/runbooks/aws-alarms.md.",
        )  # fmt: skip
        if "daemon" in name and wanted > 1:
            advice = "Set its desired count to 1: two daemons launch runs twice."
            yield Finding(WRONG, "services", f"{name} is to run {wanted} times", advice)
        if service.get("enableExecuteCommand"):
            advice = "Turn it off once you have looked."
            yield Finding(NOTE, "services", f"{name} lets people into its containers", advice)


def _database(rds: Any) -> Iterator[Finding]:
    found = [d for d in rds.describe_db_instances()["DBInstances"] if d.get("DBName") == "dagster"]
    if not found:
        yield Finding(WRONG, "database", "no RDS instance has a database `dagster`", "Deploy it.")
    for instance in found:
        name = instance["DBInstanceIdentifier"]
        restorable = instance.get("LatestRestorableTime")
        good = {
            "is encrypted": instance.get("StorageEncrypted"),
            "is private": not instance.get("PubliclyAccessible"),
            "is protected from deletion": instance.get("DeletionProtection"),
            "is backed up": (instance.get("BackupRetentionPeriod") or 0) > 0,
            "can be restored to an hour ago": not restorable
            or datetime.now(UTC) - restorable < _RESTORABLE,
        }
        for fact, is_so in good.items():
            says = fact if is_so else f"not so: {fact}"
            advice = "Deploy the stack again, or see docs/runbooks/database.md."
            yield from _says("database", good=bool(is_so), fact=f"{name}: {says}", advice=advice)


def _secret(client: Any, secret: str) -> Iterator[Finding]:
    found = client.describe_secret(SecretId=secret)
    name, at = found["Name"], found.get("LastRotatedDate")
    if not found.get("RotationEnabled"):
        yield Finding(WRONG, "secret", f"{name} is never rotated", "Deploy the stack again.")
        return
    days = found.get("RotationRules", {}).get("AutomaticallyAfterDays", 30)
    late = at is not None and datetime.now(UTC) - at > timedelta(days=2 * days)
    fact = f"{name} was rotated {at:%Y-%m-%d}" if at else f"{name} is rotated every {days} days"
    yield from _says(
        "secret",
        good=not late,
        fact=fact,
        advice="See why its rotation fails: docs/runbooks/keys.md.",
    )


def _topic(sns: Any, topic: str) -> Iterator[Finding]:
    found = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    subscribed = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    confirmed = sum(one["SubscriptionArn"].startswith("arn:") for one in subscribed)
    yield from _says(
        "alerts", good=confirmed > 0, fact=f"{confirmed} have subscribed to {topic}",
        advice="Subscribe an address, and confirm it: nobody is told of anything.",
    )  # fmt: skip
    if not found.get("KmsMasterKeyId"):
        yield Finding(NOTE, "alerts", f"{topic} is not encrypted", "Deploy the stack again.")


def _alarms(cloudwatch: Any, topic: str) -> Iterator[Finding]:
    found = cloudwatch.describe_alarms()["MetricAlarms"]
    ours = [alarm for alarm in found if topic in alarm["AlarmActions"]]
    yield from _says(
        "alarms", good=bool(ours), fact=f"{len(ours)} alarms tell the topic",
        advice="Deploy the stack: who sleeps must be woken by something.",
    )  # fmt: skip
    for alarm in ours:
        if alarm["StateValue"] == "ALARM":
            fact = f"{alarm['AlarmName']}: {alarm.get('StateReason') or 'in alarm'}"
            yield Finding(WRONG, "alarms", fact, alarm.get("AlarmDescription", ""))


def _logs(logs: Any, container: dict[str, Any]) -> Iterator[Finding]:
    group = container["logConfiguration"]["options"]["awslogs-group"]
    found = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    days = next((g.get("retentionInDays") for g in found if g["logGroupName"] == group), None)
    yield from _says(
        "logs", good=bool(days), fact=f"{group} is kept for {f'{days} days' if days else 'ever'}",
        advice="Give the group a retention.", mark=NOTE,
    )  # fmt: skip
