"""The platform on AWS, as code: `docs/how-to/deploy-to-aws.md` says how to use it."""
