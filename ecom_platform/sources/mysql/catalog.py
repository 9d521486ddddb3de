"""What the catalog of MySQL or MariaDB says of the three tables, and whether they can be read.

How a column becomes a value is in `dialect.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ecom_platform.datasets import Type
from ecom_platform.errors import SourceError
from ecom_platform.settings import SOURCE_COLUMNS
from ecom_platform.sources.shop_tables import (
    ALIAS,
    DATASETS,
    PARENT,
    SourceColumn,
    SourceTable,
    literal,
    missing_columns,
    missing_table,
    wrong_type,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ecom_platform.settings import Settings

#: A `bigint unsigned` that does not count up by itself is none: it may be beyond BIGINT.
INTEGERS = ("tinyint", "smallint", "mediumint", "int", "bigint")
UNSIGNED = "bigint unsigned"
FLOATS = ("float", "double")
TEXTS = (
    "char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set", "json",
)  # fmt: skip
NO_TEXTS = (
    "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "bit", "geometry",
    "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
    "geometrycollection", "geomcollection", "vector",
)  # fmt: skip

_MONEY = ("decimal", *INTEGERS, *FLOATS)
_TIME = ("timestamp", "datetime", "date")
#: What may become a lake type, where not everything may.
_ACCEPTED = {Type.MONEY: _MONEY, Type.INSTANT: _TIME, Type.DATE: _TIME}
_STORED = "base table"
_SNAPSHOTS = "innodb"


def quote(identifier: str) -> str:
    """Quote an identifier."""
    return "`" + identifier.replace("`", "``") + "`"


def quoted_name(name: str) -> str:
    """Quote the name of a table, with or without its database."""
    return ".".join(quote(part) for part in name.split("."))


def catalog_query(settings: Settings, table: str) -> str:
    """Return the query for the columns of a table; no row for what may not be read.

    Columns: `engine`, `kind_of_table` (of the table), `name`, `kind`, `declared`, `precision_`,
    `scale`, `collation_`, `is_unique`, `is_indexed`, `counts_up` (of each column).
    """
    name = settings.source_table(table)
    # Each catalog is told the table by name, or the server would open all of all databases.
    index = (
        f"select 1 from information_schema.statistics as i where {_named('i', name)} "
        "and i.column_name = c.column_name and i.seq_in_index = 1"
    )
    # A reference counts as far as the ids that it refers to.
    counted = "c.extra like '%auto_increment%'"
    if table in PARENT:
        parent, reference = PARENT[table]
        counted = (
            f"{counted} or (c.column_name = {literal(settings.source_column(table, reference))} "
            "and exists (select 1 from information_schema.columns as p "
            f"where {_named('p', settings.source_table(parent))} "
            f"and p.column_name = {literal(settings.source_column(parent, 'id'))} "
            "and p.extra like '%auto_increment%'))"
        )
    return f"""
        select
            lower(t.engine) as engine,
            lower(t.table_type) as kind_of_table,
            c.column_name as name,
            lower(c.data_type) as kind,
            c.column_type as declared,
            c.numeric_precision as precision_,
            c.numeric_scale as scale,
            c.collation_name as collation_,
            exists (
                {index} and i.non_unique = 0 and i.index_name not in (
                    select w.index_name from information_schema.statistics as w
                    where {_named("w", name)} and w.seq_in_index = 2
                )
            ) as is_unique,
            exists ({index}) as is_indexed,
            ({counted}) as counts_up
        from information_schema.columns as c
        join information_schema.tables as t on {_named("t", name)}
        where {_named("c", name)}
        order by c.ordinal_position
    """


def row_count_query(name: str) -> str:
    """Return the query for the rows that the server believes a table to have (`row_count`)."""
    return (
        "select coalesce(t.table_rows, 0) as row_count from information_schema.tables as t "
        f"where {_named('t', name)}"
    )


def _named(alias: str, name: str) -> str:
    *schema, relation = name.split(".")
    within = literal(schema[0]) if schema else "database()"
    return f"{alias}.table_schema = {within} and {alias}.table_name = {literal(relation)}"


def describe_table(
    settings: Settings, table: str, rows: Sequence[Mapping[str, Any]]
) -> SourceTable:
    """Describe `orders`, `customers` or `payments` from the rows of `catalog_query`.

    Raises:
        SourceError: The table or a column is missing, of another type, or in no snapshot.
    """
    name = settings.source_table(table)
    if not rows:
        raise missing_table(table, name)
    found = {str(row["name"]): row for row in rows}
    missing = missing_columns(settings, table, found)
    if missing:
        raise missing
    is_view = rows[0]["kind_of_table"] != _STORED
    if not is_view and rows[0]["engine"] != _SNAPSHOTS:
        raise SourceError(
            f"The engine of the table {name} is {rows[0]['engine']}, which has no transactions: "
            "what is written during a run would be read in part.",
            hint=f"Change it: ALTER TABLE {quoted_name(name)} ENGINE=InnoDB. Or name a view of it "
            "in ECOM_TABLES, and let nobody write during a run.",
        )
    alias = ALIAS[table]
    names = {column: settings.source_column(table, column) for column in SOURCE_COLUMNS[table]}
    return SourceTable(
        name=name,
        sql=f"{quoted_name(name)} as {alias}",
        alias=alias,
        columns={
            column: _describe_column(table, column, f"{alias}.{quote(own)}", name, found[own])
            for column, own in names.items()
        },
        declared={own: str(row["declared"]) for own, row in found.items()},
        is_view=is_view,
    )


def _describe_column(
    table: str, column: str, sql: str, source_table: str, row: Mapping[str, Any]
) -> SourceColumn:
    kind, declared = str(row["kind"]), str(row["declared"])
    lake_type = DATASETS[table].column(column).type
    accepted = _ACCEPTED.get(lake_type)
    if accepted is not None and kind not in accepted:
        raise wrong_type(source_table, str(row["name"]), declared, accepted)
    if kind in NO_TEXTS:
        raise SourceError(
            f"The column {row['name']} of the table {source_table} is {declared}: bytes, which "
            "are no text.",
            hint="Name a view in ECOM_TABLES that makes text of it, with HEX or, for a UUID, "
            "BIN_TO_UUID (MySQL) or CAST(… AS UUID) (MariaDB).",
        )
    if kind == "bigint" and "unsigned" in declared and not int(row["counts_up"] or 0):
        kind = UNSIGNED
    return SourceColumn(
        name=column,
        sql=sql,
        kind=kind,
        declared=declared,
        type=lake_type,
        numeric=(int(row["precision_"]), int(row["scale"])) if kind == "decimal" else None,
        unique=bool(int(row["is_unique"])),
        indexed=bool(int(row["is_indexed"])),
        collation=str(row["collation_"] or ""),
    )
