"""The examples for CI: no keys, least permissions, and no command that does not exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = {name: ROOT / "deploy/ci" / name for name in ("github-actions.yaml", "gitlab-ci.yaml")}
GITHUB, GITLAB = (path.read_text() for path in FILES.values())
WORKFLOW = yaml.safe_load(GITHUB)
PIPELINE = yaml.safe_load(GITLAB)
JOBS: dict[str, dict[str, Any]] = WORKFLOW["jobs"]
#: To become somebody on AWS.
ROLE = "aws-actions/configure-aws-credentials"


def uses(job: dict[str, Any]) -> list[str]:
    return [step["uses"] for step in job["steps"] if "uses" in step]


@pytest.mark.parametrize("text", [GITHUB, GITLAB], ids=list(FILES))
def test_there_is_no_key_that_lives_long(text: str) -> None:
    assert not re.search(r"secrets\.|ACCESS_KEY|SESSION_TOKEN|password:", text, re.IGNORECASE)


def test_a_job_on_github_is_permitted_what_it_needs_and_no_more() -> None:
    assert WORKFLOW["permissions"] == {}
    for job in JOBS.values():
        token = {"id-token": "write"} if any(ROLE in used for used in uses(job)) else {}
        assert job["permissions"] == {"contents": "read", **token}


def test_code_that_nobody_has_reviewed_meets_no_role_that_deploys() -> None:
    roles = {
        name: step["with"]["role-to-assume"]
        for name, job in JOBS.items()
        for step in job["steps"]
        if ROLE in step.get("uses", "")
    }
    assert roles == {
        "diff": "${{ vars.AWS_DIFF_ROLE }}",
        "staging": "${{ vars.AWS_ROLE }}",
        "production": "${{ vars.AWS_ROLE }}",
    }
    for name in ("staging", "production"):
        assert JOBS[name]["if"] == "github.event_name == 'push'"
    on_main = "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH"
    assert PIPELINE[".deploy"]["rules"] == [{"if": on_main}]
    assert PIPELINE["production"]["rules"] == [{"if": on_main, "when": "manual"}]


def test_production_comes_after_staging_and_both_after_what_is_checked() -> None:
    assert JOBS["staging"]["needs"] == ["test", "image"]
    assert JOBS["production"]["needs"] == "staging"
    assert PIPELINE["stages"] == ["check", "staging", "production"]
    for name in ("staging", "production"):
        assert JOBS[name]["environment"] == PIPELINE[name]["environment"] == name
        assert (
            JOBS[name]["env"]["ENVIRONMENT"] == PIPELINE[name]["variables"]["ENVIRONMENT"] == name
        )


def test_staging_and_production_are_deployed_alike() -> None:
    assert JOBS["staging"]["steps"] == JOBS["production"]["steps"]


def test_every_action_is_pinned_by_commit_and_says_its_version() -> None:
    lines = [line for line in GITHUB.splitlines() if "uses:" in line]
    assert len(lines) == sum(len(uses(job)) for job in JOBS.values())
    assert not [line for line in lines if not re.search(r"@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line)]


@pytest.mark.parametrize("text", [GITHUB, GITLAB], ids=list(FILES))
def test_the_commands_exist(text: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = set(re.findall(r"(?:run: |- )make ([a-z-]+)", text))
    assert called <= targets
    assert called >= {"image", "lint", "sbom", "test"}
    app = (ROOT / "deploy/cdk/app.py").read_text()
    asked_for = set(re.findall(r'try_get_context\("(\w+)"\)', app))
    assert set(re.findall(r"-c (\w+)=", text)) == asked_for
    documented = (ROOT / "docs/how-to/deploy-to-aws.md").read_text()
    versions = [set(re.findall(r"aws-cdk@([\d.]+\d)", told)) for told in (text, documented)]
    assert versions[0] == versions[1]
    assert len(versions[0]) == 1
