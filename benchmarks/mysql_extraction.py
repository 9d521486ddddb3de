"""How fast a shop is read from MariaDB, side by side with the usual ways: ratios, peak RSS.

Every way reads all orders and payments, in a process of its own. Ours does more: parents looked
up, days assigned, totals and fingerprints computed by the database. Needs Debian's
`mariadb-server`, and starts one of its own.

Usage: python benchmarks/mysql_extraction.py [ORDERS] [ROUNDS]   (default: 1,000,000 3)
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pymysql

from ecom_platform.settings import Settings
from ecom_platform.sources.database import DatabaseSource
from ecom_platform.sources.mysql.rows import stream_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

KILOBYTES = 1 if sys.platform == "linux" else 1024
FIRST, DAY, LAST = date(2024, 1, 1), date(2024, 7, 1), date(2024, 12, 31)
TABLES = ("orders", "payments")
ONE_DAY = "ours, one day"
OPTIONS = ("--skip-log-bin", "--innodb-buffer-pool-size=1G", "--skip-networking")

SHOP = """
create database shop character set utf8mb4;
use shop;
create table customers (
    id bigint primary key, email varchar(255), region varchar(50), signup_date date
);
create table orders (
    id bigint primary key, customer_id bigint, total_amount decimal(12,2),
    created_at timestamp(6) null, status varchar(30)
);
create table payments (
    id bigint primary key, order_id bigint, amount decimal(12,2), status varchar(30),
    paid_at timestamp(6) null
);
set time_zone = '+00:00';
insert into customers
select seq, concat('c', seq, '@example.invalid'), elt(1 + seq % 3, 'north', 'south', 'east'),
    date'2023-01-01' + interval (seq * 5 % 730) day
from seq_1_to_{customers};
insert into orders
select seq, if(seq % 20 > 0, 1 + seq * 7919 % {customers}, null), (seq * 31 % 50000) / 100,
    '2024-01-01' + interval (seq - 1) * (31622400000000 div {orders}) microsecond,
    elt(1 + seq % 3, 'completed', 'shipped', 'cancelled')
from seq_1_to_{orders};
insert into payments
select id, id, total_amount, elt(1 + id % 3, 'paid', 'failed', 'refunded'),
    if(id % 10 > 0, created_at + interval 1 hour, null)
from orders;
create index orders_by_day on orders (created_at);
create index payments_by_day on payments (paid_at);
create index payments_by_order on payments (order_id);
create index customers_by_day on customers (signup_date);
analyze table orders, payments, customers;
"""


def client(socket: str, scratch: Path) -> None:
    """Let the server's own client write tab-separated text."""
    for table in TABLES:
        with (scratch / f"{table}.tsv").open("wb") as file:
            command = ["mariadb", "--no-defaults", f"--socket={socket}", "--quick", "shop"]
            query = ["--execute", f"select * from {table}"]
            subprocess.run([*command, *query], stdout=file, check=True)  # noqa: S603


def pymysql_cursor(socket: str, scratch: Path) -> None:
    """Fetch rows as Python objects, unbuffered, and drop them."""
    del scratch
    connection = pymysql.connect(unix_socket=socket, user="root", database="shop")
    with connection, connection.cursor(pymysql.cursors.SSCursor) as cursor:
        for table in TABLES:
            cursor.execute(f"select * from {table}")
            while cursor.fetchmany(10_000):
                pass


def arrow(socket: str, scratch: Path) -> None:
    """Decode the same packets into Arrow, and write Parquet; all columns stay text."""
    from pyarrow import parquet

    with pymysql.connect(unix_socket=socket, user="root", database="shop") as connection:
        for table in TABLES:
            writer = None
            for batch in stream_rows(connection, f"select * from {table}"):
                path = scratch / f"{table}.parquet"
                writer = writer or parquet.ParquetWriter(path, batch.schema)
                writer.write_batch(batch)
            if writer:
                writer.close()


def ours(first: date, last: date) -> Callable[[str, Path], None]:
    """Read some days as a run does."""

    def read(socket: str, scratch: Path) -> None:
        source = f"mysql://root@localhost/shop?socket={socket}"
        settings = Settings.model_validate({"source": source, "start_date": FIRST})
        with DatabaseSource(settings).snapshot() as snapshot:
            for table in TABLES:
                snapshot.extract(table, first, last, scratch)

    return read


WAYS: dict[str, Callable[[str, Path], None]] = {
    "mariadb client to TSV": client,
    "PyMySQL, rows dropped": pymysql_cursor,
    "our reading, bare copy": arrow,
    "ours": ours(FIRST, LAST),
    ONE_DAY: ours(DAY, DAY),
}


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Run a server; yields the path of its socket."""
    path = f"{os.environ['PATH']}:/usr/sbin"
    # A server that starts removes what others have in its folder of temporary tables.
    (folder / "temporary").mkdir()
    common = ["--no-defaults", f"--datadir={folder}/data", f"--tmpdir={folder}/temporary"]
    common += ["--user=root"] if os.geteuid() == 0 else []
    install = shutil.which("mariadb-install-db", path=path) or "mariadb-install-db"
    program = shutil.which("mariadbd", path=path) or "mariadbd"
    quietly = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    normal = "--auth-root-authentication-method=normal"
    subprocess.run([install, *common, normal], check=True, **quietly)  # noqa: S603
    socket = f"{folder}/socket"
    command = [program, *common, *OPTIONS, f"--socket={socket}"]
    process = subprocess.Popen(command, **quietly)  # noqa: S603
    try:
        while not Path(socket).exists():
            time.sleep(0.1)
        yield socket
    finally:
        process.terminate()
        process.wait()


def measure(way: str, socket: str, result: Connection) -> None:
    """Send seconds and peak megabytes of one way."""
    with tempfile.TemporaryDirectory() as scratch:
        started = time.perf_counter()
        WAYS[way](socket, Path(scratch))
        seconds = time.perf_counter() - started
    who = resource.RUSAGE_CHILDREN if way.startswith("mariadb") else resource.RUSAGE_SELF
    result.send((seconds, resource.getrusage(who).ru_maxrss // KILOBYTES // 1024))


def main() -> None:
    """Measure all ways in turn, round by round, so that a busy moment meets all alike."""
    numbers = [int(text) for text in sys.argv[1:]]
    orders, rounds, *_ = [*numbers, *(1_000_000, 3)[len(numbers) :]]
    spawn = multiprocessing.get_context("spawn")
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    peaks = dict.fromkeys(WAYS, 0)
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as socket:
        with pymysql.connect(unix_socket=socket, user="root", autocommit=True) as connection:
            for statement in SHOP.format(orders=orders, customers=orders // 5).split(";")[:-1]:
                connection.query(statement)
        for _ in range(rounds):
            for way in WAYS:
                receiver, sender = spawn.Pipe(duplex=False)
                process = spawn.Process(target=measure, args=(way, socket, sender))
                process.start()
                process.join()
                if process.exitcode:
                    sys.exit(process.exitcode)
                taken, peak = receiver.recv()
                seconds[way].append(taken)
                peaks[way] = max(peaks[way], peak)
    least = statistics.median(seconds["mariadb client to TSV"])
    print(f"{orders:,} orders and as many payments, median of {rounds} rounds")
    print(f"{'':<24}{'seconds':>9}{'rows/s':>11}{'to client':>10}{'peak MB':>9}")
    for way, taken in seconds.items():
        median = statistics.median(taken)
        pace = "-" if way == ONE_DAY else f"{2 * orders / median:,.0f}"
        print(f"{way:<24}{median:>9.2f}{pace:>11}{median / least:>10.2f}{peaks[way]:>9,}")


if __name__ == "__main__":
    main()
