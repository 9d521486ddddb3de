"""A real S3 server over HTTP with a bucket of lakes, one under each prefix."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mypy_boto3_s3 import S3Client


class Buckets:
    """A bucket of moto's.

    Args:
        address: Of the server.
        client: One for it.
        seen_at: The address that commands are told: the server's, or that of a proxy before it.
    """

    bucket = "torture"

    def __init__(self, address: str, client: S3Client, seen_at: str = "") -> None:
        self.address = address
        self.client = client
        self.seen_at = seen_at or address

    def through(self, proxy: str) -> Buckets:
        """Return the same bucket, to be reached through a proxy."""
        return Buckets(self.address, self.client, proxy)

    def environment(self) -> dict[str, str]:
        """Return the `AWS_*` variables to reach it."""
        return {
            "AWS_ENDPOINT_URL": self.seen_at,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
        }

    def keys(self, prefix: str) -> list[str]:
        """Return the keys under a prefix."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=f"{prefix}/"
        )
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def copy(self, old: str, new: str) -> None:
        """Copy all objects of a prefix to another."""
        for key in self.keys(old):
            source = {"Bucket": self.bucket, "Key": key}
            self.client.copy_object(
                Bucket=self.bucket, Key=new + key.removeprefix(old), CopySource=source
            )

    def upload(self, folder: Path, prefix: str) -> None:
        """Copy the files of a folder to a prefix."""
        for file in sorted(folder.iterdir()):
            self.client.put_object(
                Bucket=self.bucket, Key=f"{prefix}/{file.name}", Body=file.read_bytes()
            )

    def clear(self, prefix: str) -> None:
        """Delete all objects of a prefix."""
        for key in self.keys(prefix):
            self.client.delete_object(Bucket=self.bucket, Key=key)

    def download(self, prefix: str, folder: Path) -> None:
        """Copy all objects of a prefix to a folder."""
        for key in self.keys(prefix):
            file = folder / key.removeprefix(f"{prefix}/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read())


@contextmanager
def open_buckets() -> Iterator[Buckets]:
    """Run a server, with an empty bucket."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # or it would tell each request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        address = f"http://{host}:{port}"
        client = boto3.client(
            "s3",
            region_name="us-east-1",
            endpoint_url=address,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106  -- moto asks for some
        )
        client.create_bucket(Bucket=Buckets.bucket)
        yield Buckets(address, client)
    finally:
        server.stop()
