"""The app that the CDK's command line runs: the stacks of one environment.

Context: `environment` names the file in environments/, `image_tag` the image that is deployed.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from aws_cdk import App, Environment, Tags, Validations
from cdk_nag import AwsSolutionsChecks

from deploy.cdk.config import FOLDER, ConfigError, load_config
from deploy.cdk.data_stack import DataStack
from deploy.cdk.services_stack import ServicesStack

if TYPE_CHECKING:
    from pathlib import Path

#: How the CDK should behave where it has learnt better since its second version came out.
FLAGS = {
    "@aws-cdk/aws-iam:minimizePolicies": True,
    "@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy": True,
    "@aws-cdk/core:checkSecretUsage": True,
    # What the services use cannot be taken out of the data's stack beneath them.
    "@aws-cdk/core:defaultCrossStackReferences": "strong",
}


def build(app: App, folder: Path = FOLDER) -> None:
    """Add the stacks of the environment that the context names.

    Args:
        app: What they are added to.
        folder: Where the files of environments are.

    Raises:
        ConfigError: The context lacks something, or the environment's file is wrong.
    """
    environment = app.node.try_get_context("environment")
    image_tag = app.node.try_get_context("image_tag")
    if not environment:
        raise ConfigError("No environment is chosen.", hint="Add -c environment=staging.")
    if not image_tag:
        raise ConfigError(
            "No image is chosen.", hint="Add -c image_tag=TAG, a tag that was pushed."
        )
    config = load_config(environment, folder)
    name = f"ecom-platform-{environment}"
    # Without an account: what is made is the same whoever looks at it, and nothing is asked.
    env = Environment(region=config.region)
    data = DataStack(app, name, environment=environment, config=config, env=env)
    ServicesStack(
        app,
        name,
        environment=environment,
        config=config,
        data=data,
        image_tag=image_tag,
        env=env,
    )
    Tags.of(app).add("project", "ecom-platform")
    Tags.of(app).add("environment", environment)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))


if __name__ == "__main__":
    application = App(context=FLAGS)
    try:
        build(application)
    except ConfigError as error:
        sys.exit(str(error))
    application.synth()
