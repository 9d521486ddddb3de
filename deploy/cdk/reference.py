"""Writes docs/reference/aws-stack.md and aws-costs.md from the configuration and the templates.

Usage: python -m deploy.cdk.reference
"""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from deploy.cdk import costs, prices
from deploy.cdk.config import FOLDER
from deploy.cdk.options import Config
from deploy.cdk.synthesis import synthesise

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PAGES = Path(__file__).parents[2] / "docs" / "reference"
NOTE = "<!-- Written by deploy/cdk/reference.py; do not edit. -->"
WIDTH = 100
ENVIRONMENTS = ("staging", "production")
OPENING = """# The stack on AWS

What `deploy/cdk` makes. [Deploy to AWS](../how-to/deploy-to-aws.md) says how; the
[costs](aws-costs.md) and the reasons ([19](../decisions/0019-two-stacks-by-lifetime.md),
[20](../decisions/0020-who-logs-in-where.md)) have pages of their own.

An environment is a file in `deploy/cdk/environments/`. Each has two stacks:
`ecom-platform-<environment>-data`, which must survive, and `ecom-platform-<environment>-services`,
which can be made anew. In a region other than us-east-1 there is a third, `-login`, in us-east-1,
where functions of CloudFront must be.
"""


def pages(templates: Mapping[str, costs.Templates]) -> dict[str, str]:
    """Return file name -> text of both pages.

    Args:
        templates: Of each environment, as `synthesise` returns them.
    """
    made = {
        "aws-stack.md": _stack(templates["production"]),
        "aws-costs.md": _costs(templates),
    }
    return {name: "\n".join([NOTE, "", *lines]).rstrip() + "\n" for name, lines in made.items()}


def _stack(production: costs.Templates) -> Iterator[str]:
    yield OPENING
    yield from ("## What you give on the command line", "")
    yield "| Context | Meaning |"
    yield "|---|---|"
    yield "| `-c environment=NAME` | the file `deploy/cdk/environments/NAME.toml` |"
    yield "| `-c image_tag=TAG` | the image that is deployed; its tag in the registry |"
    yield from ("", "## What you give in the file", "")
    yield "All keys; those with a table in their name stand in that table. Others are refused. The"
    yield from ("examples are from `production.toml`.", "")
    yield "| Key | Example | Meaning |"
    yield "|---|---|---|"
    given = tomllib.loads((FOLDER / "production.toml").read_text(encoding="utf-8"))
    yield from _keys(Config, given, "")
    yield from ("", "## What is made", "")
    for stack, template in production.items():
        yield from _resources(stack, template)
    yield from _tasks(production)
    yield from _roles(production)
    yield from _alarms(production)


def _keys(model: Any, given: dict[str, Any], prefix: str) -> Iterator[str]:
    for key, field in model.model_fields.items():
        inner = field.annotation if hasattr(field.annotation, "model_fields") else None
        if inner:
            yield from _keys(inner, given[key], f"{prefix}{key}.")
            continue
        example = given.get(key)
        shown = f"`{json.dumps(example)}`" if example is not None else "unset"
        yield f"| `{prefix}{key}` | {shown.replace('|', chr(92) + '|')} | {field.description} |"


def _resources(stack: str, template: dict[str, Any]) -> Iterator[str]:
    kinds = Counter(found["Type"].removeprefix("AWS::") for found in template["Resources"].values())
    yield from (f"`{stack}`, {sum(kinds.values())} resources:", "")
    yield ", ".join(
        f"{count} {kind.replace('::', ' ')}" if count > 1 else kind.replace("::", " ")
        for kind, count in sorted(kinds.items())
    )
    yield ""


def _tasks(templates: costs.Templates) -> Iterator[str]:
    yield from ("## Tasks", "")
    yield "| Task | CPU units, MB | Command | Told, besides what all are |"
    yield "|---|---|---|---|"
    definitions = _of(templates, "ECS::TaskDefinition")
    told = [
        {item["Name"] for found in one["ContainerDefinitions"] for item in _variables(found)}
        for one in definitions.values()
    ]
    common = set[str].intersection(*told)
    for names, definition in zip(told, definitions.values(), strict=True):
        (container,) = definition["ContainerDefinitions"]
        size = f"{definition['Cpu']}, {definition['Memory']}"
        extra = ", ".join(f"`{name}`" for name in sorted(names - common)) or "nothing"
        command = " ".join(map(str, container["Command"]))
        yield f"| `{container['Name']}` | {size} | `{command}` | {extra} |"
    yield from ("", "All are told: " + ", ".join(f"`{name}`" for name in sorted(common)) + ".", "")


def _variables(container: dict[str, Any]) -> list[dict[str, Any]]:
    return [*container["Environment"], *container.get("Secrets", [])]


def _roles(templates: costs.Templates) -> Iterator[str]:
    yield from ("## What each role may do", "")
    yield "Of tasks, and of who deploys. Buckets, keys, secrets and tables are those of this"
    yield from ("environment alone.", "")
    yield "| Role | Actions |"
    yield "|---|---|"
    policies = _of(templates, "IAM::Policy").values()
    for logical_id, role in _of(templates, "IAM::Role").items():
        if not isinstance(role.get("RoleName"), str):
            continue
        actions = {
            action
            for policy in policies
            if {"Ref": logical_id} in policy["Roles"]
            for statement in policy["PolicyDocument"]["Statement"]
            for action in _listed(statement["Action"])
        }
        shown = ", ".join(f"`{action}`" for action in sorted(actions))
        yield f"| `{role['RoleName'].removeprefix('ecom-platform-production-')}` | {shown} |"
    yield ""


def _listed(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]


def _alarms(templates: costs.Templates) -> Iterator[str]:
    yield from ("## Alarms", "", "| Alarm | What to do |", "|---|---|")
    for alarm in _of(templates, "CloudWatch::Alarm").values():
        name = alarm["AlarmName"].removeprefix("ecom-platform-production-")
        advice = alarm["AlarmDescription"].partition(" Runbook:")[0]
        yield f"| [`{name}`](../runbooks/aws-alarms.md#{name}) | {advice} |"


def _of(templates: costs.Templates, kind: str) -> dict[str, dict[str, Any]]:
    return {
        logical_id: found.get("Properties", {})
        for template in templates.values()
        for logical_id, found in template["Resources"].items()
        if found["Type"] == f"AWS::{kind}"
    }


def _costs(templates: Mapping[str, costs.Templates]) -> Iterator[str]:
    yield from ("# What the stack on AWS costs", "")
    yield from wrap(
        f"An estimate, with prices of {prices.REGION} that were written down by hand on "
        f"{prices.AS_OF}, from what was known of the public price list, and not compared with it: "
        "check them before you rely on a sum. Sizes and counts are those of the "
        "templates; how much is used is assumed, and stands in `deploy/cdk/costs.py`. "
        "`make costs ENVIRONMENT=production` prints the same.",
        WIDTH,
    )
    yield ""
    for environment in ENVIRONMENTS:
        yield from (f"## {environment}", "")
        yield from costs.table(costs.estimate(templates[environment]))
        yield ""
    other = costs.endpoints_instead_of_nat()
    gateway = prices.NAT_HOUR * prices.HOURS
    yield from ("## NAT or endpoints", "")
    yield from wrap(
        f"A NAT gateway is {gateway:.2f} USD a month, and {prices.NAT_GB} for each GB. Interface "
        f"endpoints for the {len(costs.ENDPOINTS)} services that tasks call besides S3 "
        f"({', '.join(costs.ENDPOINTS)}) would be {other.usd:.2f} USD: {other.amount}. And a NAT "
        "gateway would still be wanted, for Slack and for a shop's database elsewhere. So there "
        "are no interface endpoints. S3, where nearly all bytes go, has a gateway endpoint, "
        "which is free.",
        WIDTH,
    )


def main() -> None:
    """Write both pages."""
    templates = {name: synthesise(name) for name in ENVIRONMENTS}
    for name, text in pages(templates).items():
        (PAGES / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
