"""A small shop whose past changes: late rows, edits, deletes, payments that are paid days later."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

from ecom_platform_tests.sources.shop_database import TABLES

if TYPE_CHECKING:
    from pathlib import Path

    from ecom_platform_tests.sources.shop_database import ShopDatabase

FIRST = date(2024, 3, 1)
REGIONS = ("North", "South", "Överkalix")

Row = list[Any]


class Shop:
    """All rows of a shop, by table and id. A customer never moves: a day keeps its regions.

    Args:
        seed: Decides all that happens in it.
    """

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311  -- not for secrets
        self.tables: dict[str, dict[int, Row]] = {table: {} for table in TABLES}
        self._next = 1

    def trade(self, day: date, orders: int) -> None:
        """Let a day have new customers, orders and their payments, some of them pending."""
        for _ in range(orders):
            customer = self._customer(day)
            amount = f"{self.random.randint(100, 99_999) / 100:.2f}"
            word = self.random.choice(("shipped", "shipped", "new", "cancelled"))
            order = self._add("orders", customer, amount, self._moment(day), word)
            paid = self.random.random() < 0.8
            moment = self._moment(day) if paid else None
            self._add("payments", order, amount, "paid" if paid else "pending", moment)

    def change_the_past(self, days: list[date], changes: int) -> None:
        """Change rows of some days: one each of what shops do, so often."""
        for _ in range(changes):
            day = self.random.choice(days)
            what = self.random.choice((self._late, self._edit, self._delete, self._settle))
            what(day)

    def _late(self, day: date) -> None:
        self.trade(day, 1)

    def _edit(self, day: date) -> None:
        if order := self._one_of("orders", day):
            order[2] = f"{self.random.randint(100, 99_999) / 100:.2f}"
            order[4] = "cancelled"

    def _delete(self, day: date) -> None:
        if payment := self._one_of("payments", day):
            del self.tables["payments"][payment[0]]

    def _settle(self, day: date) -> None:
        """Pay what is pending; the payment moves to another day."""
        for payment in self.tables["payments"].values():
            if payment[4] is None:
                payment[3:] = ["paid", self._moment(day)]
                return

    def _one_of(self, table: str, day: date) -> Row | None:
        rows = [
            r
            for r in self.tables[table].values()
            if str(r[-1 if table == "payments" else 3]).startswith(str(day))
        ]
        return self.random.choice(rows) if rows else None

    def _customer(self, day: date) -> int | None:
        known = [row[0] for row in self.tables["customers"].values() if row[3] <= str(day)]
        if known and self.random.random() < 0.6:
            return self.random.choice(known)
        if self.random.random() < 0.1:
            return None
        number = self._next
        return self._add(
            "customers", f"c{number}@example.invalid", self.random.choice(REGIONS), str(day)
        )

    def _moment(self, day: date) -> str:
        return f"{day} {self.random.randrange(24):02}:{self.random.randrange(60):02}:00+00:00"

    def _add(self, table: str, *values: Any) -> int:
        self.tables[table][self._next] = [self._next, *values]
        self._next += 1
        return self._next - 1

    def write_files(self, folder: Path) -> None:
        """Write it as three CSV files, each in one step."""
        folder.mkdir(exist_ok=True)
        for table, rows in self.tables.items():
            with (folder / f"{table}.tmp").open("w", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(TABLES[table])
                writer.writerows(rows.values())
            (folder / f"{table}.tmp").replace(folder / f"{table}.csv")

    def write_database(self, database: ShopDatabase) -> None:
        """Write it as three tables in the place of those that are there."""
        for table, rows in self.tables.items():
            database.execute(f"delete from {table}")
            if rows:
                database.copy(table, [tuple(row) for row in rows.values()])


def days_from(first: date, count: int) -> list[date]:
    """Return so many days."""
    return [first + timedelta(days=number) for number in range(count)]
