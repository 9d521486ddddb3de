"""The templates of the stacks, synthesised once for all tests and workers."""

from __future__ import annotations

import fcntl
import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

#: Environment -> stack (`data`, `services`, `login`) -> template.
Templates = dict[str, dict[str, dict[str, Any]]]


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Templates:
    """Those of the two environments, and of `far`: staging, in a region other than us-east-1."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    found = shared / "cdk-templates.json"
    with (shared / "cdk-templates.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.exists():
            found.write_text(json.dumps(_synthesise(tmp_path_factory.mktemp("far"))))
    return json.loads(found.read_text())


def _synthesise(folder: Path) -> Templates:
    # Node is only started where it is needed: it takes seconds.
    from deploy.cdk.config import FOLDER
    from deploy.cdk.synthesis import synthesise

    text = (FOLDER / "staging.toml").read_text().replace("us-east-1", "eu-west-1", 2)
    (folder / "far.toml").write_text(text)
    return {
        "staging": synthesise("staging"),
        "production": synthesise("production"),
        "far": synthesise("far", folder),
    }
