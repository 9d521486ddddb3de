"""The buckets, and the registry of images: what must survive every deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Aws, Duration, RemovalPolicy, Stack
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from deploy.cdk.acknowledgements import acknowledge
from deploy.cdk.keys import distributions_of_this_account

if TYPE_CHECKING:
    from deploy.cdk.options import Storage

#: Of the images that were pushed, how many are kept to go back to.
IMAGES_KEPT = 50
LAKE, DASHBOARDS, COMPUTE_LOGS = "lake", "dashboards", "compute-logs"


def bucket_name(name: str, what: str) -> str:
    """Return the name of a bucket: the same in every deployment, so that nothing must be asked."""
    return f"{name}-{what}-{Aws.ACCOUNT_ID}"


class Buckets(Construct):
    """Private, versioned, encrypted, reached by TLS only, and kept when the stack is deleted."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        config: Storage,
        key: kms.IKey,
        eraser: str,
    ) -> None:
        super().__init__(scope, construct_id)
        self._name, self._key = name, key
        self._replaced = Duration.days(config.lake_versions_days)
        self.access_logs = s3.Bucket(
            self,
            "AccessLogs",
            bucket_name=bucket_name(name, "access-logs"),
            # S3 and load balancers deliver their logs to no bucket with a key of ours.
            encryption=s3.BucketEncryption.S3_MANAGED,
            lifecycle_rules=self._expiry(config.access_logs_days),
            **_COMMON,
        )
        acknowledge(
            self.access_logs, {"S1": "It holds the access logs; logging itself would never end."}
        )
        self.lake = self._bucket("Lake", LAKE)
        self.dashboards = self._bucket("Dashboards", DASHBOARDS)
        self.compute_logs = self._bucket(
            "ComputeLogs", COMPUTE_LOGS, self._expiry(config.compute_logs_days)
        )
        for bucket in (self.lake, self.dashboards):
            _only_versions_deleted_by(bucket, eraser)
        self._let_cloudfront_read()

    def _bucket(
        self, construct_id: str, what: str, expiry: list[s3.LifecycleRule] | None = None
    ) -> s3.Bucket:
        return s3.Bucket(
            self,
            construct_id,
            bucket_name=bucket_name(self._name, what),
            encryption=s3.BucketEncryption.KMS,
            encryption_key=self._key,
            bucket_key_enabled=True,
            lifecycle_rules=expiry
            or [
                s3.LifecycleRule(
                    abort_incomplete_multipart_upload_after=Duration.days(1),
                    noncurrent_version_expiration=self._replaced,
                    expired_object_delete_marker=True,
                )
            ],
            server_access_logs_bucket=self.access_logs,
            server_access_logs_prefix=f"s3/{what}/",
            **_COMMON,
        )

    @staticmethod
    def _expiry(days: int) -> list[s3.LifecycleRule]:
        return [
            s3.LifecycleRule(
                abort_incomplete_multipart_upload_after=Duration.days(1),
                expiration=Duration.days(days),
                noncurrent_version_expiration=Duration.days(1),
            )
        ]

    def _let_cloudfront_read(self) -> None:
        principal = iam.ServicePrincipal("cloudfront.amazonaws.com")
        for action, resource in (
            ("s3:GetObject", self.dashboards.arn_for_objects("*")),
            # So that a page that is not there is not found, rather than forbidden.
            ("s3:ListBucket", self.dashboards.bucket_arn),
        ):
            self.dashboards.add_to_resource_policy(
                iam.PolicyStatement(
                    principals=[principal],
                    actions=[action],
                    resources=[resource],
                    conditions=distributions_of_this_account(Stack.of(self)),
                )
            )


_COMMON = {
    "versioned": True,
    "enforce_ssl": True,
    "minimum_tls_version": 1.2,
    "block_public_access": s3.BlockPublicAccess.BLOCK_ALL,
    "object_ownership": s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
    "removal_policy": RemovalPolicy.RETAIN,
}


def _only_versions_deleted_by(bucket: s3.Bucket, role_name: str) -> None:
    """Deny everybody else to delete versions: administrators too, until they change this."""
    stack = Stack.of(bucket)
    arn = f"arn:{stack.partition}:iam::{stack.account}:role/{role_name}"
    bucket.add_to_resource_policy(
        iam.PolicyStatement(
            sid="OnlyErasureDeletesVersions",
            effect=iam.Effect.DENY,
            principals=[iam.AnyPrincipal()],
            actions=["s3:DeleteObjectVersion"],
            resources=[bucket.arn_for_objects("*")],
            conditions={"ArnNotEquals": {"aws:PrincipalArn": arn}},
        )
    )


def image_registry(
    scope: Construct, construct_id: str, *, name: str, key: kms.IKey
) -> ecr.Repository:
    """Make the registry of images, whose tags never change what they mean."""
    return ecr.Repository(
        scope,
        construct_id,
        repository_name=name,
        image_tag_mutability=ecr.TagMutability.IMMUTABLE,
        image_scan_on_push=True,
        encryption=ecr.RepositoryEncryption.KMS,
        encryption_key=key,
        lifecycle_rules=[ecr.LifecycleRule(max_image_count=IMAGES_KEPT)],
        removal_policy=RemovalPolicy.RETAIN,
    )
