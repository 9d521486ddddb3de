"""What Dagster's UI says of an asset: columns, lineage, SQL, owners, kinds, sources.

All of it comes from the dataset's declaration and the SQL file.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import dagster as dg

from ecom_platform.datasets import Type

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ecom_platform.assets.sql_files import SqlFile
    from ecom_platform.datasets import Column, Dataset


def description(dataset: Dataset) -> str:
    """Return a dataset's description with its grain."""
    return f"{dataset.description}\n\nGrain: {dataset.grain}."


def metadata(
    dataset: Dataset, sql: SqlFile | None = None, datasets: Mapping[str, Dataset] | None = None
) -> dict[str, Any]:
    """Return the definition metadata of a dataset's asset.

    Args:
        dataset: The dataset.
        sql: The file that computes it, where one does.
        datasets: `layer/name` -> declaration of what the file reads.
    """
    if not sql or datasets is None:
        return {"dagster/column_schema": _schema(dataset, {})}
    lineage = sql.column_lineage([column.name for column in dataset.columns], datasets)
    reference = dg.LocalFileCodeReference(
        file_path=str(sql.file), line_number=1, label=sql.file.name
    )
    return {
        "dagster/column_schema": _schema(dataset, lineage.deps_by_column),
        "dagster/column_lineage": lineage,
        "sql": dg.MetadataValue.md(f"```sql\n{sql.text}\n```"),
        "dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[reference]),
    }


def _schema(dataset: Dataset, lineage: Mapping[str, Sequence[dg.TableColumnDep]]) -> dg.TableSchema:
    return dg.TableSchema(
        [_table_column(column, dataset, lineage.get(column.name, ())) for column in dataset.columns]
    )


def _table_column(
    column: Column, dataset: Dataset, made_from: Sequence[dg.TableColumnDep]
) -> dg.TableColumn:
    is_key = column.name in dataset.key
    sentences = [column.description.rstrip(".")]
    if column.accepted:
        sentences.append(f"One of {', '.join(f'`{word}`' for word in column.accepted)}")
    # Dagster draws column lineage in its paid edition only.
    if made_from:
        sentences.append(f"From {_made_from(made_from)}")
    return dg.TableColumn(
        column.name,
        "BIGINT or VARCHAR" if column.type is Type.ID else str(column.type),
        " ".join(f"{sentence}." for sentence in sentences),
        constraints=dg.TableColumnConstraints(
            nullable=not column.required and not is_key,
            # Dagster's own `unique` would say that no two days share a value.
            other=["key within a day"] if is_key else [],
        ),
        tags={"pii": ""} if column.pii else {},
    )


def _made_from(columns: Sequence[dg.TableColumnDep]) -> str:
    """Name columns by their tables: `raw/orders`: `id`, `status`."""
    tables = groupby(columns, key=lambda column: "/".join(column.asset_key.path))
    return "; ".join(
        f"`{table}`: {', '.join(f'`{column.column_name}`' for column in found)}"
        for table, found in tables
    )
