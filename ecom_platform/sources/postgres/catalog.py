"""What PostgreSQL's catalog says of the three tables, and whether they can be read as declared.

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

INTEGERS = ("int2", "int4", "int8")
FLOATS = ("float4", "float8")

_MONEY = {
    "numeric": "numeric",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "float4": "real",
    "float8": "double precision",
    "money": "money",
}
_TIME = {"timestamptz": "timestamp with time zone", "timestamp": "timestamp", "date": "date"}
#: What may become a lake type, where not everything may: `pg_type.typname` -> what users write.
_ACCEPTED = {Type.MONEY: _MONEY, Type.INSTANT: _TIME, Type.DATE: _TIME}
_TYPMOD_HEADER = 4  # numeric: ((precision << 16) | scale in 11 bits, signed) + 4


def quote(identifier: str) -> str:
    """Quote an identifier."""
    return '"' + identifier.replace('"', '""') + '"'


def _quoted_name(name: str) -> str:
    return ".".join(quote(part) for part in name.split("."))


def catalog_query(name: str) -> str:
    """Return the query for the columns of a table; no row where there is no such table.

    Columns: `blocks`, `row_security` (of the table), `column`, `kind`, `declared`, `typmod`,
    `unique`, `indexed`, `may_read`, `user` (of each column).
    """
    *schema, relation = name.split(".")
    # By name, since to_regclass fails, and ends the transaction, in a schema that is not ours.
    named = f"t.relname = {literal(relation)} and " + (
        f"n.nspname = {literal(schema[0])}" if schema else "pg_table_is_visible(t.oid)"
    )
    index = (
        "select from pg_index as i where i.indrelid = t.oid and i.indisvalid "
        "and i.indpred is null and i.indkey[0] = a.attnum"
    )
    return f"""
        select
            case when t.relkind in ('r', 'p', 'm') then
                coalesce(
                    (select max(pg_relation_size(relid)) from pg_partition_tree(t.oid)),
                    pg_relation_size(t.oid)
                ) / current_setting('block_size')::int8
            end as blocks,
            row_security_active(t.oid) as row_security,
            a.attname::text as "column",
            coalesce(beneath.typname, type.typname)::text as kind,
            format_type(a.atttypid, a.atttypmod) as declared,
            case when beneath.oid is null then a.atttypmod else type.typtypmod end as typmod,
            -- A child table of plain inheritance is not covered by its parent's index.
            (t.relkind <> 'r' or not t.relhassubclass)
                and exists ({index} and i.indisunique and i.indnkeyatts = 1) as "unique",
            exists ({index}) as indexed,
            has_schema_privilege(n.oid, 'usage')
                and has_column_privilege(t.oid, a.attnum, 'select') as may_read,
            current_user::text as "user"
        from pg_class as t
        join pg_namespace as n on n.oid = t.relnamespace
        join pg_attribute as a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
        join pg_type as type on type.oid = a.atttypid
        left join pg_type as beneath on beneath.oid = type.typbasetype
        where {named} and t.relkind in ('r', 'p', 'm', 'v', 'f')
        order by a.attnum
    """


def describe_table(
    settings: Settings, table: str, rows: Sequence[Mapping[str, Any]]
) -> SourceTable:
    """Describe `orders`, `customers` or `payments` from the rows of `catalog_query`.

    Raises:
        SourceError: The table or a column is missing, of another type, or may not be read.
    """
    name = settings.source_table(table)
    if not rows:
        raise missing_table(table, name)
    found = {str(row["column"]): row for row in rows}
    missing = missing_columns(settings, table, found)
    if missing:
        raise missing
    names = {column: settings.source_column(table, column) for column in SOURCE_COLUMNS[table]}
    hidden = [column for column in names.values() if not found[column]["may_read"]]
    if hidden:
        user = str(rows[0]["user"])
        grants = [f"GRANT SELECT ON {_quoted_name(name)} TO {quote(user)};"]
        if "." in name:
            grants.insert(0, f"GRANT USAGE ON SCHEMA {quote(name.split('.')[0])} TO {quote(user)};")
        raise SourceError(
            f"The database user {user} may not read {', '.join(hidden)} of the table {name}.",
            hint=f"Run in the database: {' '.join(grants)}",
        )
    alias = ALIAS[table]
    return SourceTable(
        name=name,
        sql=f"{_quoted_name(name)} as {alias}",
        alias=alias,
        columns={
            column: _describe_column(table, column, f"{alias}.{quote(own)}", name, found[own])
            for column, own in names.items()
        },
        declared={own: str(row["declared"]) for own, row in found.items()},
        is_view=rows[0]["blocks"] is None,
        blocks=rows[0]["blocks"] or 0,
        warnings=("row-level security may hide rows from the database user.",)
        if rows[0]["row_security"]
        else (),
    )


def _describe_column(
    table: str, column: str, sql: str, source_table: str, row: Mapping[str, Any]
) -> SourceColumn:
    kind, declared = str(row["kind"]), str(row["declared"])
    lake_type = DATASETS[table].column(column).type
    accepted = _ACCEPTED.get(lake_type)
    if accepted is not None and kind not in accepted:
        raise wrong_type(source_table, str(row["column"]), declared, accepted.values())
    typmod = int(row["typmod"]) - _TYPMOD_HEADER
    return SourceColumn(
        name=column,
        sql=sql,
        kind=kind,
        declared=declared,
        type=lake_type,
        numeric=(typmod >> 16, ((typmod & 0x7FF) ^ 0x400) - 0x400)
        if kind == "numeric" and typmod >= 0
        else None,
        unique=bool(row["unique"]),
        indexed=bool(row["indexed"]),
    )
