"""What the stacks make: network, storage, database, services, logins, alarms."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from ecom_platform.instance import DEPLOYMENT_VARIABLES
from ecom_platform_tests.deploy.templates import (
    Environment,
    containers,
    prefix,
    properties,
    resources,
    statements_of,
    text,
    variables,
)

if TYPE_CHECKING:
    from pathlib import Path

    from aws_cdk.assertions import Template

COMMON = {
    "AWS_DEFAULT_REGION", "AWS_REGION", "DAGSTER_HOME", "DAGSTER_POSTGRES_SECRET",
    "ECOM_CODE_SERVER_HOST", "ECOM_COMPUTE_LOGS_BUCKET", "ECOM_DAGSTER_URL", "ECOM_ECS_CLUSTER",
    "ECOM_ECS_SECURITY_GROUPS", "ECOM_ECS_SUBNETS", "ECOM_ECS_TASK_DEFINITION",
}  # fmt: skip
PLATFORM = COMMON | {
    "ECOM_ALERT_SNS_TOPIC", "ECOM_DASHBOARDS", "ECOM_EMAIL_HMAC_KEY", "ECOM_HEARTBEAT",
    "ECOM_LAKE", "ECOM_SOURCE",
}  # fmt: skip
#: What would be lost with them.
DATA = {
    "KMS::Key", "S3::Bucket", "RDS::DBInstance", "ECR::Repository", "Cognito::UserPool",
}  # fmt: skip


@pytest.fixture(params=["staging", "production"])
def environment(templates: dict[str, Environment], request: pytest.FixtureRequest) -> Environment:
    return templates[request.param]


@pytest.fixture(scope="module")
def production(templates: dict[str, Environment]) -> dict[str, Template]:
    from aws_cdk.assertions import Template

    return {name: Template.from_json(found) for name, found in templates["production"].items()}


def test_every_template_passes_cfn_lint(templates: dict[str, Environment], tmp_path: Path) -> None:
    import json

    from deploy.cdk.config import FOLDER

    files = [tmp_path / f"{e}-{s}.json" for e, stacks in templates.items() for s in stacks]
    for file in files:
        stage, stack = file.stem.split("-")
        file.write_text(json.dumps(templates[stage][stack]))
    program = shutil.which("cfn-lint", path=str(FOLDER)) or f"{sys.prefix}/bin/cfn-lint"
    settings = ["--config-file", str(FOLDER.parent / ".cfnlintrc"), "--regions", "us-east-1"]
    done = subprocess.run(
        [program, *settings, "--", *map(str, files)], capture_output=True, text=True, check=False
    )
    assert done.stdout + done.stderr == ""
    assert done.returncode == 0


# --------------------------------------------------------------------------- data


def test_data_outlives_its_stack(environment: Environment) -> None:
    for kind in DATA:
        found = resources(environment, kind)
        assert found
        for resource in found.values():
            assert resource["DeletionPolicy"] == "Retain"
            assert resource["UpdateReplacePolicy"] == "Retain"
    secrets = resources(environment, "SecretsManager::Secret")
    assert {s["DeletionPolicy"] for key, s in secrets.items() if "Hmac" in key} == {"Retain"}
    assert set(environment["data"]["Resources"]) >= {
        key for kind in DATA for key in resources(environment, kind)
    }


def test_stack_and_database_and_users_are_protected_from_deletion(
    environment: Environment, tmp_path: Path
) -> None:
    from aws_cdk import App

    from deploy.cdk.app import FLAGS, build

    (database,) = properties(environment, "RDS::DBInstance").values()
    assert database["DeletionProtection"] is True
    (users,) = properties(environment, "Cognito::UserPool").values()
    assert users["DeletionProtection"] == "ACTIVE"
    app = App(outdir=str(tmp_path), context=FLAGS | {"environment": "staging", "image_tag": "TAG"})
    build(app)
    stacks = {child.node.id: child.termination_protection for child in app.node.children}
    assert stacks == {"ecom-platform-staging-data": True, "ecom-platform-staging-services": False}


def test_buckets_are_private_versioned_encrypted_and_logged(environment: Environment) -> None:
    found = properties(environment, "S3::Bucket")
    assert len(found) == 4
    for key, bucket in found.items():
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
        (owner,) = bucket["OwnershipControls"]["Rules"]
        assert owner == {"ObjectOwnership": "BucketOwnerEnforced"}
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        algorithm = rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"]
        if "AccessLogs" in key:
            assert algorithm == "AES256"  # S3 and load balancers can write with no other
        else:
            assert algorithm == "aws:kms"
            assert "DestinationBucketName" in bucket["LoggingConfiguration"]


def test_buckets_are_reached_by_tls_only(environment: Environment) -> None:
    policies = properties(environment, "S3::BucketPolicy").values()
    assert len(policies) == 4
    for policy in policies:
        denied = [s for s in statements_of(policy["PolicyDocument"]) if s.effect == "Deny"]
        assert {"Bool": {"aws:SecureTransport": "false"}} in [s.conditions for s in denied]
        assert {"NumericLessThan": {"s3:TlsVersion": 1.2}} in [s.conditions for s in denied]


@pytest.mark.parametrize(("stage", "days"), [("staging", 14), ("production", 35)])
def test_the_lake_is_kept_and_its_former_versions_for_as_long_as_configured(
    templates: dict[str, Environment], stage: str, days: int
) -> None:
    found = properties(templates[stage], "S3::Bucket")
    (lake,) = (bucket for key, bucket in found.items() if "BucketsLake" in key)
    (rule,) = lake["LifecycleConfiguration"]["Rules"]
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": days}
    assert "ExpirationInDays" not in rule


def test_the_database_is_encrypted_and_reached_by_tls_only(production: dict[str, Template]) -> None:
    from aws_cdk.assertions import Match

    production["data"].has_resource_properties(
        "AWS::RDS::DBInstance",
        {
            "DBName": "dagster",
            "StorageEncrypted": True,
            "KmsKeyId": Match.any_value(),
            "MultiAZ": True,
            "BackupRetentionPeriod": 30,
            "PubliclyAccessible": False,
            "EnableCloudwatchLogsExports": ["postgresql"],
            "EnablePerformanceInsights": True,
        },
    )
    production["data"].has_resource_properties(
        "AWS::RDS::DBParameterGroup",
        {"Parameters": Match.object_like({"rds.force_ssl": "1"})},
    )
    production["data"].has_resource_properties(
        "AWS::SecretsManager::RotationSchedule",
        {"RotationRules": {"ScheduleExpression": "rate(30 days)"}},
    )


def test_images_cannot_be_replaced_under_their_tag(production: dict[str, Template]) -> None:
    production["data"].has_resource_properties(
        "AWS::ECR::Repository",
        {"ImageTagMutability": "IMMUTABLE", "ImageScanningConfiguration": {"ScanOnPush": True}},
    )


# --------------------------------------------------------------------------- network


def test_only_the_load_balancers_are_reached_from_outside(environment: Environment) -> None:
    open_ports = {
        (key, rule["FromPort"])
        for key, group in properties(environment, "EC2::SecurityGroup").items()
        for rule in group.get("SecurityGroupIngress", [])
    }
    assert {key[:19] for key, _ in open_ports} == {"NetworkLoadBalancer"}
    assert {port for _, port in open_ports} == {80, 443}
    single = properties(environment, "EC2::SecurityGroupIngress").values()
    assert single
    assert not [rule for rule in single if "CidrIp" in rule or "CidrIpv6" in rule]


def test_port_80_only_redirects_and_nothing_is_shown_without_a_login(
    environment: Environment,
) -> None:
    listeners = properties(environment, "ElasticLoadBalancingV2::Listener").values()
    kinds = sorted(
        (found["Port"], [action["Type"] for action in found["DefaultActions"]])
        for found in listeners
    )
    assert kinds == [
        (80, ["redirect"]), (80, ["redirect"]),
        (443, ["authenticate-cognito", "forward"]), (443, ["authenticate-cognito", "forward"]),
    ]  # fmt: skip
    assert not properties(environment, "ElasticLoadBalancingV2::ListenerRule")


def test_each_ui_has_a_load_balancer_and_a_client_of_its_own(environment: Environment) -> None:
    secure = [
        found
        for found in properties(environment, "ElasticLoadBalancingV2::Listener").values()
        if found["Port"] == 443
    ]
    clients = {
        text(action["AuthenticateCognitoConfig"]["UserPoolClientId"])
        for found in secure
        for action in found["DefaultActions"]
        if action["Type"] == "authenticate-cognito"
    }
    assert len(clients) == 2
    assert len({text(found["LoadBalancerArn"]) for found in secure}) == 2


def test_no_two_rules_of_a_security_group_say_the_same(environment: Environment) -> None:
    rules = [
        (text(rule["GroupId"]), text(rule["SourceSecurityGroupId"]), _port(rule["FromPort"]))
        for rule in properties(environment, "EC2::SecurityGroupIngress").values()
    ]
    assert len(rules) == len(set(rules))


def _port(value: Any) -> str:
    return "5432" if text(value).endswith("Endpoint.Port>") else text(value)


# --------------------------------------------------------------------------- tasks


def test_tasks_are_read_only_and_nobody_is_root(environment: Environment) -> None:
    for container in containers(environment).values():
        assert container["ReadonlyRootFilesystem"] is True
        assert container["User"] == "10001:10001"
        assert container["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
        writable = [m["ContainerPath"] for m in container["MountPoints"] if not m["ReadOnly"]]
        assert writable == ["/tmp"]  # noqa: S108
        assert container["Command"][0] not in {"sh", "bash", "/bin/sh"}


def test_each_container_is_told_what_it_must_know(environment: Environment) -> None:
    extra = {"ECOM_TIMEZONE", "ECOM_START_DATE", "ECOM_ENGINE_MEMORY", "ECOM_ALERT_SLACK_WEBHOOK"}
    told = {name: set(variables(c)) - extra for name, c in containers(environment).items()}
    assert set(DEPLOYMENT_VARIABLES) <= COMMON
    assert told == {
        "webserver": COMMON, "read-only": COMMON, "daemon": COMMON,
        "code-server": PLATFORM, "run": PLATFORM, "erasure": PLATFORM,
    }  # fmt: skip


def test_what_containers_are_told_is_true(environment: Environment) -> None:
    name = prefix(environment)
    run = variables(containers(environment)["run"])
    assert run["ECOM_ECS_CLUSTER"] == name
    assert run["ECOM_ECS_TASK_DEFINITION"] == f"{name}-run"
    assert run["ECOM_LAKE"] == f"s3://{name}-lake-<AWS::AccountId>/lake"
    assert run["ECOM_DASHBOARDS"] == f"s3://{name}-dashboards-<AWS::AccountId>"
    assert run["ECOM_HEARTBEAT"] == f"cloudwatch:ecom_platform/{name.rpartition('-')[2]}"
    (cluster,) = properties(environment, "ECS::Cluster").values()
    assert cluster["ClusterName"] == name
    names = {text(b["BucketName"]) for b in properties(environment, "S3::Bucket").values()}
    assert run["ECOM_COMPUTE_LOGS_BUCKET"] in names
    assert {f"{name}-lake-<AWS::AccountId>", f"{name}-dashboards-<AWS::AccountId>"} <= names


def test_no_secret_is_in_the_environment(environment: Environment) -> None:
    for container in containers(environment).values():
        plain = {item["Name"] for item in container["Environment"]}
        assert not plain & {"ECOM_SOURCE", "ECOM_EMAIL_HMAC_KEY", "ECOM_ALERT_SLACK_WEBHOOK"}


def test_the_daemon_is_never_two(environment: Environment) -> None:
    found = properties(environment, "ECS::Service").values()
    (daemon,) = (service for service in found if service["ServiceName"] == "daemon")
    assert daemon["DesiredCount"] == 1
    assert daemon["DeploymentConfiguration"]["MaximumPercent"] == 100
    assert daemon["DeploymentConfiguration"]["MinimumHealthyPercent"] == 0


def test_services_go_back_when_a_deployment_fails(environment: Environment) -> None:
    found = properties(environment, "ECS::Service").values()
    assert len(found) == 4
    for service in found:
        breaker = service["DeploymentConfiguration"]["DeploymentCircuitBreaker"]
        assert breaker == {"Enable": True, "Rollback": True}
        assert service["EnableExecuteCommand"] is False
        network = service["NetworkConfiguration"]["AwsvpcConfiguration"]
        assert network["AssignPublicIp"] == "DISABLED"


def test_two_code_servers_are_replaced_all_at_once(environment: Environment) -> None:
    found = properties(environment, "ECS::Service").values()
    (servers,) = (service for service in found if service["ServiceName"] == "code-server")
    assert servers["DesiredCount"] == 2
    assert servers["DeploymentConfiguration"]["Strategy"] == "BLUE_GREEN"
    (connect,) = servers["ServiceConnectConfiguration"]["Services"]
    (alias,) = connect["ClientAliases"]
    container = containers(environment)["code-server"]
    assert alias["DnsName"] == variables(container)["ECOM_CODE_SERVER_HOST"]
    # A sensor answers within a minute; Service Connect alone would wait for 15 seconds.
    assert connect["Timeout"]["PerRequestTimeoutSeconds"] > 60
    assert container["Command"][-2:] == ["--fixed-server-id", "TAG"]


def test_every_service_is_asked_whether_it_is_well(environment: Environment) -> None:
    asked = {name for name, found in containers(environment).items() if "HealthCheck" in found}
    assert asked == {"webserver", "read-only", "daemon", "code-server"}
    assert "--read-only" in containers(environment)["read-only"]["Command"]
    assert "--read-only" not in containers(environment)["webserver"]["Command"]


# --------------------------------------------------------------------------- pages, SQL


def test_pages_are_private_and_every_request_passes_the_login(environment: Environment) -> None:
    (found,) = properties(environment, "CloudFront::Distribution").values()
    behavior = found["DistributionConfig"]["DefaultCacheBehavior"]
    (login,) = behavior["LambdaFunctionAssociations"]
    assert login["EventType"] == "origin-request"
    # It is asked only when nothing is cached: this is CloudFront's policy of no caching.
    assert behavior["CachePolicyId"] == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
    assert "CacheBehaviors" not in found["DistributionConfig"]
    (origin,) = found["DistributionConfig"]["Origins"]
    assert "OriginAccessControlId" in origin
    assert {header["HeaderName"] for header in origin["OriginCustomHeaders"]} == {
        "x-login-issuer", "x-login-client", "x-login-address", "x-login-site",
    }  # fmt: skip


def test_pages_come_with_security_headers(production: dict[str, Template]) -> None:
    from aws_cdk.assertions import Match

    like = Match.object_like
    production["services"].has_resource_properties(
        "AWS::CloudFront::ResponseHeadersPolicy",
        like({"ResponseHeadersPolicyConfig": like({"SecurityHeadersConfig": like({
            "StrictTransportSecurity": like({"AccessControlMaxAgeSec": 31536000}),
            "ContentTypeOptions": {"Override": True},
            "FrameOptions": {"FrameOption": "DENY", "Override": True},
            "ReferrerPolicy": {"Override": True, "ReferrerPolicy": "no-referrer"},
        })})}),
    )  # fmt: skip


def test_the_login_runs_in_us_east_1_wherever_the_platform_is(
    templates: dict[str, Environment],
) -> None:
    far = templates["far"]
    assert set(far) == {"data", "services", "login"}
    (login,) = properties({"login": far["login"]}, "Lambda::Function").values()
    assert login["FunctionName"] == "ecom-platform-far-login"
    assert "Environment" not in login  # which functions at the edge cannot have


def test_queries_cannot_run_away(production: dict[str, Template]) -> None:
    from aws_cdk.assertions import Match

    production["services"].has_resource_properties(
        "AWS::Athena::WorkGroup",
        {
            "WorkGroupConfiguration": Match.object_like(
                {
                    "BytesScannedCutoffPerQuery": 100_000_000_000,
                    "EnforceWorkGroupConfiguration": True,
                    "ManagedQueryResultsConfiguration": {"Enabled": True},
                }
            )
        },
    )


# --------------------------------------------------------------------------- alarms


def test_logs_are_encrypted_and_end(environment: Environment) -> None:
    groups = properties(environment, "Logs::LogGroup").values()
    assert len(groups) == 9
    for group in groups:
        assert group["RetentionInDays"] in {30, 180}
        assert "KmsKeyId" in group


def test_the_topic_is_encrypted_and_takes_messages_by_tls_only(environment: Environment) -> None:
    (topic,) = properties(environment, "SNS::Topic").values()
    assert "KmsMasterKeyId" in topic
    (policy,) = properties(environment, "SNS::TopicPolicy").values()
    said = list(statements_of(policy["PolicyDocument"]))
    assert [s.effect for s in said if "aws:SecureTransport" in str(s.conditions)] == ["Deny"]


def test_silence_is_an_alarm(environment: Environment) -> None:
    alarms = {a["AlarmName"]: a for a in properties(environment, "CloudWatch::Alarm").values()}
    heartbeat = alarms[f"{prefix(environment)}-heartbeat"]
    assert heartbeat["TreatMissingData"] == "breaching"
    assert heartbeat["MetricName"] == "Heartbeat"
    assert "Dimensions" not in heartbeat
    assert len(alarms) == 12
    for alarm in alarms.values():
        assert alarm["AlarmActions"] == alarm["OKActions"] != []


def test_alarms_are_on_the_metrics_that_the_platform_sends(environment: Environment) -> None:
    import inspect

    from ecom_platform.alerts import heartbeat

    sent = inspect.getsource(heartbeat)
    namespace = variables(containers(environment)["run"])["ECOM_HEARTBEAT"]
    own = [
        alarm
        for alarm in properties(environment, "CloudWatch::Alarm").values()
        if f"cloudwatch:{alarm.get('Namespace')}" == namespace
    ]
    names = {alarm["MetricName"] for alarm in own}
    assert names == {"Heartbeat", "RunFailures", "OldestQueuedRunMinutes"}
    assert {name for name in names if f'"{name}"' not in sent} == set()


def test_the_budget_tells_the_topic(environment: Environment) -> None:
    (budget,) = properties(environment, "Budgets::Budget").values()
    told = budget["NotificationsWithSubscribers"]
    assert {n["Notification"]["NotificationType"] for n in told} == {"ACTUAL", "FORECASTED"}
    assert {s["SubscriptionType"] for n in told for s in n["Subscribers"]} == {"SNS"}
