"""The role with which the workflow on GitHub pushes images and deploys, without any key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Duration, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from deploy.cdk.acknowledgements import acknowledge

if TYPE_CHECKING:
    from aws_cdk import aws_ecr as ecr

    from deploy.cdk.options import Config

GITHUB = "token.actions.githubusercontent.com"


class Deployer(Construct):
    """What it may do by itself: push images, and act as the roles that `cdk bootstrap` made."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        environment: str,
        config: Config,
        images: ecr.IRepository,
    ) -> None:
        super().__init__(scope, construct_id)
        stack = Stack.of(self)
        # An account has one provider for GitHub, whoever else uses it: so it is not made here.
        provider = f"arn:{stack.partition}:iam::{stack.account}:oidc-provider/{GITHUB}"
        # A job that names an environment of GitHub's is known by that, whatever its branch; which
        # branches may, and who must approve, the environment's own rules say.
        job = f"repo:{config.github_repository}:environment:{environment}"
        self.role = iam.Role(
            self,
            "Role",
            role_name=f"{name}-deploy",
            description="GitHub Actions: pushes images and deploys",
            max_session_duration=Duration.hours(1),
            assumed_by=iam.WebIdentityPrincipal(
                provider,
                {"StringEquals": {f"{GITHUB}:aud": "sts.amazonaws.com", f"{GITHUB}:sub": job}},
            ),
        )
        for actions, resources in (
            (["ecr:GetAuthorizationToken"], ["*"]),
            (
                [
                    "ecr:BatchCheckLayerAvailability",
                    "ecr:BatchGetImage",
                    "ecr:CompleteLayerUpload",
                    "ecr:DescribeImages",
                    "ecr:InitiateLayerUpload",
                    "ecr:PutImage",
                    "ecr:UploadLayerPart",
                ],
                [images.repository_arn],
            ),
            (
                ["sts:AssumeRole"],
                [
                    f"arn:{stack.partition}:iam::{stack.account}:role/cdk-hnb659fds-{role}-role-"
                    f"{stack.account}-{region}"
                    for role in ("deploy", "file-publishing")
                    for region in dict.fromkeys((stack.region, "us-east-1"))
                ],
            ),
        ):
            self.role.add_to_policy(iam.PolicyStatement(actions=actions, resources=resources))
        acknowledge(
            self.role, {"IAM5[Resource::*]": "ecr:GetAuthorizationToken knows no resources."}
        )
