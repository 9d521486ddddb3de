"""Findings of cdk-nag that are known and meant, each with its reason, where it arises."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Acknowledgment, Stack, Validations

if TYPE_CHECKING:
    from collections.abc import Iterable

    from constructs import IConstruct


def acknowledge(construct: IConstruct, reasons: dict[str, str]) -> None:
    """Acknowledge findings of a construct and what is in it.

    Args:
        construct: Where they arise.
        reasons: The finding, such as `IAM5[Resource::*]`, with why it is meant.
    """
    Validations.of(construct).acknowledge(
        *(
            Acknowledgment(id=f"AwsSolutions-{finding}", reason=reason)
            for finding, reason in reasons.items()
        )
    )


def acknowledge_wildcard(construct: IConstruct, resources: Iterable[str], reason: str) -> None:
    """Acknowledge that policies of a construct name resources with a wildcard.

    Args:
        construct: The role, or what has it.
        resources: As the policy names them; those without a wildcard are no findings.
        reason: Why it is meant.
    """
    stack = Stack.of(construct)
    named = [
        # As cdk-nag writes what is not known before the deployment.
        resource.replace(stack.partition, "<AWS::Partition>").replace(
            stack.account, "<AWS::AccountId>"
        )
        for resource in resources
    ]
    acknowledge(construct, {f"IAM5[Resource::{name}]": reason for name in named if "*" in name})
