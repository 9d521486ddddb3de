"""The two keys that encrypt: one for data, one for logs and alarms, which AWS itself writes."""

from __future__ import annotations

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct


class Keys(Construct):
    """Rotated once a year; kept when the stack is deleted, for without them all is lost."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        stack = Stack.of(self)
        self.data = self._key("Data", "Lake, pages, output of runs, database, secrets, images")
        self.data.add_to_resource_policy(
            iam.PolicyStatement(
                sid="CloudFrontReadsThePages",
                principals=[iam.ServicePrincipal("cloudfront.amazonaws.com")],
                actions=["kms:Decrypt"],
                resources=["*"],
                conditions=distributions_of_this_account(stack),
            )
        )
        self.operations = self._key("Operations", "Logs and alarms")
        logs = {
            "kms:EncryptionContext:aws:logs:arn": stack.format_arn(service="logs", resource="*")
        }
        self._let_write(
            f"logs.{stack.region}.amazonaws.com",
            {"ArnLike": logs},
            "kms:DescribeKey",
            "kms:Encrypt",
            "kms:ReEncrypt*",
        )
        for service in ("cloudwatch", "budgets"):
            ours = {"StringEquals": {"aws:SourceAccount": stack.account}}
            self._let_write(f"{service}.amazonaws.com", ours)

    def _let_write(self, service: str, conditions: dict[str, object], *more: str) -> None:
        """Let a service of AWS write what the operations' key encrypts."""
        self.operations.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal(service)],
                actions=["kms:Decrypt", "kms:GenerateDataKey*", *more],
                resources=["*"],
                conditions=conditions,
            )
        )

    def _key(self, name: str, what: str) -> kms.Key:
        return kms.Key(
            self,
            name,
            description=f"{Stack.of(self).stack_name}: {what}",
            enable_key_rotation=True,
            removal_policy=RemovalPolicy.RETAIN,
        )


def distributions_of_this_account(stack: Stack) -> dict[str, object]:
    """Return the condition that a caller is a CloudFront distribution of this account.

    Which one cannot be said: it stands in the other stack, which is made after this one.
    """
    arn = f"arn:{stack.partition}:cloudfront::{stack.account}:distribution/*"
    return {"ArnLike": {"aws:SourceArn": arn}}
