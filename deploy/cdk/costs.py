"""What an environment costs in a month, computed from its templates.

Usage: python -m deploy.cdk.costs --environment production
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deploy.cdk import prices
from deploy.cdk.config import ConfigError
from deploy.cdk.synthesis import synthesise

if TYPE_CHECKING:
    from collections.abc import Iterator

Templates = dict[str, dict[str, Any]]

#: What no template says: how much it is used. A shop of some million orders a year.
RUN_HOURS = 60
NAT_GB = 40
LOG_GB = 15
LAKE_GB = 50
THOUSAND_WRITES = 200
IMAGE_GB = 10
SCANNED_TB = 0.2
#: Of Container Insights, beside the platform's own four.
INSIGHT_METRICS = 60
OWN_METRICS = 4
#: Busy enough for one unit all day would be a very large team.
BALANCER_UNITS = 0.2
#: The services of AWS that tasks call besides S3: what endpoints in place of NAT would be for.
ENDPOINTS = ("ecr.api", "ecr.dkr", "logs", "secretsmanager", "sns", "monitoring", "ecs", "glue")
FREE_DISK_GB = 20


@dataclass(frozen=True)
class Item:
    """A line of the bill: what, how much of it, in USD a month."""

    name: str
    amount: str
    usd: float


def estimate(templates: Templates) -> list[Item]:
    """Return what an environment costs, line by line."""
    return [
        *_tasks(templates),
        *_database(templates),
        *_network(templates),
        *_storage(templates),
        *_operations(templates),
    ]


def endpoints_instead_of_nat() -> Item:
    """Return what interface endpoints for all services would cost, in two zones."""
    zones = 2
    usd = len(ENDPOINTS) * zones * prices.ENDPOINT_HOUR * prices.HOURS
    return Item("Interface endpoints", f"{len(ENDPOINTS)} in {zones} zones", usd)


def _of(templates: Templates, kind: str) -> list[dict[str, Any]]:
    return [
        resource.get("Properties", {})
        for template in templates.values()
        for resource in template["Resources"].values()
        if resource["Type"] == f"AWS::{kind}"
    ]


def _task_hour(definition: dict[str, Any]) -> float:
    cpu, memory = int(definition["Cpu"]) / 1024, int(definition["Memory"]) / 1024
    disk = definition.get("EphemeralStorage", {}).get("SizeInGiB", FREE_DISK_GB) - FREE_DISK_GB
    return (
        cpu * prices.FARGATE_CPU_HOUR
        + memory * prices.FARGATE_GB_HOUR
        + disk * prices.FARGATE_DISK_GB_HOUR
    )


def _tasks(templates: Templates) -> Iterator[Item]:
    definitions = {
        found["ContainerDefinitions"][0]["Name"]: found
        for found in _of(templates, "ECS::TaskDefinition")
    }
    for service in _of(templates, "ECS::Service"):
        name, count = service["ServiceName"], service["DesiredCount"]
        task = definitions[name]
        amount = f"{count} of {task['Cpu']} CPU units, {task['Memory']} MB"
        yield Item(f"Fargate: {name}", amount, count * _task_hour(task) * prices.HOURS)
    run = definitions["run"]
    amount = f"{RUN_HOURS} hours of {run['Cpu']} CPU units, {run['Memory']} MB"
    yield Item("Fargate: runs", amount, RUN_HOURS * _task_hour(run))


def _database(templates: Templates) -> Iterator[Item]:
    for found in _of(templates, "RDS::DBInstance"):
        kind, size, zones = found["DBInstanceClass"], int(found["AllocatedStorage"]), 1
        if found["MultiAZ"]:
            zones = 2
        if kind not in prices.RDS_HOUR:
            raise ConfigError(
                f"database.instance_class: deploy/cdk/prices.py has no price of {kind}.",
                hint="Add it there, from the public price list.",
            )
        usd = zones * (prices.RDS_HOUR[kind] * prices.HOURS + size * prices.RDS_GB_MONTH)
        yield Item("RDS", f"{kind}, {size} GB, in {zones} zone(s)", usd)


def _network(templates: Templates) -> Iterator[Item]:
    gateways = len(_of(templates, "EC2::NatGateway"))
    balancers = len(_of(templates, "ElasticLoadBalancingV2::LoadBalancer"))
    yield Item("NAT gateways", f"{gateways}", gateways * prices.NAT_HOUR * prices.HOURS)
    yield Item("NAT, data", f"{NAT_GB} GB", NAT_GB * prices.NAT_GB)
    unit = prices.LOAD_BALANCER_HOUR + BALANCER_UNITS * prices.LOAD_BALANCER_UNIT_HOUR
    amount = f"{balancers}, {BALANCER_UNITS} units each"
    yield Item("Load balancers", amount, balancers * unit * prices.HOURS)
    # Each load balancer has one in each of two zones.
    addresses = gateways + 2 * balancers
    usd = addresses * prices.ADDRESS_HOUR * prices.HOURS
    yield Item("Public IPv4 addresses", f"{addresses}", usd)


def _storage(templates: Templates) -> Iterator[Item]:
    usd = LAKE_GB * prices.S3_GB_MONTH + THOUSAND_WRITES * prices.S3_THOUSAND_WRITES
    yield Item("S3", f"{LAKE_GB} GB, {THOUSAND_WRITES},000 writes", usd)
    yield Item("ECR", f"{IMAGE_GB} GB of images", IMAGE_GB * prices.IMAGE_GB_MONTH)
    yield Item("Athena", f"{SCANNED_TB} TB scanned", SCANNED_TB * prices.ATHENA_TB)
    keys, secrets = len(_of(templates, "KMS::Key")), _secrets(templates)
    yield Item("KMS", f"{keys} keys", keys * prices.KEY_MONTH)
    yield Item("Secrets Manager", f"{secrets} secrets", secrets * prices.SECRET_MONTH)


def _secrets(templates: Templates) -> int:
    """Count them: those of the stack, and those that its owner made before."""
    made = len(_of(templates, "SecretsManager::Secret"))
    (run,) = (
        found["ContainerDefinitions"][0]
        for found in _of(templates, "ECS::TaskDefinition")
        if found["ContainerDefinitions"][0]["Name"] == "run"
    )
    given = [item for item in run["Secrets"] if item["Name"] != "ECOM_EMAIL_HMAC_KEY"]
    return made + len(given)


def _operations(templates: Templates) -> Iterator[Item]:
    alarms = _of(templates, "CloudWatch::Alarm")
    watched = sum(
        len([one for one in alarm.get("Metrics", []) if "MetricStat" in one]) or 1
        for alarm in alarms
    )
    amount = f"{len(alarms)} alarms, {watched} metrics"
    yield Item("CloudWatch, alarms", amount, watched * prices.ALARM_METRIC_MONTH)
    metrics = INSIGHT_METRICS + OWN_METRICS
    yield Item("CloudWatch, metrics", f"{metrics}", metrics * prices.METRIC_MONTH)
    yield Item("CloudWatch, logs", f"{LOG_GB} GB", LOG_GB * prices.LOG_GB)


def table(items: list[Item]) -> Iterator[str]:
    """Write lines of a table in Markdown, and their sum."""
    yield "| What | How much | USD a month |"
    yield "|---|---|---:|"
    for item in items:
        yield f"| {item.name} | {item.amount} | {item.usd:,.2f} |"
    yield f"| **Sum** | | **{sum(item.usd for item in items):,.0f}** |"


def main() -> None:
    """Print the costs of an environment."""
    parser = argparse.ArgumentParser(description="What an environment costs in a month.")
    parser.add_argument("--environment", required=True, help="the name of its file")
    try:
        lines = table(estimate(synthesise(parser.parse_args().environment)))
    except ConfigError as error:
        sys.exit(str(error))
    note = f"Prices of {prices.REGION}, written down by hand on {prices.AS_OF}: check them."
    sys.stdout.write("\n".join([note, "", *lines, ""]))


if __name__ == "__main__":
    main()
