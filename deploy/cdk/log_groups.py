"""Log groups: encrypted, and kept for as long as the environment says."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from aws_cdk import RemovalPolicy
from aws_cdk import aws_logs as logs

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms
    from constructs import Construct


def log_group(
    scope: Construct, construct_id: str, *, days: int, key: kms.IKey, name: str | None = None
) -> logs.LogGroup:
    """Make a log group.

    Args:
        scope: Where it belongs.
        construct_id: What it is called there.
        days: How long its events are kept.
        key: What encrypts them.
        name: Of the group, if who writes to it dictates it.
    """
    group = logs.LogGroup(
        scope,
        construct_id,
        log_group_name=name,
        encryption_key=key,
        removal_policy=RemovalPolicy.DESTROY,
    )
    # The construct's own argument is an enumeration: "ONE_MONTH" for 30.
    cast("logs.CfnLogGroup", group.node.default_child).retention_in_days = days
    return group


def log_group_name(name: str, task: str) -> str:
    """Return the name of the log group of a task."""
    return f"/{name}/{task}"
