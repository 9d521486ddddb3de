"""The three tables as a database's catalog describes them, in terms that all databases share.

What a catalog is asked, and which types it may name, is each database's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecom_platform.datasets import RAW, Type
from ecom_platform.errors import SourceError
from ecom_platform.settings import SOURCE_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from ecom_platform.settings import Settings

DATASETS = {dataset.name: dataset for dataset in RAW}
#: How queries call each table.
ALIAS = {"orders": "o", "customers": "c", "payments": "p"}
#: The table that a table's rows refer to, and the column that does.
PARENT = {"orders": ("customers", "customer_id"), "payments": ("orders", "order_id")}
#: The column that dates a table's rows.
DATED_BY = {"orders": "created_at", "customers": "signup_date", "payments": "paid_at"}


@dataclass(frozen=True)
class SourceColumn:
    """A column as the catalog describes it.

    Args:
        name: Our name of it.
        sql: How a query refers to it: alias and quoted name.
        kind: The database's word for its type, without length; of a domain, of the type beneath.
        declared: The type as users write it, such as `numeric(12,2)`.
        type: The lake's type of it.
        numeric: Declared (precision, scale) of an exact decimal, where it has them.
        unique: Whether an index proves its values unique.
        indexed: Whether an index begins with it.
        collation: How the database compares its text, where columns may differ in that.
    """

    name: str
    sql: str
    kind: str
    declared: str
    type: Type
    numeric: tuple[int, int] | None
    unique: bool
    indexed: bool
    collation: str = ""


@dataclass(frozen=True)
class SourceTable:
    """A table or view as the catalog describes it.

    Args:
        name: Its name in the source.
        sql: How FROM refers to it: quoted name and alias.
        alias: Its alias, the same in every query.
        columns: Our column name -> column.
        declared: All columns there are, in the table's own names -> type as users write it.
        is_view: Whether its rows are stored elsewhere.
        blocks: Pages of its largest part, where rows are addressed by them.
        warnings: What may be wrong with what is read from it.
    """

    name: str
    sql: str
    alias: str
    columns: Mapping[str, SourceColumn]
    declared: Mapping[str, str]
    is_view: bool
    blocks: int = 0
    warnings: tuple[str, ...] = ()

    def __getitem__(self, column: str) -> SourceColumn:
        return self.columns[column]


def literal(text: str) -> str:
    """Quote a text value."""
    return "'" + text.replace("'", "''") + "'"


def tables_needed(table: str) -> list[str]:
    """Return a table and those that its rows refer to, directly or not."""
    needed = [table]
    while needed[-1] in PARENT:
        needed.append(PARENT[needed[-1]][0])
    return needed


def origin_of(table: str, column: str) -> tuple[str, str]:
    """Return where a typed column of a raw dataset comes from: a table, and our name there."""
    if table == "payments" and column == "customer_id":
        return "orders", "customer_id"
    if table == "payments" and column == "order_created_at":
        return "orders", "created_at"
    return table, column


def missing_table(table: str, name: str) -> SourceError:
    """Return the error for a table that the source does not have."""
    return SourceError(
        f"The source has no table {name}.",
        hint=f'Set ECOM_TABLES to its name there, as {{"{table}": "shop.its_name"}}.',
    )


def missing_columns(settings: Settings, table: str, found: Collection[str]) -> SourceError | None:
    """Return the error for columns that a table does not have among those found; None if all."""
    names = {column: settings.source_column(table, column) for column in SOURCE_COLUMNS[table]}
    missing = [column for column in names.values() if column not in found]
    if not missing:
        return None
    example = next(column for column, own in names.items() if own == missing[0])
    return SourceError(
        f"The table {settings.source_table(table)} has no column {', '.join(missing)}; "
        f"it has {', '.join(found)}.",
        hint=f'Set ECOM_COLUMNS to its name there, as {{"{table}.{example}": "its_name"}}.',
    )


def wrong_type(name: str, column: str, declared: str, accepted: Collection[str]) -> SourceError:
    """Return the error for a column of a type that cannot become the lake's."""
    return SourceError(
        f"The column {column} of the table {name} is {declared}; expected {', '.join(accepted)}.",
        hint="Change its type in the source, or name a view in ECOM_TABLES that casts it.",
    )
