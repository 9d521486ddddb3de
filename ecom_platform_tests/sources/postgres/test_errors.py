"""What a user reads when the database cannot be read: which thing, why, what to do, no secrets."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import psycopg
import pytest
from pydantic import SecretStr

from ecom_platform.errors import SourceError, SourceUnavailableError
from ecom_platform.settings import Settings
from ecom_platform.sources.database import DatabaseSource
from ecom_platform_tests.sources.postgres_database import Database

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
DAY = "2024-03-01"
SECRET = "s3cr3t-P@ss/word:%"  # noqa: S105 - of a server that lives for a test


def source_at(url: str) -> DatabaseSource:
    return DatabaseSource(Settings(source=SecretStr(url)))


def connect(url: str) -> SourceError:
    """Connect to an address and return the error of it, checked to keep the password."""
    with pytest.raises(SourceError) as caught, source_at(url).snapshot():
        pass
    error = caught.value
    assert error.hint
    for part in (SECRET, quote(SECRET, safe=""), "s3cr3t", "word"):
        assert part not in str(error).replace("password", "").replace("Passwords", "")
    return error


@contextmanager
def listening(answer: bytes) -> Generator[int]:
    """Listen on a port, answer whoever connects, and hang up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for _ in range(2):
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(1024)
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


def refusal(severity: bytes, code: bytes, message: bytes) -> bytes:
    """Return an ErrorResponse of PostgreSQL's protocol."""
    fields = b"S" + severity + b"\0V" + severity + b"\0C" + code + b"\0M" + message + b"\0\0"
    return b"E" + (len(fields) + 4).to_bytes(4, "big") + fields


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://reader:s3cr3t@ss@host/shop",
        "postgresql://reader:s3cr3t/word@host/shop",
        "postgresql://reader:12/word@host/shop",
        "postgresql://reader:s3cr3t%zz@host/shop",
        "postgresql://reader:s3cr3t:word@host:word/shop",
        "postgresql://reader:s3cr3t@host:99999/shop",
        "postgresql://reader:s3cr3t@[::1/shop",
        "postgresql://reader:s3cr3t@host/shop?s3cr3t=word",
        "postgresql://reader:s3cr3t@host/shop?sslmode=s3cr3t",
        "postgresql://reader:s3cr3t@host/shop?s3cr3t",
        "host=word password=s3cr3t",
        "",
    ],
)
def test_an_address_that_makes_no_sense_is_not_repeated(url: str) -> None:
    error = connect(url)
    assert error.message == "ECOM_SOURCE is not a valid PostgreSQL address."
    assert "%40" in error.hint
    assert not error.transient


def test_a_refused_connection_names_the_server_and_may_be_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    error = connect(f"postgresql://reader:{quote(SECRET, safe='')}@127.0.0.1:{port}/shop")
    assert error.transient
    assert f"The database shop at 127.0.0.1:{port} cannot be connected to" in error.message
    assert "Connection refused" in error.message


def test_an_unknown_host_may_be_tried_again() -> None:
    error = connect(f"postgresql://reader:{quote(SECRET, safe='')}@nowhere.invalid/shop")
    assert error.transient
    assert "nowhere.invalid" in error.message
    assert "Check the host's name" in error.hint


def test_a_server_that_does_not_answer_is_given_up_after_a_while() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        error = connect(f"postgresql://reader@127.0.0.1:{port}/shop?connect_timeout=2")
    assert error.transient
    assert "timeout expired" in error.message


@pytest.mark.parametrize(
    ("code", "message", "transient"),
    [
        (b"57P03", b"the database system is starting up", True),
        (b"57P03", b"the database system is shutting down", True),
        (b"57P03", b"the database system is not yet accepting connections", True),
        (b"57P01", b"terminating connection due to administrator command", True),
        (b"57P02", b"terminating connection because of crash of another server process", True),
        (b"57014", b"canceling authentication due to timeout", True),
        (b"53300", b"sorry, too many clients already", True),
        (b"08P01", b"no more connections allowed (max_client_conn)", True),
        (b"08P01", b"server login has been failing, try again later", True),
        (b"08P01", b"query_wait_timeout", True),
        (b"53300", b'too many connections for role "reader"', True),
        (b"53300", b"remaining connection slots are reserved for roles with privileges", True),
        (b"28000", b'no pg_hba.conf entry for host "1.2.3.4", user "reader", SSL off', False),
        (b"28000", b'role "reader" is not permitted to log in', False),
        (b"28P01", b"Passwort-Authentifizierung f\xc3\xbcr Benutzer reader fehlgeschlagen", False),
    ],
)
def test_what_a_server_says_decides_whether_to_try_again(
    code: bytes, message: bytes, transient: bool
) -> None:
    with listening(refusal(b"FATAL", code, message)) as port:
        error = connect(f"postgresql://reader@127.0.0.1:{port}/shop?sslmode=disable")
    assert message.decode() in error.message
    assert error.transient == transient


@pytest.fixture
def reader(database: Database) -> Iterator[str]:
    """The address of the database for a user with a password and no rights."""
    name = f"reader_of_{database.execute('select current_database()')[0][0]}"
    ((hba,),) = database.execute("show hba_file")
    with open(hba) as file:  # noqa: PTH123
        rules = file.read()
    with open(hba, "w") as file:  # noqa: PTH123
        file.write(f"local all {name} scram-sha-256\n{rules}")
    database.execute(f"create role {name} login password '{SECRET}'; select pg_reload_conf()")
    yield database.url.replace("//postgres@", f"//{name}:{quote(SECRET, safe='')}@")
    database.execute(f"drop owned by {name}; drop role {name}")
    with open(hba, "w") as file:  # noqa: PTH123
        file.write(rules)


def test_a_wrong_password_is_not_tried_again(reader: str) -> None:
    error = connect(reader.replace("s3cr3t", "other-s3cr3t"))
    assert "password authentication failed for user" in error.message
    assert not error.transient
    assert error.hint == "Correct the user and password in ECOM_SOURCE."


def test_a_missing_password_is_not_tried_again(reader: str) -> None:
    error = connect(reader.replace(":" + quote(SECRET, safe=""), ""))
    assert "no password supplied" in error.message
    assert not error.transient


def test_an_unknown_database_is_named(database: Database) -> None:
    error = connect(database.url.replace("/shop_", "/no_shop_"))
    assert "does not exist" in error.message
    assert "no_shop_" in error.message
    assert not error.transient
    assert "database's name" in error.hint


def test_an_unknown_user_is_named(database: Database) -> None:
    error = connect(database.url.replace("//postgres@", "//nobody@"))
    assert 'role "nobody" does not exist' in error.message
    assert not error.transient


def fails(database: Database, table: str = "orders", **options: Any) -> SourceError:
    with pytest.raises(SourceError) as caught:
        database.read(table, DAY, **options)
    assert not caught.value.transient
    assert caught.value.hint
    return caught.value


def test_a_missing_table_is_named(database: Database) -> None:
    error = fails(database)
    assert error.message == "The source has no table orders."
    assert "ECOM_TABLES" in error.hint
    assert "shop.sales_order" in fails(database, tables={"orders": "shop.sales_order"}).message


def test_a_missing_column_is_named_and_those_that_exist_are_listed(database: Database) -> None:
    database.create()
    database.execute("alter table orders rename created_at to placed_at")
    error = fails(database)
    assert error.message == (
        "The table orders has no column created_at; "
        "it has id, customer_id, total_amount, placed_at, status."
    )
    assert "ECOM_COLUMNS" in error.hint
    assert '{"orders.created_at": "its_name"}' in error.hint


def test_a_missing_parent_does_not_keep_other_tables_from_being_read(database: Database) -> None:
    database.create()
    database.execute("drop table payments; drop table orders")
    assert database.read("customers", DAY) == []
    assert "no table orders" in fails(database).message


@pytest.mark.parametrize(
    ("column", "kind", "table", "expected"),
    [
        ("orders_total_amount", "text", "orders", "numeric, smallint"),
        ("payments_amount", "boolean", "payments", "numeric, smallint"),
        ("orders_created_at", "bigint", "orders", "timestamp with time zone, timestamp, date"),
        ("payments_paid_at", "text", "payments", "timestamp with time zone, timestamp, date"),
        ("customers_signup_date", "varchar(10)", "customers", "timestamp with time zone"),
        ("orders_created_at", "time", "orders", "timestamp with time zone, timestamp, date"),
    ],
)
def test_a_column_of_the_wrong_type_is_named_with_both_types(
    database: Database, column: str, kind: str, table: str, expected: str
) -> None:
    database.create(**{column: kind})
    error = fails(database, table)
    ((declared,),) = database.execute("select format_type(%s::regtype, null)", kind)
    name = column.removeprefix(f"{table}_")
    assert f"The column {name} of the table {table} is {declared.split('(')[0]}" in error.message
    assert f"expected {expected}" in error.message


def test_a_table_that_may_not_be_read_says_what_to_grant(database: Database, reader: str) -> None:
    database.create()
    user = urlsplit(reader).username
    error = fails(Database(reader), "customers")
    assert f"user {user} may not read id, email, region, signup_date" in error.message
    assert error.hint == f'Run in the database: GRANT SELECT ON "customers" TO "{user}";'
    database.execute(error.hint.split(": ")[1])
    assert Database(reader).read("customers", DAY) == []
    database.execute(
        f"revoke all on customers from {user}; "
        f"grant select (id, region, signup_date) on customers to {user}"
    )
    assert "may not read email of" in fails(Database(reader), "customers").message


def test_a_schema_that_may_not_be_used_is_named(database: Database, reader: str) -> None:
    database.create()
    user = urlsplit(reader).username
    database.execute(
        f"create schema hidden; alter table orders set schema hidden;"
        f"grant select on all tables in schema public, hidden to {user}"
    )
    options: dict[str, Any] = {"tables": {"orders": "hidden.orders"}}
    error = fails(Database(reader), **options)
    assert "of the table hidden.orders" in error.message
    assert f'GRANT USAGE ON SCHEMA "hidden" TO "{user}"' in error.hint
    assert Database(reader).read("customers", DAY, **options) == []
    database.execute(error.hint.split(": ")[1])
    assert Database(reader).read("orders", DAY, **options) == []


def test_an_error_inside_a_view_is_told_without_addresses_of_people(database: Database) -> None:
    database.create()
    database.insert("customers", (1, "ada@example.invalid", None, DAY))
    database.execute(
        "create view broken as select id, email, region, (email::date) as signup_date "
        "from customers"
    )
    error = fails(database, "customers", tables={"customers": "broken"})
    assert 'invalid input syntax for type date: "[e-mail]" (22007)' in error.message


def test_a_role_with_too_few_connections_is_told_which_setting_helps(
    database: Database, reader: str
) -> None:
    database.create()
    user = urlsplit(reader).username
    database.execute(
        f"grant select on orders, customers to {user}; alter role {user} connection limit 2;"
        "insert into orders select n, null, 1, '2024-01-01+00'::timestamptz + n * interval '1 "
        "minute' from generate_series(1, 60000) n; analyze"
    )
    with pytest.raises(SourceUnavailableError, match="too many connections") as caught:
        Database(reader).read("orders", "2024-01-01", "2024-12-31")
    assert "ECOM_SOURCE_CONNECTIONS" in caught.value.hint
    deadline = time.monotonic() + 10
    while database.execute("select pid from pg_stat_activity where usename = %s", user):
        assert time.monotonic() < deadline
        time.sleep(0.02)  # the server lets go of a connection a little later
    one = Database(reader).read("orders", "2024-01-01", "2024-12-31", source_connections=1)
    assert len(one) == 60_000


@pytest.mark.parametrize("locked", ["orders", "payments"])
def test_a_lock_that_lasts_too_long_is_told_as_what_it_is(database: Database, locked: str) -> None:
    database.create()
    with psycopg.connect(database.url) as other:
        other.execute(f"lock table {locked} in access exclusive mode".encode())
        with pytest.raises(SourceUnavailableError, match=r"statement timeout \(57014\)") as caught:
            database.read("payments", DAY, source_statement_timeout=1)
    assert "another session locks the table" in caught.value.hint


def test_a_broken_view_does_not_keep_other_tables_from_being_read(database: Database) -> None:
    database.create()
    database.execute(
        "alter table payments rename to old; create function stop() returns int language plpgsql "
        "immutable as $$ begin raise 'this view is closed'; end $$;"
        "create view payments as select * from old where 1 = stop()"
    )
    assert database.read("orders", DAY) == []
    assert "this view is closed (P0001)" in fails(database, "payments").message


def test_a_password_is_in_no_cause_of_an_error(reader: str) -> None:
    with pytest.raises(SourceError) as caught:
        source_at(reader).check()
    error: BaseException | None = caught.value
    while error is not None:
        assert "s3cr3t" not in repr(error)
        error = error.__cause__ or error.__context__
