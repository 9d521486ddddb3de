"""Sources that have lost rows: what is published of them, what is not, and what lets it through."""

from __future__ import annotations

import os
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import psycopg
import pytest

from ecom_platform.lake.storage import open_storage
from ecom_platform.settings import Settings
from ecom_platform_tests.pipeline import Pipeline
from ecom_platform_tests.sources.postgres_database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecom_platform_tests.sources.shop_database import ShopDatabase

FIRST = date(2024, 1, 1)
DAYS = [FIRST + timedelta(days=number) for number in range(4)]
LAST = DAYS[-1]
ALL = {str(day) for day in DAYS}
#: The days with payments that are paid.
PAID = ALL - {str(LAST)}
#: On each day so many sign up, order, and pay: of the last day nothing is paid yet.
ROWS = 30
#: An order of the second day that was a test, worth more than all others together.
TEST = ROWS + 1
TABLES = ("orders", "customers", "payments")


def shop() -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of a shop."""
    tables: dict[str, list[tuple[Any, ...]]] = {table: [] for table in TABLES}
    for day in DAYS:
        for one in range(ROWS):
            number = (day - FIRST).days * ROWS + one
            amount = 10**6 if number == TEST else 10
            paid = None if day == LAST else f"{day} 13:00:00+00:00"
            status = "paid" if paid else "pending"
            tables["customers"].append((number, f"c{number}@example.invalid", "north", str(day)))
            tables["orders"].append((number, number, amount, f"{day} 12:00:00+00:00", "done"))
            tables["payments"].append((number, number, amount, status, paid))
    return tables


def objects(settings: Settings) -> dict[str, str]:
    return open_storage(settings.lake).etags("raw")


class Shop:
    """A shop whose days are published, by the raw assets alone.

    Args:
        settings: Which source and lake.
        instance: Dagster's.
    """

    def __init__(self, settings: Settings, instance: dg.DagsterInstance) -> None:
        self.settings = settings
        self._instance = instance

    def run(self, last: date = LAST, **options: Any) -> dict[str, set[str]]:
        """Make all days; return table -> days that were refused, having seen that they stayed."""
        before = objects(self.settings)
        pipeline = Pipeline(self.settings, self._instance, layer="raw", **options)
        self.reasons = pipeline.run(FIRST, last)
        found: dict[str, set[str]] = {}
        for name in self.reasons:
            path, day = name.split()
            found.setdefault(path.removeprefix("raw/"), set()).add(day)
            file = f"{path}/date={day}/data.parquet"
            assert objects(self.settings).get(file) == before.get(file)
        return found


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


def settings(database: ShopDatabase, lake: Path) -> Settings:
    return database.settings(lake=str(lake), email_hmac_key="k" * 32)


def fill(database: ShopDatabase) -> None:
    database.create()
    for table, rows in shop().items():
        database.copy(table, rows)


@pytest.fixture(scope="module")
def published(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Database, Path]:
    """The shop in PostgreSQL, and a lake of it to be copied."""
    name = f"losses_{os.getpid()}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    database = Database(postgres.replace("/postgres?", f"/{name}?"))
    fill(database)
    lake = tmp_path_factory.mktemp("losses") / "lake"
    with dg.DagsterInstance.ephemeral() as instance:
        assert Shop(settings(database, lake), instance).run() == {}
    return database, lake


@pytest.fixture
def sold(published: tuple[Database, Path], tmp_path: Path, instance: dg.DagsterInstance) -> Shop:
    """The shop as it was published."""
    database, lake = published
    fill(database)
    shutil.copytree(lake, tmp_path / "lake")
    return Shop(settings(database, tmp_path / "lake"), instance)


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        # Who lost their parent would be of no region: those days are kept as well.
        (["delete from orders"], {"orders": ALL, "payments": PAID}),
        (["delete from payments"], {"payments": ALL}),
        (["delete from customers"], {"customers": ALL, "orders": ALL, "payments": PAID}),
        (
            [f"delete from {table} where id % 2 = 0" for table in TABLES],
            {"orders": ALL, "customers": ALL, "payments": ALL},
        ),
        (
            ["update orders set total_amount = 0", "update payments set amount = null"],
            {"orders": ALL, "payments": ALL},
        ),
        (
            ["update customers set region = ''", "update payments set status = null"],
            {"customers": ALL, "orders": ALL, "payments": PAID},
        ),
        (["update orders set customer_id = null"], {"orders": ALL, "payments": PAID}),
        # All seem to be of one day: published, what it has gained would count twice.
        (
            ["update orders set created_at = '2024-01-02 00:00+00'"],
            {"orders": ALL},
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_database_that_lost_rows_or_what_is_in_them_replaces_nothing(
    sold: Shop, published: tuple[Database, Path], changes: list[str], refused: dict[str, set[str]]
) -> None:
    for change in changes:
        published[0].execute(change)
    assert sold.run() == refused


def test_a_backup_of_last_week_replaces_nothing_and_makes_no_empty_day(
    sold: Shop, published: tuple[Database, Path]
) -> None:
    database, _ = published
    # Of the third day's morning, when nothing of the second was paid yet.
    for table in TABLES:
        database.execute(f"delete from {table} where id >= {2 * ROWS}")
    database.execute(f"update payments set status = 'due', paid_at = null where id >= {ROWS}")
    # The last day was never published.
    lost = {"2024-01-03", "2024-01-04", "2024-01-05"}
    assert sold.run(LAST + timedelta(days=1)) == {
        "orders": lost, "customers": lost, "payments": lost | {"2024-01-02"}
    }  # fmt: skip


def test_small_losses_pass_large_ones_do_not_and_with_somebodys_word_all_do(
    shop_database: ShopDatabase, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    fill(shop_database)
    sold = Shop(settings(shop_database, tmp_path / "lake"), instance)
    assert sold.run() == {}
    for change in (
        "delete from orders where id in (3, 4, 5, 40)",
        "delete from payments where id in (3, 4, 5, 40)",
        "delete from customers where id = 7",
        # The test order and its payment: nearly all the money of the day.
        f"delete from orders where id = {TEST}",
        f"update payments set amount = 0 where id = {TEST}",
        # Two weeks later, all payments of the last day are paid.
        "update payments set status = 'paid', paid_at = '2024-01-18 09:00' where paid_at is null",
        "update payments set status = 'refunded' where id < 30",
        "update orders set total_amount = 9.99 where id between 61 and 80",
    ):
        shop_database.execute(change)
    assert sold.run() == {}
    shop_database.execute("delete from payments")
    assert sold.run() == {"payments": PAID}
    assert sold.run(accepts_loss=True) == {}
    assert sold.run() == {}


# ----------------------------------------------------------------------------- files


def put(place: str, name: str, rows: list[str]) -> None:
    """Write a CSV file to a folder or a bucket; with no rows at all, take it away."""
    import boto3

    header = {
        "orders": "id,customer_id,total_amount,created_at,status",
        "customers": "id,email,region,signup_date",
        "payments": "id,order_id,amount,status,paid_at",
    }[name.replace(".", "/").partition("/")[0]]
    text = "\n".join([header, *rows]) + "\n"
    if place.startswith("s3://"):
        bucket, _, prefix = place.removeprefix("s3://").partition("/")
        client = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
        if rows == ["gone"]:
            client.delete_object(Bucket=bucket, Key=f"{prefix}/{name}")
        else:
            client.put_object(Bucket=bucket, Key=f"{prefix}/{name}", Body=text.encode())
        return
    file = Path(place) / name
    file.parent.mkdir(parents=True, exist_ok=True)
    if rows == ["gone"]:
        file.unlink()
    else:
        file.write_text(text)


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        return f"s3://{request.getfixturevalue('bucket')}/shop"
    return str(tmp_path / "shop")


@pytest.fixture
def delivered(place: str, tmp_path: Path, instance: dg.DagsterInstance) -> Shop:
    """Each table in two files: every third row is in the second."""
    for table, rows in shop().items():
        lines = [",".join("" if value is None else str(value) for value in row) for row in rows]
        put(place, f"{table}/a.csv", [line for i, line in enumerate(lines) if i % 3])
        put(place, f"{table}/b.csv", lines[::3])
    source = place if place.startswith("s3://") else Path(place).as_uri()
    lake = f"{place}-lake" if place.startswith("s3://") else str(tmp_path / "lake")
    return Shop(Settings(source=source, lake=lake, start_date=FIRST), instance)  # pyright: ignore[reportArgumentType]


def test_a_file_that_vanished_replaces_nothing_nor_does_a_table_without_any(
    delivered: Shop, place: str
) -> None:
    assert delivered.run() == {}
    put(place, "orders/b.csv", ["gone"])
    assert delivered.run()["orders"] == ALL
    put(place, "orders/a.csv", [])
    assert delivered.run() == {"orders": ALL, "payments": PAID}
    (reason, *_) = delivered.reasons.values()
    assert reason.startswith(
        "the source has no orders at all any more; of this day 30 are published. "
        "If that is meant: --accept-loss"
    )
    put(place, "orders/a.csv", ["gone"])
    before = objects(delivered.settings)
    with pytest.raises(dg.Failure, match="has no files of orders"):
        delivered.run()
    assert objects(delivered.settings) == before


def test_a_tiny_shop_that_is_emptied_is_noticed_on_a_single_day(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    folder = str(tmp_path / "shop")
    order = "1,,5.00,2024-01-01 12:00:00,done"
    put(folder, "orders.csv", [order])
    put(folder, "customers.csv", [])
    put(folder, "payments.csv", [])
    shop = Shop(
        Settings(source=Path(folder).as_uri(), lake=str(tmp_path / "lake"), start_date=FIRST),
        instance,
    )  # pyright: ignore[reportArgumentType]
    assert shop.run() == {}
    put(folder, "orders.csv", [order.replace("2024-01-01", "2024-01-02")])
    assert shop.run() == {}  # one order of few was dated anew
    put(folder, "orders.csv", [])
    assert shop.run() == {"orders": {"2024-01-02"}}
