"""`ecom catalog`: the lake's tables in AWS Glue."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ecom_platform.assets.metrics import METRICS
from ecom_platform.datasets import CLEANED, QUARANTINE, RAW
from ecom_platform.errors import LakeError
from ecom_platform.lake.glue import tables
from ecom_platform.lake.storage import open_storage
from ecom_platform.marts import load_manifest, load_marts
from ecom_platform.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Generator

    from ecom_platform.settings import Settings


def show_catalog(settings: Settings, database: str, *, raw: bool) -> int:
    """Print the database and its tables as JSON; return the exit code.

    Raises:
        LakeError: The lake is not in S3, or cannot be read.
    """
    made = {"DatabaseInput": {"Name": database}, "Tables": _tables(settings, raw=raw)}
    json.dump(made, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")
    return 0


def apply_catalog(settings: Settings, database: str, *, raw: bool) -> int:
    """Create or update the database and its tables, say which, and return the exit code.

    Raises:
        LakeError: The lake is not in S3 or cannot be read, or Glue refuses.
    """
    wanted = _tables(settings, raw=raw)
    with _explain_errors(database) as glue:
        try:
            glue.get_database(Name=database)
        except glue.exceptions.EntityNotFoundException:
            description = f"The lake {settings.lake}"
            glue.create_database(DatabaseInput={"Name": database, "Description": description})
        pages = glue.get_paginator("get_tables").paginate(DatabaseName=database)
        known = {table["Name"]: table for page in pages for table in page["TableList"]}
        for table in wanted:
            current = known.get(table["Name"])
            if current is None:
                glue.create_table(DatabaseName=database, TableInput=table)
                done = "created"
            elif _differs(table, current):
                glue.update_table(DatabaseName=database, TableInput=table)
                done = "updated"
            else:
                done = "unchanged"
            sys.stdout.write(f"{database}.{table['Name']}  {done}\n")
    return 0


def _tables(settings: Settings, *, raw: bool) -> list[dict[str, Any]]:
    metrics = [metric.dataset for metric in METRICS]
    marts = load_marts(load_manifest()).values()
    datasets = [*(RAW if raw else ()), *CLEANED, *QUARANTINE, *metrics, *marts]
    storage = open_storage(settings.lake)
    with scratch_folder() as scratch:
        return tables(storage, settings.lake, datasets, settings.start_date, scratch)


def _differs(wanted: Any, found: Any) -> bool:
    """Say whether Glue has something else; what it adds by itself does not count."""
    if isinstance(wanted, dict):
        return any(_differs(value, (found or {}).get(key)) for key, value in wanted.items())
    return wanted != found


@contextmanager
def _explain_errors(database: str) -> Generator[Any]:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        # boto3 itself looks at AWS_DEFAULT_REGION only.
        yield boto3.client("glue", region_name=os.environ.get("AWS_REGION"))
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        raise LakeError(
            f"Glue refuses the database {database} or a table of it ({code}).",
            hint="It takes the permissions glue:GetDatabase, CreateDatabase, GetTables, "
            "CreateTable and UpdateTable.",
        ) from None
    except BotoCoreError as error:
        raise LakeError(
            f"Glue cannot be reached: {error}",
            hint="Check AWS_REGION and the credentials.",
        ) from None
