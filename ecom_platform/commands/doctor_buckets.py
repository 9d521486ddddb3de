"""Whether the buckets of a deployment are private, encrypted, and a way back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from ecom_platform.findings import NOTE, OK, WRONG, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What S3 answers for a bucket that has no such thing.
_NONE = {
    "NoSuchBucketPolicy", "NoSuchLifecycleConfiguration", "NoSuchPublicAccessBlockConfiguration",
    "ServerSideEncryptionConfigurationNotFoundError",
}  # fmt: skip


@dataclass(frozen=True)
class Bucket:
    """A bucket, and whether older versions of its objects are a way back."""

    name: str
    is_versioned: bool

    def examine(self, s3: Any) -> Iterator[Finding]:
        """Yield what is not as it should be, or that all is."""
        try:
            s3.head_bucket(Bucket=self.name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "404":
                raise
            advice = "Deploy the stack again: it makes the bucket."
            yield Finding(WRONG, "buckets", f"{self.name} does not exist", advice)
            return
        found = [*self._wrong(s3)]
        yield from found or [Finding(OK, "buckets", f"{self.name} is private and encrypted")]

    def _wrong(self, s3: Any) -> Iterator[Finding]:
        def ask(call: str, key: str, default: Any) -> Any:
            try:
                return getattr(s3, call)(Bucket=self.name).get(key, default)
            except ClientError as error:
                if error.response["Error"]["Code"] in _NONE:
                    return default
                raise

        def wrong(fact: str, advice: str, mark: str = WRONG) -> Finding:
            return Finding(mark, "buckets", f"{self.name} {fact}", advice)

        blocks = ask("get_public_access_block", "PublicAccessBlockConfiguration", {})
        if not (blocks and all(blocks.values())):
            yield wrong("may be made public", "Block Public Access must be on, all four parts.")
        encrypted = ask("get_bucket_encryption", "ServerSideEncryptionConfiguration", {})
        if not encrypted:
            yield wrong("is not encrypted", "Deploy the stack again: it sets a key.")
        policy = json.loads(ask("get_bucket_policy", "Policy", "{}"))
        if "aws:SecureTransport" not in json.dumps(policy):
            yield wrong("can be read without TLS", "Its policy must deny what is not TLS.")
        if self.is_versioned and ask("get_bucket_versioning", "Status", "") != "Enabled":
            yield wrong("keeps no versions: nothing can be restored", "Turn versioning on.")
        if not ask("get_bucket_lifecycle_configuration", "Rules", []):
            yield wrong("grows for ever", "Give it a lifecycle rule for old versions.", NOTE)


def buckets_of(environment: dict[str, str]) -> Iterator[Bucket]:
    """Yield the buckets that the environment of a task names."""
    for variable in ("ECOM_LAKE", "ECOM_DASHBOARDS"):
        if variable in environment:
            name = environment[variable].removeprefix("s3://").split("/")[0]
            yield Bucket(name, is_versioned=True)
    if "ECOM_COMPUTE_LOGS_BUCKET" in environment:
        yield Bucket(environment["ECOM_COMPUTE_LOGS_BUCKET"], is_versioned=False)
