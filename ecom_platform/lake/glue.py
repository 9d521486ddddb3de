"""The lake's datasets as tables of AWS Glue, which Athena and others query.

No crawler is needed: days are worked out by partition projection, and types are declared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyarrow import parquet

from ecom_platform.datasets import Type
from ecom_platform.errors import LakeError
from ecom_platform.lake.base import fetch_one

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date
    from pathlib import Path

    from ecom_platform.datasets import Dataset
    from ecom_platform.lake.base import Storage

_TYPES = {
    Type.MONEY: "decimal(18,2)",
    Type.MONEY_SUM: "decimal(38,2)",
    Type.INSTANT: "timestamp",
    Type.DATE: "date",
    Type.TEXT: "string",
    Type.COUNT: "bigint",
    Type.RATIO: "double",
    Type.FLAG: "boolean",
}
#: The longest comment that Glue takes.
_COMMENT = 255
#: Newest days that are looked at for the type of ids.
_DAYS = 31
_HADOOP = "org.apache.hadoop.hive.ql.io.parquet"


def tables(
    storage: Storage, url: str, datasets: Iterable[Dataset], first: date, scratch: Path
) -> list[dict[str, Any]]:
    """Return the tables as Glue's `TableInput`, `layer_name` each.

    Args:
        storage: The lake, which says of what type ids are.
        url: Its address, `s3://bucket/prefix`.
        datasets: What it holds.
        first: The first business day.
        scratch: A folder to download to.

    Raises:
        LakeError: The lake is not in S3, or cannot be read.
    """
    if not url.startswith("s3://"):
        raise LakeError(
            f"ECOM_LAKE={url} is a folder; Glue knows what is in S3.",
            hint="Set ECOM_LAKE to an s3:// address, or use: ecom warehouse build",
        )
    return [_table(dataset, storage, url.rstrip("/"), first, scratch) for dataset in datasets]


def _table(
    dataset: Dataset, storage: Storage, url: str, first: date, scratch: Path
) -> dict[str, Any]:
    ids = _id_types(dataset, storage, scratch)
    projection = {
        "projection.enabled": "true",
        "projection.date.type": "date",
        "projection.date.format": "yyyy-MM-dd",
        "projection.date.range": f"{first},NOW",
    }
    return {
        "Name": f"{dataset.layer}_{dataset.name}",
        "Description": f"{dataset.description} Grain: {dataset.grain}.",
        "Owner": dataset.owner,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {
            "EXTERNAL": "TRUE",
            "classification": "parquet",
            **(projection if dataset.daily else {}),
        },
        "PartitionKeys": [_column("date", "date", "Business day")] if dataset.daily else [],
        "StorageDescriptor": {
            "Columns": [
                _column(c.name, ids.get(c.name) or _TYPES[c.type], c.description)
                for c in dataset.columns
            ],
            "Location": f"{url}/{dataset.path}/",
            "InputFormat": f"{_HADOOP}.MapredParquetInputFormat",
            "OutputFormat": f"{_HADOOP}.MapredParquetOutputFormat",
            "SerdeInfo": {"SerializationLibrary": f"{_HADOOP}.serde.ParquetHiveSerDe"},
        },
    }


def _column(name: str, kind: str, comment: str) -> dict[str, str]:
    return {"Name": name, "Type": kind, "Comment": comment[:_COMMENT]}


def _id_types(dataset: Dataset, storage: Storage, scratch: Path) -> dict[str, str]:
    """Return the type of each id as it is on the newest day with rows."""
    ids = [column.name for column in dataset.columns if column.type is Type.ID]
    if not ids:
        return {}
    for path in _newest(storage, dataset):
        stored = storage.stat(path)
        if stored and stored.metadata.get("ecom-rows", "0") != "0":
            schema = parquet.read_schema(fetch_one(storage, path, scratch))
            kinds = {name: str(schema.field(name).type) for name in ids}
            return {name: "bigint" if kinds[name] == "int64" else "string" for name in ids}
    return dict.fromkeys(ids, "string")


def _newest(storage: Storage, dataset: Dataset) -> Iterator[str]:
    yield from sorted(storage.etags(dataset.path), reverse=True)[:_DAYS]
