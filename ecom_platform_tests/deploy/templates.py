"""Reads templates of CloudFormation: resources by type, policies by role, values as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Stack (`data`, `services`, `login`) -> template.
Environment = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Statement:
    """What a policy allows or denies."""

    effect: str
    actions: frozenset[str]
    resources: frozenset[str]
    conditions: dict[str, Any]


def resources(environment: Environment, kind: str) -> dict[str, dict[str, Any]]:
    """Return logical id -> resource, of a type, in all stacks of an environment."""
    return {
        logical_id: resource
        for template in environment.values()
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] == f"AWS::{kind}"
    }


def properties(environment: Environment, kind: str) -> dict[str, dict[str, Any]]:
    """Return logical id -> properties, of a type, in all stacks of an environment."""
    return {key: found.get("Properties", {}) for key, found in resources(environment, kind).items()}


def text(value: Any) -> str:
    """Write a value with its references in angle brackets: `<BucketsLake7E5C8A08.Arn>/*`."""
    match value:
        case {"Fn::Join": [separator, parts]}:
            return separator.join(map(text, parts))
        case {"Ref": name} | {"Fn::ImportValue": name} | {"Fn::GetAtt": name} | {"Fn::Sub": name}:
            return f"<{'.'.join(name) if isinstance(name, list) else text(name)}>"
        case _:
            return str(value)


def texts(value: Any) -> frozenset[str]:
    """Write one value or several."""
    return frozenset(map(text, value if isinstance(value, list) else [value]))


def statements_of(document: dict[str, Any]) -> Iterator[Statement]:
    """Read a policy."""
    for found in document["Statement"]:
        yield Statement(
            found["Effect"],
            texts(found["Action"]),
            texts(found.get("Resource", [])),
            found.get("Condition", {}),
        )


def allowed(environment: Environment) -> dict[str, list[Statement]]:
    """Return logical id of each role -> all that its policies say."""
    roles: dict[str, list[Statement]] = {
        role: [
            statement
            for policy in properties.get("Policies", [])
            for statement in statements_of(policy["PolicyDocument"])
        ]
        for role, properties in properties(environment, "IAM::Role").items()
    }
    for policy in properties(environment, "IAM::Policy").values():
        for role in policy["Roles"]:
            roles[role["Ref"]] += statements_of(policy["PolicyDocument"])
    return roles


def role(environment: Environment, task: str) -> list[Statement]:
    """Return what the role of a task may do: `run`, `code-server`, ..."""
    (logical_id,) = (
        key
        for key, found in properties(environment, "IAM::Role").items()
        if str(found.get("RoleName", "")).endswith(f"-{task}")
        and f"-{task}" == found["RoleName"].removeprefix(prefix(environment))
    )
    return allowed(environment)[logical_id]


def prefix(environment: Environment) -> str:
    """Return what all names of an environment begin with."""
    (pool,) = properties(environment, "Cognito::UserPool").values()
    return pool["UserPoolName"]


def actions(statements: list[Statement]) -> set[str]:
    """Return every action that is allowed."""
    return {action for found in statements if found.effect == "Allow" for action in found.actions}


def containers(environment: Environment) -> dict[str, dict[str, Any]]:
    """Return name -> definition of the one container of each task."""
    found = (
        definition["ContainerDefinitions"]
        for definition in properties(environment, "ECS::TaskDefinition").values()
    )
    return {container["Name"]: container for (container,) in found}


def variables(container: dict[str, Any]) -> dict[str, str]:
    """Return a container's environment variables; of secrets, where their value is."""
    plain = {item["Name"]: text(item["Value"]) for item in container["Environment"]}
    return plain | {item["Name"]: text(item["ValueFrom"]) for item in container.get("Secrets", [])}
