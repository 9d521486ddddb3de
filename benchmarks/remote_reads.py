"""How DuckDB gets at the objects of an S3 lake: three ways side by side, in turns.

fetch    what the lake does: whole objects, downloaded at once by obstore into scratch
ranges   by obstore too, but footers first and then only the columns that are needed
pyarrow  a pyarrow dataset over pyarrow's own S3 filesystem, streamed into DuckDB; sizes known,
         as many files ahead as the others. Only `fetch` lists the objects, once a reading.

The server is in this file: a folder over HTTP, 20 ms a request as with S3, 1 Gbit/s in all.

Run: python benchmarks/remote_reads.py [ROUNDS [MEGABITS]]   (default: 3 1000; some 5 minutes)
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date, timedelta
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import duckdb
import obstore
import pyarrow as pa
from pyarrow import dataset, fs, parquet

from ecom_platform.datasets import CLEANED_ORDERS
from ecom_platform.engines.duckdb import Engine, Partitions, add_view
from ecom_platform.lake.publish import Lake
from ecom_platform.lake.s3 import CONCURRENCY, S3Storage
from ecom_platform.object_store import open_s3
from ecom_platform.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from obstore.store import S3Store

    from ecom_platform.engines.duckdb import Connection

    #: Makes columns of days queryable, by way of scratch or not; returns what to query.
    Read = Callable[[Connection, list[str], list[str], Path], str]

LATENCY, FOOTER = 0.020, 8 << 10  # seconds; bytes at an object's end, enough for its footer
DAYS = [(date(2023, 1, 1) + timedelta(days=number)).isoformat() for number in range(1096)]
OBJECTS, ORDERS_A_DAY = (90, 365, 1096), (2_500, 15_000)
#: What `total_orders` reads, and all there are.
COLUMNS = (["region", "id", "is_void"], [column.name for column in CLEANED_ORDERS.columns])
PATHS = {day: CLEANED_ORDERS.object_path(day) for day in DAYS}


def serve(root: Path, megabits: int, ready: Any, counters: Any) -> None:
    """Answer GET of files, or parts of them; count requests and bytes."""
    free_at = 0.0

    async def answer(head: str) -> bytes:
        nonlocal free_at
        path, _, headers = head.removeprefix("GET /").partition(" HTTP/1.1")
        path, _, query = path.replace("%3D", "=").partition("?")
        body = (root / path / ("listing" if "list-type=2" in query else "")).read_bytes()
        part = headers.lower().partition("\r\nrange: bytes=")[2].partition("\r\n")[0]
        first, _, last = part.partition("-")
        start = int(first) if first else max(0, len(body) - int(last or len(body)))
        sent = body[start : int(last) + 1 if first and last else None]
        counters[0] += 1
        counters[1] += len(sent)
        now = time.monotonic()
        free_at = max(free_at, now + LATENCY) + len(sent) * 8 / megabits / 1e6
        await asyncio.sleep(free_at - now)
        facts = f'ETag: "{len(body)}"\r\nLast-Modified: Sun, 01 Jan 2023 00:00:00 GMT\r\n'
        facts += f"Content-Range: bytes {start}-{start + len(sent) - 1}/{len(body)}\r\n"
        facts += f"Content-Length: {len(sent)}\r\n\r\n"
        return f"HTTP/1.1 {206 if part else 200} OK\r\n{facts}".encode() + sent

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                writer.write(await answer(head.decode("latin-1")))
        writer.close()

    async def run() -> None:
        async with await asyncio.start_server(connected, "127.0.0.1", 0, backlog=512) as server:
            ready.put(server.sockets[0].getsockname()[1])
            await server.serve_forever()

    asyncio.run(run())


def start_server(root: Path, megabits: int) -> Any:
    """Start the server in a process of its own; return its counters of requests and bytes."""
    spawn = multiprocessing.get_context("spawn")
    ready, counters = spawn.Queue(), spawn.Array("q", 2)
    spawn.Process(target=serve, args=(root, megabits, ready, counters), daemon=True).start()
    os.environ |= {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}
    os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{ready.get(timeout=60)}"
    return counters


def make_objects(bucket: Path, orders: int) -> dict[str, int]:
    """Write days of cleaned orders as the lake does, and S3's listing; return their sizes."""

    def write(number: int) -> None:
        path = bucket / PATHS[DAYS[number]]
        path.parent.mkdir(parents=True)
        connection.cursor().execute(f"""
            COPY (
                SELECT {number * orders} + i AS id, (random() * 1e7)::INT8 AS customer_id,
                'Region ' || (random() * 7)::INT AS region, exp(5 * random())::DECIMAL(18, 2)
                AS total_amount, TIMESTAMPTZ '{DAYS[number]} 00:00:00+00'
                + to_microseconds(((i + random()) * 864e8 / {orders})::INT8) AS created_at,
                'is ' || (random() * 4)::INT AS status, i % 50 = 0 AS is_void, false AS is_orphan
                FROM range({orders}) AS orders(i)
            ) TO '{path}'
            (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, PARQUET_VERSION v2)
        """)

    with duckdb.connect() as connection, ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(max(OBJECTS))))
    sizes = {day: (bucket / path).stat().st_size for day, path in PATHS.items()}
    listed = (
        f"<Contents><Key>{PATHS[day]}</Key><LastModified>2023-01-01T00:00:00Z</LastModified>"
        f'<ETag>"{size}"</ETag><Size>{size}</Size></Contents>'
        for day, size in sizes.items()
    )
    (bucket / "listing").write_text(f"<ListBucketResult>{''.join(listed)}</ListBucketResult>")
    return sizes


def fetch(
    storage: S3Storage, connection: Connection, days: list[str], _: list[str], scratch: Path
) -> str:
    """Do as an asset does: list the dataset, download what is not in scratch."""
    lake = Lake(storage, Settings().calendar, scratch, "")
    add_view(connection, lake.table(CLEANED_ORDERS, days).partitions())
    return "cleaned.orders"


def ranges(
    store: S3Store, connection: Connection, days: list[str], columns: list[str], scratch: Path
) -> str:
    """Download footers and columns to their places in files that have holes elsewhere."""

    def download(day: str) -> Path:
        tail = obstore.get(store, PATHS[day], options={"range": {"suffix": FOOTER}})
        (start, size), end = tail.range, bytes(tail.bytes())
        group = parquet.read_metadata(pa.BufferReader(end)).row_group(0)
        chunks = map(group.column, range(group.num_columns))
        chunks = [chunk for chunk in chunks if chunk.path_in_schema in columns]
        begins = [chunk.dictionary_page_offset or chunk.data_page_offset for chunk in chunks]
        ends = [b + c.total_compressed_size for b, c in zip(begins, chunks, strict=True)]
        found = obstore.get_ranges(store, PATHS[day], starts=begins, ends=ends, coalesce=FOOTER)
        file = scratch / PATHS[day]
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as out:
            out.truncate(size)
            for place, piece in [(start, end), *zip(begins, found, strict=True)]:
                os.pwrite(out.fileno(), piece, place)
        return file

    with ThreadPoolExecutor(CONCURRENCY) as pool:
        files = pool.map(download, days)
        add_view(connection, Partitions(CLEANED_ORDERS, dict(zip(days, files, strict=True))))
    return "cleaned.orders"


def stream(
    filesystem: fs.S3FileSystem, bucket: str, sizes: dict[str, int], connection: Connection,
    days: list[str], columns: list[str], _: Path,
) -> str:  # fmt: skip
    """Hand DuckDB a stream of record batches, as wide as the columns."""
    form = dataset.ParquetFileFormat()
    fragments = [
        form.make_fragment(
            f"{bucket}/{PATHS[day]}",
            filesystem,
            partition_expression=dataset.field("date") == pa.scalar(date.fromisoformat(day)),
            file_size=sizes[day],
        )
        for day in days
    ]
    schema = fragments[0].physical_schema.append(pa.field("date", pa.date32()))
    found = dataset.FileSystemDataset(fragments, schema, form, filesystem)
    scanner = found.scanner(columns=[*columns, "date"], fragment_readahead=CONCURRENCY)
    connection.register("streamed", scanner.to_reader())
    return "streamed"


def measure(read: Read, days: list[str], columns: list[str], counters: Any) -> tuple[str, Any]:
    """Read twice, as two assets of a run do; return rows, seconds, requests, MB, seconds again."""
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(Settings(), Path(folder), [])

        def query() -> tuple[str, float]:
            started = time.perf_counter()
            with engine.connect() as connection:
                table = read(connection, days, columns, Path(folder))
                rows = f"SELECT date, count(*), sum(hash({', '.join(columns)})) FROM {table}"
                found = connection.execute(f"{rows} GROUP BY date ORDER BY date").fetchall()
            return str(found), time.perf_counter() - started

        requests, sent = counters
        found, seconds = query()
        return found, [seconds, counters[0] - requests, (counters[1] - sent) / 1e6, query()[1]]


def main() -> None:
    """Measure all sizes in turns; print medians, and seconds as a ratio to `fetch`."""
    rounds, megabits = (*map(int, sys.argv[1:]), *(3, 1000)[len(sys.argv) - 1 :])
    pa.set_io_thread_count(CONCURRENCY)
    print("orders/day objects columns way      seconds  ratio requests      MB   again")
    with tempfile.TemporaryDirectory() as folder:
        counters = start_server(Path(folder), megabits)
        arrow = fs.S3FileSystem(endpoint_override=os.environ["AWS_ENDPOINT_URL"], region="us")
        for orders in ORDERS_A_DAY:
            bucket = f"shop-{orders}"
            sizes = make_objects(Path(folder) / bucket, orders)
            ways: dict[str, Read] = {
                "fetch": partial(fetch, S3Storage(f"s3://{bucket}")),
                "ranges": partial(ranges, open_s3(f"s3://{bucket}")),
                "pyarrow": partial(stream, arrow, bucket, sizes),
            }
            for objects, columns in product(OBJECTS, COLUMNS):
                costs: dict[str, list[list[float]]] = defaultdict(list)
                seen: set[str] = set()
                for _, (name, read) in product(range(rounds), ways.items()):
                    found, cost = measure(read, DAYS[:objects], columns, counters)
                    costs[name].append(cost)
                    seen.add(found)
                if len(seen) > 1:
                    sys.exit("The ways did not read the same rows.")
                for name, measured in costs.items():
                    s, requests, sent, again = map(median, zip(*measured, strict=True))
                    ratio = s / median(cost[0] for cost in costs["fetch"])
                    print(f"{orders:10,} {objects:7,} {len(columns):7} {name:8} {s:7.2f} "
                          f"{ratio:6.2f} {requests:8,.0f} {sent:7.1f} {again:7.2f}",
                          flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
