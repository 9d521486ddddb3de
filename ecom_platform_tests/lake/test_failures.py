"""What Dagster is told of an error."""

import dagster as dg
import pytest

from ecom_platform.errors import SourceError, SourceUnavailableError
from ecom_platform.lake.failures import explain_errors


def test_an_unforeseen_error_is_told_without_addresses_and_with_its_traceback() -> None:
    with pytest.raises(dg.Failure) as caught, explain_errors(retry_seconds=1):
        raise ValueError("not ann@example.invalid again")
    assert caught.value.description == "ValueError: not [e-mail] again"
    traceback = caught.value.metadata["traceback"].value
    assert "test_failures.py" in str(traceback)
    assert "ann@" not in str(traceback)
    assert caught.value.__suppress_context__
    assert not caught.value.allow_retries


def test_only_an_error_that_may_pass_is_retried() -> None:
    with pytest.raises(dg.RetryRequested) as retried, explain_errors(retry_seconds=7):
        raise SourceUnavailableError("The database does not answer.")
    assert retried.value.seconds_to_wait == 7
    with pytest.raises(dg.Failure), explain_errors(retry_seconds=None):
        raise SourceUnavailableError("The database does not answer.")
    with pytest.raises(dg.Failure), explain_errors(retry_seconds=7):
        raise SourceError("There is no table orders.", hint="Create it.")


def test_an_interrupted_query_ends_the_run() -> None:
    with pytest.raises(KeyboardInterrupt), explain_errors(retry_seconds=7):
        raise RuntimeError("Query interrupted")
