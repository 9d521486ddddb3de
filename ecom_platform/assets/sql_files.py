"""A SQL file as the source of an asset: what it reads, its version, its column lineage.

Everything is derived from the text of the file; nothing is run here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from sqlglot import exp, parse_one
from sqlglot.lineage import lineage
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import traverse_scope

from ecom_platform.datasets import Type
from ecom_platform.engines.duckdb import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlglot.lineage import Node

    from ecom_platform.datasets import Dataset

SQL_FOLDER = Path(__file__).parent.parent / "sql"

#: The tables that hold settings, in the schema `settings`; see `steps.py`.
SETTINGS_TABLES: dict[str, dict[str, str]] = {
    "days": {"date": "DATE", "starts_at": "TIMESTAMPTZ", "ends_at": "TIMESTAMPTZ"},
    "calendar": {"first_day": "DATE"},
    "retention": {"days": "INTEGER"},
    "payment_status_words": {"word": "VARCHAR", "status": "VARCHAR"},
    "void_order_statuses": {"status": "VARCHAR"},
    "email_key": {"inner_pad": "BLOB", "outer_pad": "BLOB", "key_id": "VARCHAR"},
}


@dataclass(frozen=True)
class SqlFile:
    """One SQL file.

    Args:
        file: Its path.
    """

    file: Path

    @cached_property
    def text(self) -> str:
        """The query."""
        return self.file.read_text(encoding="utf-8").strip()

    @cached_property
    def version(self) -> str:
        """A short hash of the text and the shared functions: others are another code version."""
        return hashlib.sha256((self.text + FUNCTIONS).encode()).hexdigest()[:12]

    @cached_property
    def _query(self) -> exp.Expr:
        return parse_one(self.text, dialect="duckdb")

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """The datasets it reads, as `layer/name`."""
        tables = self._query.find_all(exp.Table)
        return tuple(sorted({f"{t.db}/{t.name}" for t in tables if t.db and t.db != "settings"}))

    def column_lineage(
        self, columns: Sequence[str], datasets: Mapping[str, Dataset]
    ) -> dg.TableColumnLineage:
        """Return which input columns each output column is made of.

        Args:
            columns: Output columns.
            datasets: `layer/name` -> declaration, of the inputs at least.
        """
        inputs = tuple(datasets[path] for path in self.inputs)
        return _column_lineage(self.text, tuple(columns), inputs)


# Kept, since a file that makes two datasets is asked twice, and every loading of definitions asks.
@cache
def _column_lineage(
    query: str, columns: tuple[str, ...], inputs: tuple[Dataset, ...]
) -> dg.TableColumnLineage:
    schema: dict[str, Any] = {"settings": SETTINGS_TABLES}
    for dataset in inputs:
        kinds = {c.name: "VARCHAR" if c.type is Type.ID else str(c.type) for c in dataset.columns}
        schema.setdefault(dataset.layer, {})[dataset.name] = {
            "row_id": "BIGINT", "date": "DATE", **kinds,
        }  # fmt: skip
    nodes = lineage(None, query, schema, dialect="duckdb")
    everything = _columns_read(query, schema)
    return dg.TableColumnLineage(
        {
            # A count depends on no column's value, but on what filters and groups its rows.
            column: _sources(nodes[column]) or everything
            for column in columns
        }
    )


def _columns_read(text: str, schema: dict[str, Any]) -> list[dg.TableColumnDep]:
    query = qualify(parse_one(text, dialect="duckdb"), dialect="duckdb", schema=schema)
    found = {
        (source.db, source.name, column.name)
        for scope in traverse_scope(query)
        for column in scope.columns
        if isinstance(source := scope.sources.get(column.table), exp.Table)
    }
    return _dependencies(found)


def _sources(root: Node) -> list[dg.TableColumnDep]:
    return _dependencies(
        {
            (node.expression.db, node.expression.name, node.name.rsplit(".", 1)[-1].strip('"'))
            for node in root.walk()
            if isinstance(node.expression, exp.Table)
        }
    )


def _dependencies(columns: set[tuple[str, str, str]]) -> list[dg.TableColumnDep]:
    return [
        dg.TableColumnDep(dg.AssetKey([layer, name]), column)
        for layer, name, column in sorted(columns)
        if layer and layer != "settings"
    ]
