"""The queries over a shop in a database: which rows belong to some days, and their parents.

Rows are found by conditions on raw columns, so that indexes serve. Rows of neighbouring days
can be among them; who reads them files each exactly and drops what was not asked for. How a
value is written is the dialect's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecom_platform.datasets import Type
from ecom_platform.sources.base import AMOUNT_COLUMN
from ecom_platform.sources.shop_tables import DATASETS, DATED_BY, PARENT, origin_of, tables_needed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

    from ecom_platform.sources.dialect import Dialect
    from ecom_platform.sources.shop_tables import SourceColumn, SourceTable

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
        dialect: Of the database that they are in.
    """

    def __init__(self, tables: Mapping[str, SourceTable], dialect: Dialect) -> None:
        self.tables = tables
        self._dialect = dialect

    def extraction(self, table: str, first: date, last: date, share: str = "") -> str:
        """Return the query for the raw rows of some days.

        Columns: those of the raw dataset, money in hundredths (BIGINT); no `date`.

        Args:
            table: `orders`, `customers` or `payments`.
            first: The first day.
            last: The last day.
            share: A condition on the rows to read, in one pass; by default the rows are looked
                up wherever they are.
        """
        values = self._values(table)
        columns = ", ".join(
            f"{values[column.name]} as {self._dialect.quote(column.name)}"
            for column in DATASETS[table].columns
        )
        parts = self._parts(table, first, last)
        if share:
            days = " or ".join(part.condition for part in parts)
            return f"select {columns} from {self._with_parents(table)} where {share} and ({days})"
        return " union all ".join(
            f"select {columns} from {self._with_parents(table, part.parents)} "
            f"where {part.condition}"
            for part in parts
        )

    def totals(self, table: str, first: date, last: date) -> str:
        """Return the query that counts the rows of each day, and sums their money and hashes.

        Columns, all text: `day`, `row_count`, `amount` (NULL for a table without money), `hash`:
        the sum over all that is extracted of a row, whatever the order of rows. Of the customer,
        only whether they are known: who moves keeps the old region.
        """
        described, text = self.tables[table], self._dialect.text
        unknown = [f"{self.tables[name]['id'].sql} is null" for name in tables_needed(table)[1:]]
        of_order = ("created_at", "customer_id") if table == "payments" else ()
        looked_up = [self.tables["orders"][name] for name in of_order]
        row = self._dialect.row_hash([*described.columns.values(), *looked_up], unknown)
        money = AMOUNT_COLUMN.get(table)
        amount = self._dialect.number(described[money]) if money else "0"
        selects = [
            f"select {self._dialect.day(part.dated_by, first, last)} as day, {amount} as amount, "
            f"{row} as hash from {self._with_parents(table, part.parents)} where {part.condition}"
            for part in self._parts(table, first, last)
        ]
        total = text("coalesce(sum(amount), 0)") if money else text("null")
        return (
            f"select {text('day')} as day, {text('count(*)')} as row_count, {total} as amount, "
            f"{text('sum(hash)')} as hash "
            f"from ({' union all '.join(selects)}) as dated "
            f"where day between '{first}' and '{last}' group by day"
        )

    def after(self, table: str, instant: datetime) -> str:
        """Return the query for the rows dated after an instant: `row_count`, `latest` as text.

        And `any_row`: 1 where the table has any row at all, else 0.
        """
        column, text = self.tables[table][DATED_BY[table]], self._dialect.text
        rows = self.tables[table].sql
        first_row = f"(select count(*) from (select 1 as one from {rows} limit 1) as found)"
        return (
            f"select {text('count(*)')} as row_count, {text(f'max({column.sql})')} as latest, "
            f"{text(first_row)} as any_row from {rows} where {self._dialect.readable(column)} "
            f"and {column.sql} > {self._dialect.at(column, instant)}"
        )

    def before(self, table: str, instant: datetime) -> str:
        """Return the query for the rows dated before an instant: `row_count`, `earliest` as text.

        Customers have none: who signed up before the first day is filed under it.
        """
        column, text = self.tables[table][DATED_BY[table]], self._dialect.text
        dated = f"{self._dialect.readable(column)} and "
        dated += f"{column.sql} < {self._dialect.at(column, instant)}"
        if column.type is Type.DATE:
            dated = "1 = 0"
        return (
            f"select {text('count(*)')} as row_count, {text(f'min({column.sql})')} as earliest "
            f"from {self.tables[table].sql} where {dated}"
        )

    def undated(self, table: str) -> str:
        """Return the query for rows without a day of their own: `row_count`, an `example` as text.

        Of payments, those whose order has none either; without an order there is none to miss.
        """
        column, text = self.tables[table][DATED_BY[table]], self._dialect.text
        source, unreadable = self.tables[table].sql, self._dialect.unreadable(column)
        if table == "customers":
            unreadable = f"{column.sql} is not null and {unreadable}"
        if table == "payments":
            described = self.tables["orders"]
            theirs, its_id = self._link(table)
            of_these = f"select {theirs} from {source} where {unreadable}"
            ordered = self._dialect.unreadable(described["created_at"])
            source += f" {self._parent_join(table, of_these)}"
            unreadable += f" and {ordered} and ({column.sql} is not null or {its_id} is not null)"
        example = f"min({self._dialect.unreadable_text(column)})"
        return (
            f"select {text('count(*)')} as row_count, {example} as example "
            f"from {source} where {unreadable}"
        )

    def span(self, table: str) -> str:
        """Return the query for the `oldest` and `newest` time that dates rows, as text."""
        column = self.tables[table][DATED_BY[table]]
        oldest, newest = (self._dialect.text(f"{name}({column.sql})") for name in ("min", "max"))
        return (
            f"select {oldest} as oldest, {newest} as newest "
            f"from {self.tables[table].sql} where {self._dialect.readable(column)}"
        )

    def _parts(self, table: str, first: date, last: date) -> list[_Part]:
        """Return the parts that together are all rows of some days, and a few of others."""
        described = self.tables[table]
        filed = self._filed(described[DATED_BY[table]], first, last)
        if table == "customers":
            return [_Part(filed, described["signup_date"])]
        theirs, its_id = self._link(table)
        if table == "orders":
            of_these = f"select {theirs} from {described.sql} where {filed}"
            return [_Part(filed, described["created_at"], of_these)]
        orders, paid_at = self.tables["orders"], described["paid_at"]
        low, high = self._dialect.bounds(paid_at, first, last)
        paid = f"({paid_at.sql} >= {low} and {paid_at.sql} < {high}"
        paid += f" and {self._dialect.readable(paid_at)})"
        unpaid = self._dialect.unreadable(paid_at)
        filed = self._filed(orders["created_at"], first, last)
        if self._dialect.intervals.holds_start(first, last):
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
        low, high = self._dialect.bounds(column, first, last)
        days = f"{column.sql} >= {low} and {column.sql} < {high}"
        if not self._dialect.intervals.holds_start(first, last):
            return f"({days})"
        if column.type is Type.DATE:
            # Who signed up before the lake begins is filed under its first day.
            days = f"{column.sql} < {high}"
        return f"({days} or {self._dialect.unreadable(column)})"

    def _with_parents(self, table: str, relevant: str = "") -> str:
        source = self.tables[table].sql
        if table in PARENT:
            source += f" {self._parent_join(table, relevant)}"
        if table == "payments":
            if relevant:
                _, its_id = self._link("payments")
                theirs, _ = self._link("orders")
                relevant = (
                    f"select {theirs} from {self.tables['orders'].sql} "
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
        described = self.tables[parent]
        source = described.sql
        theirs, its_id = self._link(table)
        if not described["id"].unique:
            inherited = [described[name] for name in _INHERITED[parent]]
            columns = ", ".join(column.sql for column in (described["id"], *inherited))
            order = ", ".join(self._dialect.sort_key(column) for column in inherited)
            only = f"where {its_id} in ({relevant})" if relevant else ""
            ranked = (
                f"select {columns}, row_number() over "
                f"(partition by {described['id'].sql} order by {order}) as place "
                f"from {source} {only}"
            )
            source = f"(select * from ({ranked}) as ranked where place = 1) as {described.alias}"
        return f"left join {source} on {its_id} = {theirs}"

    def _link(self, table: str) -> tuple[str, str]:
        """Return a table's reference to its parent and the parent's id, to be compared."""
        parent, reference = PARENT[table]
        return self._dialect.linked(self.tables[table][reference], self.tables[parent]["id"])

    def _values(self, table: str) -> dict[str, str]:
        """Return an expression for each column of the raw dataset."""
        values: dict[str, str] = {}
        for column in DATASETS[table].columns:
            source, name = origin_of(table, column.name)
            if name not in self.tables[source].columns:
                continue
            described = self.tables[source][name]
            match column.type:
                case Type.ID:
                    values[column.name] = self._dialect.id_of(described)
                case Type.MONEY:
                    cents, text = self._dialect.hundredths(described)
                    values[column.name], values[f"{column.name}_text"] = cents, text
                case Type.INSTANT | Type.DATE:
                    values[column.name] = self._dialect.time(described)
                    values[f"{column.name}_text"] = self._dialect.unreadable_text(described)
                case _:
                    values[column.name] = self._dialect.text(described.sql)
        if table == "orders":
            reference, customers = self.tables["orders"]["customer_id"], self.tables["customers"]
            values["customer_found"] = (
                f"case when {reference.sql} is not null then {customers['id'].sql} is not null end"
            )
        if table == "payments":
            values["order_found"] = f"{self.tables['orders']['id'].sql} is not null"
        if table in PARENT:
            values["customer_region"] = self._dialect.text(self.tables["customers"]["region"].sql)
        return values
