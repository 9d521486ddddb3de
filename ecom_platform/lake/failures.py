"""How an error ends a Dagster step: retried where that may help, else failed, told redacted."""

from __future__ import annotations

import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg

from ecom_platform.errors import EcomError
from ecom_platform.privacy import redact

if TYPE_CHECKING:
    from collections.abc import Generator

MAX_RETRIES = 2


@contextmanager
def explain_errors(retry_seconds: int | None) -> Generator[None]:
    """Let a passing failure be retried, and fail at once on one that would repeat itself.

    Args:
        retry_seconds: How long to wait before a retry; None where there must be none.

    Raises:
        RetryRequested: For an error that is transient.
        Failure: For any other error, without retries, and without personal data in it.
    """
    try:
        yield
    except EcomError as error:
        if error.transient and retry_seconds is not None:
            raise dg.RetryRequested(MAX_RETRIES, seconds_to_wait=retry_seconds) from error
        raise dg.Failure(redact(str(error)), allow_retries=False) from None
    except Exception as error:
        # DuckDB's word for Ctrl-C and SIGTERM, which must end the run and not just the step.
        if isinstance(error, RuntimeError) and str(error) == "Query interrupted":
            raise KeyboardInterrupt from error
        raise dg.Failure(
            redact(f"{type(error).__name__}: {error}"),
            metadata={"traceback": redact(traceback.format_exc())},
            allow_retries=False,
        ) from None
