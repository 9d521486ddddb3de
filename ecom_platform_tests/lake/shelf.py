"""A lake with one dataset of every type, and publishing SQL to it as a step does."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ecom_platform.datasets import Column, Dataset, Type
from ecom_platform.engines.duckdb import Engine, add_view, create_result
from ecom_platform.lake.folder import FolderStorage
from ecom_platform.lake.publish import Lake
from ecom_platform.lake.storage import open_storage
from ecom_platform.lake.tables import Report, Rows
from ecom_platform.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ecom_platform.lake.base import StoredObject

DAYS = ("2024-01-01", "2024-01-02", "2024-01-03")

SALES = Dataset(
    "metrics",
    "sales",
    "One sale each.",
    "one row per sale",
    (
        Column("id", Type.ID, "Sale", required=True),
        Column("region", Type.TEXT, "Where"),
        Column("amount", Type.MONEY, "How much"),
        Column("sold_at", Type.INSTANT, "When"),
        Column("day", Type.DATE, "A date"),
        Column("pieces", Type.COUNT, "How many"),
        Column("share", Type.RATIO, "A ratio"),
        Column("gift", Type.FLAG, "Whether"),
    ),
    key=("id",),
    dated_by="sold_at",
)


def sales(*rows: str) -> str:
    """Return a query over rows, each written as SQL: `id, region, amount, sold_at`."""
    values = ", ".join(f"({row})" for row in rows)
    return f"""
        SELECT
            id, region, amount, sold_at::TIMESTAMPTZ AS sold_at, DATE '2020-02-29' AS day,
            3 AS pieces, 0.5 AS share, true AS gift, CAST(sold_at[1:10] AS DATE) AS date
        FROM (VALUES {values}) AS sales(id, region, amount, sold_at)
    """


_ONE_SALE = sales("1, 'x', 1, '2024-01-01'")
NO_SALES = f"SELECT * FROM ({_ONE_SALE}) WHERE false"


@dataclass
class Run:
    """A run's view of the lake, noted when it is made.

    Args:
        address: Of the lake.
        run_id: Of the run.
        dataset: What it publishes.
    """

    address: str
    run_id: str = field(default_factory=lambda: uuid4().hex)
    dataset: Dataset = SALES
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        self.settings = Settings(
            _env_file=None,  # pyright: ignore[reportCallIssue]
            lake=self.address,
            timezone=self.timezone,
            start_date=date(2024, 1, 1),
            engine_threads=2,
        )
        self.scratch = Path(tempfile.mkdtemp(dir=Path.cwd()))  # which is the test's own folder
        self.storage = open_storage(self.address)
        folders = [self.storage.root] if isinstance(self.storage, FolderStorage) else []
        self.engine = Engine(self.settings, self.scratch, folders)
        self.lake = Lake(self.storage, self.settings.calendar, self.scratch, self.run_id)
        self.lake.remember([self.dataset])

    def publish(self, query: str, days: Sequence[str] = DAYS, *, code: str = "v1") -> Report:
        """Publish the rows of a query."""
        connection = self.engine.connect()
        with connection:
            create_result(connection, self.dataset, query, table="result")
            return self.lake.publish(self.dataset, Rows(connection, "result"), days, code)

    def changed(self, query: str, days: Sequence[str] = DAYS) -> list[bool]:
        """Publish the rows of a query; return of each day whether it was written."""
        report = self.publish(query, days)
        assert report.bad_days == {}
        return [report.published[day][self.dataset].changed for day in days]

    def rows(self, days: Sequence[str] = DAYS, select: str = "*") -> list[tuple[Any, ...]]:
        """Read days as they are now, in order of days and ids."""
        with self.engine.connect() as connection:
            add_view(
                connection, self.lake.table(self.dataset, days, latest=True).partitions(), "sales"
            )
            return connection.execute(f"SELECT {select} FROM sales ORDER BY date, id").fetchall()

    def stat(self, day: str) -> StoredObject:
        """Return what the storage says of a day."""
        found = self.storage.stat(self.dataset.object_path(day))
        assert found is not None
        return found

    def file(self, day: str) -> Path:
        """Return a local file of a day."""
        path = self.dataset.object_path(day)
        return self.storage.fetch([path], Path(tempfile.mkdtemp(dir=self.scratch)))[path]


def with_columns(*columns: Column) -> Dataset:
    """Return the dataset with other columns."""
    return replace(SALES, columns=columns)
