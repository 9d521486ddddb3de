"""How DuckDB gets at the objects of an S3 lake: three ways side by side, in turns.

fetch    what the lake does: whole objects, downloaded at once by obstore into scratch
ranges   by obstore too, but footers first and then only the columns that are needed
pyarrow  a pyarrow dataset over pyarrow's own S3 filesystem, streamed into DuckDB; spared
         all that can be: no listing, sizes and schema known, as many files ahead as `fetch`

The server is in this file: it serves a folder, answers every request after 20 ms as S3 does,
and sends at most 1 Gbit/s over all connections together. It does not look at signatures.

Run: python benchmarks/remote_reads.py [--rounds 3] [--megabits 1000]
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, timedelta
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb
import obstore
import pyarrow as pa
from pyarrow import dataset, fs, parquet

from ecom_platform.datasets import CLEANED_ORDERS
from ecom_platform.engines.duckdb import Engine, Partitions, add_view
from ecom_platform.lake.storage import CONCURRENCY, S3Storage
from ecom_platform.object_store import open_s3
from ecom_platform.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from obstore.store import S3Store

    from ecom_platform.engines.duckdb import Connection

    #: Makes columns of days queryable, by way of scratch or not; returns what to query.
    Read = Callable[[Connection, list[str], list[str], Path], str]

LATENCY = 0.020
DAYS = [(date(2023, 1, 1) + timedelta(days=number)).isoformat() for number in range(1096)]
OBJECTS = (90, 365, 1096)
ORDERS_A_DAY = (2_500, 15_000)
#: What `total_orders` reads, and all there are.
COLUMNS = (["region", "id", "is_void"], [column.name for column in CLEANED_ORDERS.columns])
#: As much of an object's end as holds its footer.
FOOTER = 8 << 10
PATHS = {day: CLEANED_ORDERS.object_path(day) for day in DAYS}


class Cost(NamedTuple):
    """What one reading took."""

    seconds: float
    requests: float
    megabytes: float


def serve(root: Path, megabits: float, ready: Any, counters: Any) -> None:
    """Serve GET and HEAD of files, or parts of them; count requests and bytes."""
    free_at = 0.0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal free_at
        while head := (await reader.readuntil(b"\r\n\r\n")).decode("latin-1"):
            method, target, _ = head.split(" ", 2)
            body = (root / target.partition("?")[0].replace("%3D", "=").lstrip("/")).read_bytes()
            start, end, status = 0, len(body), "200 OK"
            if part := head.lower().partition("\r\nrange: bytes=")[2].partition("\r\n")[0]:
                first, _, last = part.partition("-")
                start = int(first) if first else max(0, len(body) - int(last))
                end = min(len(body), int(last) + 1) if first and last else len(body)
                status = f"206 Partial Content\r\nContent-Range: bytes {start}-{end - 1}/{len(body)}"
            sent = body[start:end] if method == "GET" else b""
            counters[0] += 1
            counters[1] += len(sent)
            now = time.monotonic()
            free_at = max(free_at, now + LATENCY) + len(sent) * 8 / megabits / 1e6
            await asyncio.sleep(free_at - now if sent else LATENCY)
            facts = f'ETag: "{len(body)}"\r\nLast-Modified: Sun, 01 Jan 2023 00:00:00 GMT'
            length = f"Accept-Ranges: bytes\r\nContent-Length: {end - start}"
            writer.write(f"HTTP/1.1 {status}\r\n{facts}\r\n{length}\r\n\r\n".encode() + sent)
            await writer.drain()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def run() -> None:
        server = await asyncio.start_server(connected, "127.0.0.1", 0, backlog=512)
        ready.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


@contextmanager
def server(root: Path, megabits: float) -> Iterator[Any]:
    """Run the server in a process of its own; yield its counters of requests and bytes."""
    spawn = multiprocessing.get_context("spawn")
    ready, counters = spawn.Queue(), spawn.Array("q", 2)
    process = spawn.Process(target=serve, args=(root, megabits, ready, counters), daemon=True)
    process.start()
    os.environ |= {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}
    os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{ready.get(timeout=60)}"
    try:
        yield counters
    finally:
        process.terminate()
        process.join()


def make_objects(bucket: Path, orders: int) -> None:
    """Write days of cleaned orders in the format in which the lake publishes them."""

    def write(number: int) -> None:
        path = bucket / PATHS[DAYS[number]]
        path.parent.mkdir(parents=True)
        with connection.cursor() as cursor:
            cursor.execute(f"""
                COPY (
                    SELECT
                        {number * orders} + i AS id,
                        if(random() < 0.04, NULL, (random() ^ 2 * {orders * 300})::BIGINT)
                            AS customer_id,
                        ['DACH', 'Nordics', 'North America', 'unknown'][1 + (random() ^ 2 * 3)::INT]
                            AS region,
                        exp(3 + 2 * random())::DECIMAL(18, 2) AS total_amount,
                        TIMESTAMPTZ '{DAYS[number]} 00:00:00+00'
                            + to_microseconds(((i + random()) * 864e8 / {orders})::BIGINT)
                            AS created_at,
                        status, status = 'cancelled' AS is_void, false AS is_orphan
                    FROM (
                        SELECT *, ['delivered', 'paid', 'cancelled'][1 + (random() * 2)::INT] AS status
                        FROM range({orders}) AS orders(i)
                    )
                ) TO '{path}'
                (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, PARQUET_VERSION v2)
            """)

    with duckdb.connect() as connection, ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(max(OBJECTS))))


def fetch(
    storage: S3Storage, connection: Connection, days: list[str], _: list[str], scratch: Path
) -> str:
    """Download whole objects, as the lake does."""
    files = storage.fetch([PATHS[day] for day in days], scratch)
    add_view(connection, Partitions(CLEANED_ORDERS, {day: files[PATHS[day]] for day in days}))
    return "cleaned.orders"


def ranges(
    store: S3Store, connection: Connection, days: list[str], columns: list[str], scratch: Path
) -> str:
    """Download footers and columns to their places in files that have holes elsewhere."""

    def download(day: str) -> Path:
        tail = obstore.get(store, PATHS[day], options={"range": {"suffix": FOOTER}})
        (start, size), end = tail.range, bytes(tail.bytes())
        group = parquet.read_metadata(pa.BufferReader(end)).row_group(0)
        chunks = [c for c in map(group.column, range(len(COLUMNS[1]))) if c.path_in_schema in columns]
        begins = [chunk.dictionary_page_offset or chunk.data_page_offset for chunk in chunks]
        ends = [b + c.total_compressed_size for b, c in zip(begins, chunks, strict=True)]
        found = obstore.get_ranges(store, PATHS[day], starts=begins, ends=ends, coalesce=FOOTER)
        file = scratch / PATHS[day]
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as out:
            out.truncate(size)
            for place, piece in [(start, end), *zip(begins, found, strict=True)]:
                out.seek(place)
                out.write(piece)
        return file

    with ThreadPoolExecutor(CONCURRENCY) as pool:
        files = dict(zip(days, pool.map(download, days), strict=True))
    add_view(connection, Partitions(CLEANED_ORDERS, files))
    return "cleaned.orders"


def stream(
    filesystem: fs.S3FileSystem, bucket: Path, connection: Connection, days: list[str],
    columns: list[str], _: Path,
) -> str:  # fmt: skip
    """Hand DuckDB a stream of record batches, as wide as the columns."""
    form = dataset.ParquetFileFormat()
    fragments = [
        form.make_fragment(
            f"{bucket.name}/{PATHS[day]}",
            filesystem,
            partition_expression=dataset.field("date") == pa.scalar(date.fromisoformat(day)),
            file_size=(bucket / PATHS[day]).stat().st_size,  # known from a listing
        )
        for day in days
    ]
    schema = fragments[0].physical_schema.append(pa.field("date", pa.date32()))
    found = dataset.FileSystemDataset(fragments, schema, form, filesystem)
    scanner = found.scanner(columns=[*columns, "date"], fragment_readahead=CONCURRENCY)
    connection.register("streamed", scanner.to_reader())
    return "streamed"


def measure(read: Read, days: list[str], columns: list[str], counters: Any) -> tuple[Any, list[Cost]]:
    """Read twice, as two metrics of a run do; return what was read, and both costs."""
    found, costs = None, list[Cost]()
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(Settings(), Path(folder), [])
        for _ in range(2):
            requests, sent = counters
            started = time.perf_counter()
            with engine.connect() as connection:
                table = read(connection, days, columns, Path(folder))
                found = connection.execute(
                    f"SELECT date, count(*), sum(hash({', '.join(columns)})) FROM {table} "
                    "GROUP BY date ORDER BY date"
                ).fetchall()
            seconds = time.perf_counter() - started
            costs.append(Cost(seconds, counters[0] - requests, (counters[1] - sent) / 1e6))
    return found, costs


def main() -> None:
    """Measure all sizes in turns; print medians, and seconds as a ratio to `fetch`."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--megabits", type=float, default=1000)
    given = arguments.parse_args()
    pa.set_io_thread_count(CONCURRENCY)
    print("orders/day objects columns way      seconds  ratio requests      MB | again: s requests")
    with tempfile.TemporaryDirectory() as folder, server(Path(folder), given.megabits) as counters:
        host = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://")
        arrow = fs.S3FileSystem(endpoint_override=host, scheme="http", region="us-east-1")
        for orders in ORDERS_A_DAY:
            bucket = Path(folder) / f"shop-{orders}"
            make_objects(bucket, orders)
            ways: dict[str, Read] = {
                "fetch": partial(fetch, S3Storage(f"s3://{bucket.name}")),
                "ranges": partial(ranges, open_s3(f"s3://{bucket.name}")),
                "pyarrow": partial(stream, arrow, bucket),
            }
            for objects, columns in product(OBJECTS, COLUMNS):
                costs: dict[str, list[list[Cost]]] = defaultdict(list)
                seen: list[Any] = []
                for _, (name, read) in product(range(given.rounds), ways.items()):
                    found, both = measure(read, DAYS[:objects], columns, counters)
                    costs[name].append(both)
                    seen.append(found)
                if any(found != seen[0] for found in seen):
                    sys.exit("The ways did not read the same rows.")
                base = median(first.seconds for first, _ in costs["fetch"])
                for name, rounds in costs.items():
                    once, again = (
                        Cost(*(median(values) for values in zip(*found, strict=True)))
                        for found in zip(*rounds, strict=True)
                    )
                    print(
                        f"{orders:10,} {objects:7,} {len(columns):7} {name:8} {once.seconds:7.2f} "
                        f"{once.seconds / base:6.2f} {once.requests:8,.0f} {once.megabytes:7.1f} | "
                        f"{again.seconds:8.2f} {again.requests:8,.0f}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
