"""What it means to a user when Dagster cannot record what happens."""

from __future__ import annotations

import os
from errno import EDQUOT, ENOSPC

from ecom_platform.errors import EcomError


def explain_instance_error(error: Exception) -> EcomError | None:
    """Return an error of Dagster's database in words a user can act on; None for other errors."""
    from sqlalchemy.exc import DBAPIError

    home = os.environ.get("DAGSTER_HOME", "DAGSTER_HOME")
    if isinstance(error, DBAPIError):
        reason = str(error.orig).strip().splitlines()[0]
        if "sqlite" not in str(type(error.orig)):
            return EcomError(
                f"Dagster's database does not answer as it should: {reason}.",
                hint="See that it runs and has room; dagster.yaml says which it is. Days that were "
                "published stay; run the others again.",
            )
    elif isinstance(error, OSError) and error.errno in (ENOSPC, EDQUOT):
        reason = f"{error.strerror} ({error.filename})" if error.filename else str(error.strerror)
    else:
        return None
    return EcomError(
        f"Dagster cannot record what happens in {home}: {reason}.",
        hint="Make room there, or set DAGSTER_HOME to a folder on another disk. Days that were "
        "published stay; run the others again.",
    )
