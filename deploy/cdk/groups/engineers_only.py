"""Refuses tokens for the engineers' UI to whoever is not in their group: a Cognito trigger.

A load balancer lets everybody in who has logged in, and Cognito knows no groups of clients. So
Cognito asks this before it gives any token away.
"""  # noqa: INP001 - the whole program of a function on AWS Lambda

from __future__ import annotations

import os
from functools import cache
from typing import Any

import boto3


@cache
def _engineers_client() -> str:
    # Read here, because the client cannot be made before the trigger that is told of it.
    parameter = boto3.client("ssm").get_parameter(Name=os.environ["ENGINEERS_CLIENT"])
    return parameter["Parameter"]["Value"]


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Let a token be given away, or raise."""
    groups = event["request"]["groupConfiguration"].get("groupsToOverride") or []
    engineer = os.environ["ENGINEERS_GROUP"] in groups
    if not engineer and event["callerContext"]["clientId"] == _engineers_client():
        raise PermissionError("This UI is for engineers. Open the read-only one.")
    return event
