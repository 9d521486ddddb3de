"""Synthesises an environment here and now, for what reads its templates: costs, docs, tests."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aws_cdk import App

from deploy.cdk.app import FLAGS, build
from deploy.cdk.config import FOLDER

#: Stands for the image's tag where none is deployed.
ANY_TAG = "TAG"


def synthesise(environment: str, folder: Path = FOLDER) -> dict[str, dict[str, Any]]:
    """Return the templates of an environment by the last word of their stacks' names.

    Args:
        environment: The name of its file.
        folder: Where the files of environments are.

    Raises:
        ConfigError: The file is wrong.
    """
    with TemporaryDirectory(prefix="ecom-cdk-") as out:
        app = App(outdir=out, context=FLAGS | {"environment": environment, "image_tag": ANY_TAG})
        build(app, folder)
        return {
            stack.stack_name.rpartition("-")[2]: json.loads(
                Path(stack.template_full_path).read_text(encoding="utf-8")
            )
            for stack in app.synth().stacks
        }
