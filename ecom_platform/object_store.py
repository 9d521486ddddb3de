"""How to reach S3 with obstore, and what its errors mean to a user.

For the lake and for files dropped by the shop alike.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic, sleep
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from ecom_platform.errors import LakeError, LakeUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from obstore.store import RetryConfig, S3Config, S3Store

Answer = TypeVar("Answer")

_RETRY: RetryConfig = {
    "max_retries": 10,
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=5)},
    "retry_timeout": timedelta(seconds=60),
}
#: Seconds after which a request that fails in passing is not sent again, and between two of them.
_PATIENCE, _PAUSES = 60, (0.2, 0.5, 1, 2, 5)


def open_s3(url: str) -> S3Store:
    """Return the store at `s3://bucket/prefix`, with the standard `AWS_*` variables.

    Raises:
        LakeError: The address names no bucket, or is not one of a prefix.
    """
    from obstore.store import S3Store

    parts = urlsplit(url)
    if not parts.netloc:
        raise LakeError(f"{url} names no bucket.", hint="Write it as s3://bucket/prefix.")
    # S3 knows no folders: to it, these are not what they are to a file system.
    odd = [name for name in parts.path.split("/") if name in (".", "..")]
    odd += [mark for mark in "?#@" if mark in url]
    if odd:
        raise LakeError(
            # Before an @ there may be a secret.
            f"{url.rpartition('@')[2]} is no address of a bucket and a prefix: it has {odd[0]!r}.",
            hint="Write it as s3://bucket/prefix; keys go into the AWS_* variables.",
        )
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


def call_s3(uri: str, request: Callable[[], Answer]) -> Answer:
    """Return the answer to a request; send it again while it fails in passing.

    Obstore does so where S3 says that it is busy, or was not reached, but not where the connection
    ends in a PUT or in an answer.

    Args:
        uri: Of what is asked about, for messages.
        request: Safe to send twice: a GET, a list, or a PUT whose object says who put it.

    Raises:
        FileNotFoundError: There is no such object (in a bucket that exists).
        LakeError: See `explain_s3_error`.
        LakeUnavailableError: S3 did not answer, for a minute or several times.
    """
    begun, pauses = monotonic(), iter(_PAUSES)
    while True:
        try:
            with explain_s3_error(uri):
                return request()
        except LakeUnavailableError:
            pause = next(pauses, None)
            if pause is None or monotonic() - begun > _PATIENCE:
                raise
        sleep(pause)


@contextmanager
def explain_s3_error(uri: str) -> Generator[None]:
    """Turn obstore's errors into ones a user can act on.

    Raises:
        FileNotFoundError: There is no such object (in a bucket that exists).
        LakeError: The bucket, the credentials or the permission is missing, or the store is one
            that cannot do what S3 does.
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
                f"{uri}: S3 refuses these credentials: {_cause(text)}.",
                hint="Check AWS_ACCESS_KEY_ID or the task role, and its s3:GetObject, "
                "s3:PutObject and s3:ListBucket permissions.",
            ) from None
        if "NotImplemented" in text:
            raise lacking(uri, _cause(text)) from None
        raise LakeUnavailableError(
            f"{uri}: S3 did not answer as expected: {_cause(text)}.",
            hint="Check AWS_ENDPOINT_URL, AWS_REGION and the network; then run again.",
        ) from error


def _no_bucket(uri: str) -> LakeError:
    bucket = urlsplit(uri).netloc
    return LakeError(
        f"The bucket {bucket} does not exist.",
        hint=f"Create it (aws s3 mb s3://{bucket}) or correct the address.",
    )


def lacking(uri: str, what: str) -> LakeError:
    """Return the error of a store that cannot do what S3 does."""
    return LakeError(
        f"{uri}: this store is no lake: {what}.",
        hint="Use Amazon S3, or a store with conditional PUT (If-None-Match and If-Match), such as "
        "a newer release of this one.",
    )


def _cause(text: str) -> str:
    """Return why a request failed: S3's code and message, or the last cause that obstore names."""
    said = [re.search(f"<{name}>(.*?)</{name}>", text, re.DOTALL) for name in ("Code", "Message")]
    if said[0]:
        return ": ".join(found[1].strip(" .\n") for found in said if found)
    first, _, chain = text.partition("\n")
    # Before the last dash it says what was asked, and how often.
    reason = first.rpartition(" - ")[2].removeprefix("Generic S3 error: ")
    causes = re.findall(r'message: "([^"]+)"|kind: (\w+),\s*error: (\w+)', chain)
    return ": ".join([reason, *(next(filter(None, cause)) for cause in causes[-1:])])
