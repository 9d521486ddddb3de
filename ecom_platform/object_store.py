"""How to reach S3 with obstore, and what its errors mean to a user.

For the lake and for files dropped by the shop alike.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ecom_platform.errors import LakeError, LakeUnavailableError

if TYPE_CHECKING:
    from collections.abc import Generator

    from obstore.store import RetryConfig, S3Config, S3Store

_RETRY: RetryConfig = {
    "max_retries": 10,
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=5)},
    "retry_timeout": timedelta(seconds=60),
}


def open_s3(url: str) -> S3Store:
    """Return the store at `s3://bucket/prefix`, with the standard `AWS_*` variables.

    Raises:
        LakeError: The address names no bucket.
    """
    from obstore.store import S3Store

    parts = urlsplit(url)
    if not parts.netloc:
        raise LakeError(f"{url} names no bucket.", hint="Write it as s3://bucket/prefix.")
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    config: S3Config = {"region": region}
    if endpoint:
        config["endpoint"] = endpoint
    return S3Store(
        parts.netloc,
        prefix=parts.path.strip("/") or None,
        config=config,
        # A whole object is one request: obstore's own 30 s would end the upload of a large one.
        client_options={
            "allow_http": endpoint.startswith("http://"),
            "timeout": timedelta(minutes=2),
        },
        retry_config=_RETRY,
    )


@contextmanager
def explain_s3_error(uri: str) -> Generator[None]:
    """Turn obstore's errors into ones a user can act on.

    Raises:
        FileNotFoundError: There is no such object (in a bucket that exists).
        LakeError: The bucket, the credentials or the permission is missing.
        LakeUnavailableError: S3 did not answer.
    """
    from obstore.exceptions import (
        AlreadyExistsError,
        BaseError,
        PermissionDeniedError,
        PreconditionError,
        UnauthenticatedError,
    )

    try:
        yield
    except (AlreadyExistsError, PreconditionError):
        raise
    except FileNotFoundError as error:
        if "NoSuchBucket" in str(error):
            raise _no_bucket(uri) from None
        raise
    except BaseError as error:
        text = str(error)
        if "NoSuchBucket" in text:
            raise _no_bucket(uri) from None
        if "ExpiredToken" in text or "token included in the request is expired" in text:
            raise LakeError(
                f"{uri}: the AWS credentials have expired.",
                hint="Renew them (for example `aws sso login`) and run again.",
            ) from None
        denied = isinstance(error, PermissionDeniedError | UnauthenticatedError)
        if denied or "InvalidAccessKeyId" in text or "SignatureDoesNotMatch" in text:
            raise LakeError(
                f"{uri}: S3 refuses these credentials ({_code(text)}).",
                hint="Check AWS_ACCESS_KEY_ID or the task role, and its s3:GetObject, "
                "s3:PutObject and s3:ListBucket permissions.",
            ) from None
        raise LakeUnavailableError(
            f"{uri}: S3 did not answer as expected ({_code(text)}).",
            hint="Check AWS_ENDPOINT_URL, AWS_REGION and the network; then run again.",
        ) from error


def _no_bucket(uri: str) -> LakeError:
    bucket = urlsplit(uri).netloc
    return LakeError(
        f"The bucket {bucket} does not exist.",
        hint=f"Create it (aws s3 mb s3://{bucket}) or correct the address.",
    )


def _code(text: str) -> str:
    """Return S3's error code in a message, or its first words."""
    _, found, rest = text.partition("<Code>")
    return rest.partition("</Code>")[0] if found else text.splitlines()[0][:120]
