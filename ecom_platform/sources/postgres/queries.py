"""The queries over a shop in PostgreSQL: which rows belong to some days, and their parents.

Rows are found by conditions on raw columns, so that indexes serve. Rows of neighbouring days
can be among them; who reads them files each exactly and drops what was not asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecom_platform.calendar import ONE_DAY, days_between
from ecom_platform.datasets import Type
from ecom_platform.sources.base import AMOUNT_COLUMN
from ecom_platform.sources.postgres.catalog import (
    DATASETS,
    SourceColumn,
    SourceTable,
    quote,
)
from ecom_platform.sources.postgres.fingerprints import row_hash
from ecom_platform.sources.postgres.values import Times, comparable, hundredths, id_of, number

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from ecom_platform.calendar import Calendar

#: The table that a table's rows refer to, and the column that does.
PARENT = {"orders": ("customers", "customer_id"), "payments": ("orders", "order_id")}
#: The column that dates a table's rows.
DATED_BY = {"orders": "created_at", "customers": "signup_date", "payments": "paid_at"}
#: What a table's rows hand on to those that refer to them.
_INHERITED = {"orders": ("created_at", "customer_id"), "customers": ("region",)}


@dataclass(frozen=True)
class _Part:
    """Rows that are found the same way.

    Args:
        condition: What they meet, and rows of other parts do not.
        dated_by: The column that dates them.
        parents: A query for the ids of parents that matter to them; empty without parents.
    """

    condition: str
    dated_by: SourceColumn
    parents: str = ""


class ShopQueries:
    """Builds the queries over the three tables.

    Args:
        tables: The described tables, at least the one asked for and those it refers to.
        calendar: What a business day is.
        source_timezone: IANA name of the zone of times that carry none.
    """

    def __init__(
        self, tables: Mapping[str, SourceTable], calendar: Calendar, source_timezone: str
    ) -> None:
        self._tables = tables
        self._calendar = calendar
        self._times = Times(calendar, source_timezone)

    def extraction(
        self, table: str, first: date, last: date, blocks: tuple[int, int | None] | None = None
    ) -> str:
        """Return the query for the raw rows of some days.

        Columns: those of the raw dataset, money in hundredths (BIGINT); no `date`.

        Args:
            table: `orders`, `customers` or `payments`.
            first: The first day.
            last: The last day.
            blocks: Read only these pages of the table, from one up to before another or the
                end, in one pass; by default the rows are looked up wherever they are.
        """
        values = self._values(table)
        columns = ", ".join(
            f"{values[column.name]} as {quote(column.name)}" for column in DATASETS[table].columns
        )
        parts = self._parts(table, first, last)
        if blocks is None:
            return " union all ".join(
                f"select {columns} from {self._with_parents(table, part.parents)} "
                f"where {part.condition}"
                for part in parts
            )
        address, (start, end) = f"{self._tables[table].alias}.ctid", blocks
        pages = f"{address} >= '({start},0)'::tid"
        if end is not None:
            pages += f" and {address} < '({end},0)'::tid"
        days = " or ".join(part.condition for part in parts)
        return f"select {columns} from {self._with_parents(table)} where {pages} and ({days})"

    def totals(self, table: str, first: date, last: date) -> str:
        """Return the query that counts the rows of each day, and sums their money and hashes.

        Columns: `day` (DATE), `rows`, `amount` (text; NULL for a table without money), `hash`
        (text): the sum over all that is extracted of a row, whatever the order of rows. Of the
        customer, only whether they are known: who moves keeps the old region.
        """
        described = self._tables[table]
        unknown = [f"{self._tables[name]['id'].sql} is null" for name in tables_needed(table)[1:]]
        of_order = ("created_at", "customer_id") if table == "payments" else ()
        looked_up = [self._tables["orders"][name] for name in of_order]
        row = row_hash([*described.columns.values(), *looked_up], unknown)
        money = AMOUNT_COLUMN.get(table)
        amount = number(described[money]) if money else "null::numeric"
        selects = [
            f"select {self._day(part.dated_by, first, last)} as day, {amount} as amount, "
            f"{row} as hash from {self._with_parents(table, part.parents)} where {part.condition}"
            for part in self._parts(table, first, last)
        ]
        total = "coalesce(sum(amount), 0)::text" if money else "null::text"
        return (
            f'select day, count(*) as "rows", {total} as amount, sum(hash)::text as hash '
            f"from ({' union all '.join(selects)}) as dated "
            f"where day between '{first}' and '{last}' group by day"
        )

    def span(self, table: str) -> str:
        """Return the query for the `oldest` and `newest` time that dates rows, as text."""
        column = self._tables[table][DATED_BY[table]]
        return (
            f"select min({column.sql})::text as oldest, max({column.sql})::text as newest "
            f"from {self._tables[table].sql} where {self._times.readable(column)}"
        )

    def _day(self, column: SourceColumn, first: date, last: date) -> str:
        """Return the business day of a time; the lake's first where it has none."""
        start = f"date '{self._calendar.start}'"
        if column.type is Type.DATE:
            return f"greatest({self._times.value(column)}, {start})"
        begins = ", ".join(
            f"'{self._calendar.start_of(day)}'" for day in days_between(first, last + ONE_DAY)
        )
        bucket = f"width_bucket({self._times.value(column)}, array[{begins}]::timestamptz[])"
        return f"coalesce(date '{first}' - 1 + {bucket}, {start})"

    def _parts(self, table: str, first: date, last: date) -> list[_Part]:
        """Return the parts that together are all rows of some days, and a few of others."""
        described = self._tables[table]
        filed = self._filed(described[DATED_BY[table]], first, last)
        if table == "customers":
            return [_Part(filed, described["signup_date"])]
        theirs, its_id = self._link(table)
        if table == "orders":
            of_these = f"select {theirs} from {described.sql} where {filed}"
            return [_Part(filed, described["created_at"], of_these)]
        orders, paid_at = self._tables["orders"], described["paid_at"]
        low, high = self._times.bounds(paid_at, first, last)
        paid = f"({paid_at.sql} >= {low} and {paid_at.sql} < {high})"
        unpaid = self._times.unreadable(paid_at)
        filed = self._filed(orders["created_at"], first, last)
        if self._holds_start(first, last):
            # Orders that do not exist count as well, so these cannot be found by order.
            of_unpaid = f"select {theirs} from {described.sql} where {unpaid}"
        else:
            of_unpaid = f"select {its_id} from {orders.sql} where {filed}"
        return [
            _Part(paid, paid_at, f"select {theirs} from {described.sql} where {paid}"),
            _Part(f"({unpaid} and {filed})", orders["created_at"], of_unpaid),
        ]

    def _filed(self, column: SourceColumn, first: date, last: date) -> str:
        """Return the condition of rows that a column files under some days."""
        low, high = self._times.bounds(column, first, last)
        days = f"{column.sql} >= {low} and {column.sql} < {high}"
        if not self._holds_start(first, last):
            return f"({days})"
        if column.type is Type.DATE:
            # Who signed up before the lake begins is filed under its first day.
            days = f"{column.sql} < {high}"
        return f"({days} or {self._times.unreadable(column)})"

    def _holds_start(self, first: date, last: date) -> bool:
        """Say whether rows without a day of their own belong to some days."""
        return first <= self._calendar.start <= last

    def _with_parents(self, table: str, relevant: str = "") -> str:
        source = self._tables[table].sql
        if table in PARENT:
            source += f" {self._parent_join(table, relevant)}"
        if table == "payments":
            if relevant:
                _, its_id = self._link("payments")
                theirs, _ = self._link("orders")
                relevant = (
                    f"select {theirs} from {self._tables['orders'].sql} "
                    f"where {its_id} in ({relevant})"
                )
            source += f" {self._parent_join('orders', relevant)}"
        return source

    def _parent_join(self, table: str, relevant: str) -> str:
        """Return the join of a table with its parent: never more than one for a row.

        Args:
            table: The child.
            relevant: A query for the ids of parents that matter; empty when all may.
        """
        parent, _ = PARENT[table]
        described = self._tables[parent]
        source = described.sql
        theirs, its_id = self._link(table)
        if not described["id"].unique:
            columns = ", ".join(described[name].sql for name in ("id", *_INHERITED[parent]))
            only = f"where {its_id} in ({relevant})" if relevant else ""
            source = (
                f"(select distinct on ({described['id'].sql}) {columns} "
                f"from {source} {only} order by {columns}) as {described.alias}"
            )
        return f"left join {source} on {its_id} = {theirs}"

    def _link(self, table: str) -> tuple[str, str]:
        """Return a table's reference to its parent and the parent's id, to be compared."""
        parent, reference = PARENT[table]
        return comparable(self._tables[table][reference], self._tables[parent]["id"])

    def _values(self, table: str) -> dict[str, str]:
        """Return an expression for each column of the raw dataset."""
        values: dict[str, str] = {}
        for name, column in self._tables[table].columns.items():
            match column.type:
                case Type.ID:
                    values[name] = id_of(column)
                case Type.MONEY:
                    values[name], values[f"{name}_text"] = hundredths(column)
                case Type.INSTANT | Type.DATE:
                    values[name] = self._times.value(column)
                    values[f"{name}_text"] = self._times.unreadable_text(column)
                case _:
                    values[name] = f"{column.sql}::text"
        if table == "orders":
            customers = self._tables["customers"]
            values["customer_found"] = (
                f"case when {self._tables['orders']['customer_id'].sql} is not null "
                f"then {customers['id'].sql} is not null end"
            )
        if table == "payments":
            orders = self._tables["orders"]
            values["order_found"] = f"{orders['id'].sql} is not null"
            values["order_created_at"] = self._times.value(orders["created_at"])
            values["customer_id"] = id_of(orders["customer_id"])
        if table in PARENT:
            values["customer_region"] = f"{self._tables['customers']['region'].sql}::text"
        return values


def tables_needed(table: str) -> list[str]:
    """Return a table and those that its rows refer to, directly or not."""
    needed = [table]
    while needed[-1] in PARENT:
        needed.append(PARENT[needed[-1]][0])
    return needed
