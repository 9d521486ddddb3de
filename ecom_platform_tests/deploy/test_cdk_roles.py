"""What the roles in AWS may do, and above all what they may not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from ecom_platform_tests.deploy.templates import (
    Environment,
    actions,
    allowed,
    containers,
    prefix,
    properties,
    role,
    statements_of,
    texts,
)

if TYPE_CHECKING:
    from pathlib import Path

TASKS = ("webserver", "read-only", "daemon", "code-server", "run", "erasure")
PLATFORM = {"code-server", "run", "erasure"}
#: What may be asked of all resources, and why: AWS knows no resources for it, or a condition
#: says which.
OF_ALL = {
    "ecr:GetAuthorizationToken": None,
    "ecs:DescribeTaskDefinition": None,
    "ecs:ListTasks": "ecs:cluster",
    "cloudwatch:PutMetricData": "cloudwatch:namespace",
}


@pytest.fixture(params=["staging", "production"])
def environment(templates: dict[str, Environment], request: pytest.FixtureRequest) -> Environment:
    return templates[request.param]


def test_no_role_has_a_wildcard_for_actions(environment: Environment) -> None:
    found = {key: actions(said) for key, said in allowed(environment).items()}
    assert len(found) > 12
    assert {a for all_ in found.values() for a in all_ if "*" in a} == set()


def test_all_resources_are_named_but_where_aws_knows_none(environment: Environment) -> None:
    wide = [s for said in allowed(environment).values() for s in said if "*" in s.resources]
    assert {action for found in wide for action in found.actions} == set(OF_ALL)
    for found in wide:
        for action in found.actions:
            condition = OF_ALL[action]
            named = {key for test in found.conditions.values() for key in test}
            assert condition is None or condition in named


def test_the_launchers_actions_are_exactly_the_documented(environment: Environment) -> None:
    launching = {
        "ecs:DescribeTaskDefinition", "ecs:DescribeTasks", "ecs:ListTasks", "ecs:RunTask",
        "ecs:StopTask", "ecs:TagResource", "iam:PassRole", "logs:GetLogEvents",
    }  # fmt: skip
    storing = {
        "kms:Decrypt", "kms:GenerateDataKey", "s3:AbortMultipartUpload", "s3:GetObject",
        "s3:ListBucket", "s3:PutObject", "secretsmanager:GetSecretValue",
    }  # fmt: skip
    assert actions(role(environment, "daemon")) == launching | storing


def test_only_tasks_of_the_own_cluster_are_started_and_stopped(environment: Environment) -> None:
    for task in ("daemon", "webserver"):
        for found in role(environment, task):
            if found.actions & {"ecs:RunTask", "ecs:StopTask", "ecs:ListTasks"}:
                (cluster,) = texts(found.conditions["ArnEquals"]["ecs:cluster"])
                assert cluster.endswith(f":cluster/{prefix(environment)}")
            if "ecs:RunTask" in found.actions:
                (family,) = found.resources
                assert family.endswith(f":task-definition/{prefix(environment)}-run:*")
            if "ecs:TagResource" in found.actions:
                assert found.conditions == {"StringEquals": {"ecs:CreateAction": "RunTask"}}


def test_roles_are_passed_to_runs_alone(environment: Environment) -> None:
    passing = {
        key: found
        for key, said in allowed(environment).items()
        for found in said
        if "iam:PassRole" in found.actions
    }
    ((key, found),) = passing.items()
    assert key.startswith("RolesDaemon")
    assert found.conditions == {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    (run,) = (
        definition
        for definition in properties(environment, "ECS::TaskDefinition").values()
        if definition["Family"].endswith("-run")
    )
    assert found.resources == texts([run["TaskRoleArn"], run["ExecutionRoleArn"]])


def test_the_read_only_webserver_reads_only(environment: Environment) -> None:
    assert actions(role(environment, "read-only")) == {
        "kms:Decrypt", "s3:GetObject", "s3:ListBucket", "secretsmanager:GetSecretValue",
    }  # fmt: skip


def test_the_webserver_may_stop_runs_besides(environment: Environment) -> None:
    more = actions(role(environment, "webserver")) - actions(role(environment, "read-only"))
    assert more == {"ecs:DescribeTasks", "ecs:StopTask"}


def test_no_role_but_erasure_deletes_versions(environment: Environment) -> None:
    deleting = {
        key
        for key, said in allowed(environment).items()
        if "s3:DeleteObjectVersion" in actions(said)
    }
    assert len(deleting) == 1
    assert "s3:DeleteObjectVersion" in actions(role(environment, "erasure"))


def test_buckets_deny_all_others_to_delete_versions(environment: Environment) -> None:
    denying = [
        found
        for policy in properties(environment, "S3::BucketPolicy").values()
        for found in statements_of(policy["PolicyDocument"])
        if "s3:DeleteObjectVersion" in found.actions
    ]
    assert len(denying) == 2  # of the lake and of the pages
    for found in denying:
        assert found.effect == "Deny"
        (arn,) = texts(found.conditions["ArnNotEquals"]["aws:PrincipalArn"])
        assert (
            arn == f"arn:<AWS::Partition>:iam::<AWS::AccountId>:role/{prefix(environment)}-erasure"
        )


@pytest.mark.parametrize("task", TASKS)
def test_only_who_runs_the_platforms_code_reaches_the_lake(
    environment: Environment, task: str
) -> None:
    buckets = {
        match[1]
        for found in role(environment, task)
        for resource in found.resources
        if (match := re.search(rf":s3:::{prefix(environment)}-([a-z-]+)-<", resource))
    }
    logs = {"compute-logs"}
    assert buckets == logs | ({"lake", "dashboards"} if task in PLATFORM else set())


def test_only_who_runs_the_platforms_code_is_given_the_source(environment: Environment) -> None:
    assert {
        name: {secret["Name"] for secret in container.get("Secrets", [])} >= {"ECOM_SOURCE"}
        for name, container in containers(environment).items()
    } == {task: task in PLATFORM for task in TASKS}
    reading = {
        key
        for key, said in allowed(environment).items()
        for found in said
        if "secretsmanager:GetSecretValue" in found.actions
        if any("/source" in resource for resource in found.resources)
    }
    assert sorted(re.sub("[0-9A-F]{8}$", "", key) for key in reading) == [
        "TasksCodeServerExecutionRole",
        "TasksErasureExecutionRole",
        "TasksRunExecutionRole",
    ]


def test_a_task_of_another_account_cannot_act_as_ours(environment: Environment) -> None:
    for found in properties(environment, "IAM::Role").values():
        if str(found.get("RoleName")).removeprefix(f"{prefix(environment)}-") in TASKS:
            (trust,) = found["AssumeRolePolicyDocument"]["Statement"]
            assert trust["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
            assert trust["Condition"] == {
                "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
            }


def test_the_deploy_role_is_for_one_environment_of_one_repository(
    environment: Environment,
) -> None:
    name = prefix(environment).removeprefix("ecom-platform-")
    (deployer,) = (
        found
        for found in properties(environment, "IAM::Role").values()
        if str(found.get("RoleName")).endswith("-deploy")
    )
    (trust,) = deployer["AssumeRolePolicyDocument"]["Statement"]
    github = "token.actions.githubusercontent.com"
    assert trust["Condition"] == {
        "StringEquals": {
            f"{github}:aud": "sts.amazonaws.com",
            f"{github}:sub": f"repo:example/ecom-platform:environment:{name}",
        }
    }
    acting = [s for s in role(environment, "deploy") if "sts:AssumeRole" in s.actions]
    assert all(":role/cdk-hnb659fds-" in arn for found in acting for arn in found.resources)


def test_every_acknowledged_finding_has_a_reason(tmp_path: Path) -> None:
    from aws_cdk import App

    from deploy.cdk.app import FLAGS, build

    context = FLAGS | {"environment": "staging", "image_tag": "TAG"}
    app = App(outdir=str(tmp_path), context=context)
    build(app)
    reasons = {
        (finding, reason)
        for construct in app.node.find_all()
        for entry in construct.node.metadata
        if entry.type == "aws:cdk:acknowledged-rules"
        for finding, reason in entry.data.items()
        if "AwsSolutions" in finding
    }
    assert len(reasons) > 20
    assert {(finding, reason) for finding, reason in reasons if len(reason.split()) < 4} == set()


def test_a_finding_that_nobody_acknowledged_stops_the_synthesis(tmp_path: Path) -> None:
    from aws_cdk import App, Stack
    from aws_cdk import aws_sns as sns

    from deploy.cdk.app import FLAGS, build

    context = FLAGS | {"environment": "staging", "image_tag": "TAG"}
    app = App(outdir=str(tmp_path), context=context)
    build(app)
    sns.Topic(Stack(app, "Careless"), "NotEncrypted")
    with pytest.raises(RuntimeError, match=r"Acknowledge with 'AwsSolutions::AwsSolutions-SNS3'"):
        app.synth()
