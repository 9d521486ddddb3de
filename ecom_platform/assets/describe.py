"""What Dagster's UI says of an asset: columns, lineage, SQL, owners, kinds, sources.

All of it comes from the dataset's declaration and the SQL file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    found: dict[str, Any] = {
        "dagster/column_schema": dg.TableSchema([
            _table_column(column, dataset) for column in dataset.columns
        ])
    }
    if sql and datasets is not None:
        columns = [column.name for column in dataset.columns]
        reference = dg.LocalFileCodeReference(
            file_path=str(sql.file), line_number=1, label=sql.file.name
        )
        found |= {
            "dagster/column_lineage": sql.column_lineage(columns, datasets),
            "sql": dg.MetadataValue.md(f"```sql\n{sql.text}\n```"),
            "dagster/code_references": dg.CodeReferencesMetadataValue(
                code_references=[reference]
            ),
        }
    return found


def _table_column(column: Column, dataset: Dataset) -> dg.TableColumn:
    constraints = dg.TableColumnConstraints(
        nullable=not column.required and column.name not in dataset.key,
        unique=dataset.key == (column.name,),
        other=[f"one of {', '.join(column.accepted)}"] if column.accepted else [],
    )
    tags = {"pii": ""} if column.pii else {}
    return dg.TableColumn(
        column.name, str(column.type), column.description, constraints=constraints, tags=tags
    )
