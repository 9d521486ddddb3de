"""The errors a user can meet, each saying what is wrong and what to do.

Nothing here knows Dagster. `lake/failures.py` turns a permanent error into a
failure that is not retried, and lets a transient one be retried.
"""

from __future__ import annotations


class EcomError(Exception):
    """A failure that a user can act on.

    Args:
        message: What is wrong, naming the file, table, column, row or setting.
        hint: What to do about it, as an instruction.
    """

    #: Whether the same call may succeed later without anybody changing anything.
    transient = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  What to do: {self.hint}" if self.hint else self.message


class SettingsError(EcomError):
    """A setting is missing or wrong."""


class SourceError(EcomError):
    """The source cannot be read as it is: a missing table, a wrong type, a bad file."""


class SourceUnavailableError(SourceError):
    """The source does not answer now: a refused connection, a timeout."""

    transient = True


class SourceTooSlowError(SourceUnavailableError):
    """The source did not answer in the time that it was given."""


class LakeError(EcomError):
    """The lake cannot be read or written as it is: no such bucket, no permission."""


class LakeUnavailableError(LakeError):
    """The lake does not answer now."""

    transient = True


class PublishConflictError(LakeError):
    """Another run published the same partition since this one looked at it."""


class MissingPartitionError(LakeError):
    """A required input partition was never computed."""


class EngineError(EcomError):
    """The SQL of an asset does not run."""


class DataError(EngineError):
    """A value in the data is one that the SQL of an asset cannot compute with."""


class AlertError(EcomError):
    """An alert could not be delivered."""
