"""Whether the docs of the stack say what the templates say."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ecom_platform_tests.deploy.templates import prefix, properties

if TYPE_CHECKING:
    from ecom_platform_tests.deploy.templates import Environment

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def test_the_reference_is_what_the_templates_say(templates: dict[str, Environment]) -> None:
    from deploy.cdk.reference import pages

    made = pages(templates)
    written = {name: (DOCS / "reference" / name).read_text(encoding="utf-8") for name in made}
    assert written == made, "run: .venv/bin/python -m deploy.cdk.reference"


@pytest.mark.parametrize("stage", ["staging", "production"])
def test_every_alarm_says_what_to_do_and_has_a_section_in_the_runbook(
    templates: dict[str, Environment], stage: str
) -> None:
    sections: set[str] = set()
    for alarm in properties(templates[stage], "CloudWatch::Alarm").values():
        advice, _, runbook = alarm["AlarmDescription"].partition(" Runbook: ")
        assert len(advice.split()) > 8
        file, _, section = runbook.partition("#")
        assert alarm["AlarmName"] == f"{prefix(templates[stage])}-{section}"
        assert (ROOT / file).is_file()
        sections.add(section)
    runbook = (DOCS / "runbooks/aws-alarms.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^## (\S+)$", runbook, re.MULTILINE)) == sections


def test_costs_grow_with_what_is_in_the_templates(templates: dict[str, Environment]) -> None:
    from deploy.cdk.costs import estimate

    def usd(found: Environment) -> dict[str, float]:
        return {item.name: item.usd for item in estimate(found)}

    production = templates["production"]
    assert sum(usd(templates["staging"]).values()) < sum(usd(production).values())
    more: Any = json.loads(json.dumps(production))
    for found in more["services"]["Resources"].values():
        if found.get("Properties", {}).get("ServiceName") == "code-server":
            found["Properties"]["DesiredCount"] = 4
    changed = {name for name, sum_ in usd(more).items() if sum_ != usd(production)[name]}
    assert changed == {"Fargate: code-server"}
    twice = usd(more)["Fargate: code-server"] / usd(production)["Fargate: code-server"]
    assert twice == pytest.approx(2)


def test_a_database_without_a_price_is_named(templates: dict[str, Environment]) -> None:
    from deploy.cdk.config import ConfigError
    from deploy.cdk.costs import estimate

    text = json.dumps(templates["staging"]).replace("db.t4g.small", "db.r9.huge")
    with pytest.raises(ConfigError, match=r"no price of db\.r9\.huge"):
        estimate(json.loads(text))


def test_the_costs_are_printed() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.cdk.costs", "--environment", "staging"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    table = (DOCS / "reference/aws-costs.md").read_text(encoding="utf-8")
    rows = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert len(rows) > 15
    assert [row for row in rows if row not in table] == []
