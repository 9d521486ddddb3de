"""What a user reads when the database cannot be read: which thing, why, what to do, no secrets."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from pydantic import SecretStr

from ecom_platform.errors import SourceError
from ecom_platform.settings import Settings
from ecom_platform.sources.database import DatabaseSource
from ecom_platform_tests.sources.mariadb_database import MariaDatabase

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY = "2024-03-01"
SECRET = "s3cr3t-P@ss/word:%?é"  # noqa: S105 - of a server that lives for a test


def connect(url: str) -> SourceError:
    """Connect to an address and return the error of it, checked to keep the password."""
    with pytest.raises(SourceError) as caught:
        DatabaseSource(Settings(source=SecretStr(url))).check()
    error: BaseException | None = caught.value
    while error is not None:
        for part in (SECRET, quote(SECRET, safe=""), "s3cr3t"):
            assert part not in repr(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    "url",
    [
        "mysql://reader:s3cr3t@ss@host/shop",
        "mysql://reader:s3cr3t/word@host/shop",
        "mysql://reader:s3cr3t@host:word/shop",
        "mysql://reader:s3cr3t@host:99999/shop",
        "mysql://reader:s3cr3t@host:0/shop",
        "mysql://reader:s3cr3t@[::1/shop",
        "mysql://reader:s3cr3t@host",
        "mysql://reader:s3cr3t@host/",
        "mysql://reader:s3cr3t@host/shop?s3cr3t=word",
        "mysql://reader:s3cr3t@host/shop?ssl-mode=s3cr3t",
        "mysql://reader:s3cr3t@host/shop?connect_timeout=0",
        "mariadb://reader:s3cr3t@host/shop?s3cr3t",
    ],
)
def test_an_address_that_makes_no_sense_is_not_repeated(url: str) -> None:
    error = connect(url)
    assert error.message == "ECOM_SOURCE is not a valid MySQL or MariaDB address."
    assert "%40" in error.hint
    assert not error.transient


def test_a_refused_connection_names_the_server_and_may_be_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    error = connect(f"mysql://reader:{quote(SECRET, safe='')}@127.0.0.1:{port}/shop")
    assert error.transient
    assert f"The database shop at 127.0.0.1:{port} cannot be connected to" in error.message
    assert "refused" in error.message


def test_an_unknown_host_may_be_tried_again() -> None:
    error = connect(f"mariadb://reader:{quote(SECRET, safe='')}@nowhere.invalid/shop")
    assert error.transient
    assert "nowhere.invalid" in error.message
    assert "Check the host's name" in error.hint


def test_a_server_that_does_not_answer_is_given_up_after_a_while() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        port = server.getsockname()[1]
        waiting = [socket.create_connection(("127.0.0.1", port))]
        error = connect(f"mysql://reader@127.0.0.1:{port}/shop?connect_timeout=1")
        for client in waiting:
            client.close()
    assert error.transient
    assert "timed out" in error.message


@pytest.fixture
def reader(maria: MariaDatabase) -> Iterator[MariaDatabase]:
    """The database for a user with a password and no rights but to read payments."""
    maria.create()
    name = maria.url.split("/")[-1].split("?")[0]
    maria.execute(f"create user '{name}' identified by %s", SECRET)
    maria.execute(f"grant select on {name}.payments to '{name}'")
    ((port,),) = maria.execute("select @@port")
    yield MariaDatabase(f"mysql://{name}:{quote(SECRET, safe='')}@127.0.0.1:{port}/{name}")
    maria.execute(f"drop user '{name}'")


def test_a_password_with_any_characters_lets_in(
    maria: MariaDatabase, reader: MariaDatabase
) -> None:
    maria.execute(f"grant select on *.* to '{reader.url[8:].split(':')[0]}'")
    assert len([line for line in reader.source().check() if "Warning" not in line]) == 3


def test_a_wrong_password_is_not_tried_again(reader: MariaDatabase) -> None:
    error = connect(reader.url.replace("s3cr3t", "s3cr3t-too"))
    assert "Access denied for user" in error.message
    assert not error.transient
    assert error.hint == "Correct the user and password in ECOM_SOURCE."


def test_an_unknown_database_is_named(maria: MariaDatabase) -> None:
    error = connect(maria.url.replace("/shop_", "/no_shop_"))
    assert "Unknown database 'no_shop_" in error.message
    assert not error.transient
    assert "database's name" in error.hint


def test_encryption_that_the_server_does_not_have_is_an_error(reader: MariaDatabase) -> None:
    error = connect(f"{reader.url}?ssl-mode=REQUIRED")
    assert "SSL" in error.message
    assert not error.transient
    assert "ssl-mode" in error.hint


def fails(database: MariaDatabase, table: str = "orders", **options: Any) -> SourceError:
    with pytest.raises(SourceError) as caught:
        database.read(table, DAY, **options)
    assert not caught.value.transient
    assert caught.value.hint
    return caught.value


def test_a_missing_table_is_named(maria: MariaDatabase) -> None:
    error = fails(maria)
    assert error.message == "The source has no table orders."
    assert "ECOM_TABLES" in error.hint
    assert "shop.sales_order" in fails(maria, tables={"orders": "shop.sales_order"}).message


def test_a_missing_column_is_named_and_those_that_exist_are_listed(maria: MariaDatabase) -> None:
    maria.create()
    maria.execute("alter table orders rename column created_at to placed_at")
    error = fails(maria)
    assert error.message == (
        "The table orders has no column created_at; "
        "it has id, customer_id, total_amount, placed_at, status."
    )
    assert '{"orders.created_at": "its_name"}' in error.hint


def test_tables_and_columns_can_have_other_names(maria: MariaDatabase) -> None:
    maria.create()
    maria.insert("customers", (1, None, "north", "2020-01-01"))
    maria.insert("orders", (1, 1, 5, f"{DAY} 12:00:00", "done"))
    other = f"{maria.url.split('/')[-1].split('?')[0]}_other"
    maria.execute(f"create database {other}")
    maria.execute(f"rename table orders to {other}.`Order`")
    maria.execute(f"alter table {other}.`Order` rename column created_at to `select`")
    maria.execute("alter table customers rename column region to area")
    names = {"orders.created_at": "select", "customers.region": "area"}
    (row,) = maria.read("orders", DAY, tables={"orders": f"{other}.Order"}, columns=names)
    maria.execute(f"drop database {other}")
    assert (row["id"], row["status"], row["customer_region"]) == (1, "done", "north")


@pytest.mark.parametrize(
    ("column", "kind", "table", "expected"),
    [
        ("orders_total_amount", "varchar(20)", "orders", "decimal, tinyint"),
        ("orders_created_at", "bigint", "orders", "timestamp, datetime, date"),
        ("payments_paid_at", "longtext", "payments", "timestamp, datetime, date"),
        ("customers_signup_date", "varchar(10)", "customers", "timestamp, datetime, date"),
        ("orders_created_at", "time", "orders", "timestamp, datetime, date"),
        ("orders_created_at", "year", "orders", "timestamp, datetime, date"),
    ],
)
def test_a_column_of_the_wrong_type_is_named_with_both_types(
    maria: MariaDatabase, column: str, kind: str, table: str, expected: str
) -> None:
    maria.create(**{column: kind})
    error = fails(maria, table)
    name = column.removeprefix(f"{table}_")
    assert error.message.startswith(f"The column {name} of the table {table} is {kind}")
    assert f"expected {expected}" in error.message


@pytest.mark.parametrize("engine", ["MyISAM", "Aria", "MEMORY"])
def test_a_table_without_transactions_is_refused(maria: MariaDatabase, engine: str) -> None:
    maria.create()
    maria.execute(f"alter table orders engine = {engine}")
    error = fails(maria)
    assert f"The engine of the table orders is {engine.lower()}" in error.message
    assert "ALTER TABLE `orders` ENGINE=InnoDB" in error.hint
    maria.execute("create view v_orders as select * from orders")
    assert maria.read("orders", DAY, tables={"orders": "v_orders"}) == []


def test_a_table_that_may_not_be_read_says_what_to_grant(
    maria: MariaDatabase, reader: MariaDatabase
) -> None:
    user = reader.url[8:].split(":")[0]
    error = fails(reader, "customers")
    assert f"SELECT command denied to user '{user}'" in error.message
    assert error.hint == "Run in the database: GRANT SELECT ON `customers` TO …;"
    maria.execute(f"grant select (id, region, signup_date) on {user}.customers to '{user}'")
    assert "denied" in fails(reader, "customers").message
    maria.execute(f"grant select (email) on {user}.customers to '{user}'")
    assert reader.read("customers", DAY) == []


def test_an_error_inside_a_view_is_told_without_addresses_of_people(maria: MariaDatabase) -> None:
    maria.create()
    maria.insert("customers", (1, "ada@example.invalid", None, DAY))
    maria.execute(
        "create function boom(word varchar(99)) returns date begin declare said varchar(99); "
        "set said = concat('no date: ', word); "
        "signal sqlstate '45000' set message_text = said; return null; end"
    )
    maria.execute(
        "create view broken as select id, email, region, boom(email) as signup_date from customers"
    )
    error = fails(maria, "customers", tables={"customers": "broken"})
    assert "no date: [e-mail] (1644)" in error.message


# -------------------------------------------------------------------------- the doctor


def test_the_doctor_learns_what_is_there(maria: MariaDatabase) -> None:
    maria.create()
    maria.insert("customers", (1, None, None, "2020-01-01"), (2, None, None, "0000-00-00"))
    maria.insert("orders", (1, 1, 1, "2024-03-01 12:00:00"), (2, 1, 1, "2024-03-05 13:00:00"))
    for table, column in (("orders", "created_at"), ("payments", "paid_at"),
                          ("payments", "order_id"), ("customers", "signup_date")):  # fmt: skip
        maria.execute(f"create index on_{column} on {table} ({column})")
    maria.execute("alter table orders rename column created_at to placed_at")
    maria.execute("analyze table orders, customers, payments")
    assert maria.source(columns={"orders.created_at": "placed_at"}).check() == [
        (
            "orders: table orders, about 2 rows (id bigint(20), customer_id bigint(20), "
            "total_amount decimal(12,2), placed_at timestamp(6), status varchar(255)); placed_at "
            "from 2024-03-01 12:00:00.000000 to 2024-03-05 13:00:00.000000"
        ),
        (
            "customers: table customers, about 2 rows (id bigint(20), email varchar(255), region "
            "varchar(255), signup_date date); signup_date from 2020-01-01 to 2020-01-01"
        ),
        (
            "Warning, table customers: rows without a readable signup_date: 1, such as "
            "`0000-00-00`. Give these rows a time in the source."
        ),
        (
            "payments: table payments, about 0 rows (id bigint(20), order_id bigint(20), amount "
            "decimal(12,2), status varchar(255), paid_at timestamp(6)); paid_at is never set"
        ),
    ]


def test_the_doctor_warns_of_what_makes_reading_slow(maria: MariaDatabase) -> None:
    maria.create(orders_id="bigint", payments_id="bigint")
    maria.execute("create unique index pair on orders (id, created_at)")
    warnings = [line for line in maria.source().check() if line.startswith("Warning")]
    assert warnings == [
        "Warning, table orders: no index begins with created_at, so a day reads the whole table.",
        (
            "Warning, table orders: no index proves its ids unique, "
            "so to look up an order takes longer."
        ),
        (
            "Warning, table customers: no index begins with signup_date, so a day reads the whole "
            "table."
        ),
        "Warning, table payments: no index begins with paid_at, so a day reads the whole table.",
        "Warning, table payments: no index begins with order_id, so a day reads the whole table.",
    ]
