"""How DuckDB gets at the objects of an S3 lake: two ways side by side, in turns.

download  what the lake does: whole objects, many at once, by obstore into scratch
stream    a pyarrow dataset over pyarrow's own S3 client, only the columns that are needed,
          handed to DuckDB batch by batch; told all sizes, and as many files ahead

Both answer the same query twice, as two assets of a run do. Only `download` lists the objects,
once for each reading. The server is in this file: a folder over HTTP, 20 ms a request as S3
takes, 1 Gbit/s in all. moto's own would be slower than the clients.

Run: python benchmarks/remote_reads.py [ROUNDS]   (default: 5)
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
from pyarrow import dataset as arrow
from pyarrow import fs

from ecom_platform.assets.metrics import METRICS
from ecom_platform.datasets import CLEANED_ORDERS, Dataset
from ecom_platform.engines.duckdb import Engine, add_view
from ecom_platform.lake.publish import Lake
from ecom_platform.lake.s3 import CONCURRENCY, S3Storage
from ecom_platform.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from ecom_platform.engines.duckdb import Connection

    #: Makes the columns of a case queryable, by way of scratch or not; returns what to query.
    Read = Callable[["Case", Connection, Path], str]

LATENCY, BYTES_A_SECOND = 0.020, 125e6
REVENUE = METRICS[0].dataset


@dataclass(frozen=True)
class Case:
    """So many daily objects of a dataset, of so many rows each, and the columns to read."""

    name: str
    dataset: Dataset
    objects: int
    rows: int
    columns: tuple[str, ...]

    @property
    def bucket(self) -> str:
        """Objects of one size share a bucket."""
        return f"{self.dataset.name.replace('_', '-')}-{self.objects}-{self.rows}"

    @property
    def paths(self) -> dict[str, str]:
        """Return day -> path."""
        days = [(date(2024, 1, 1) + timedelta(n)).isoformat() for n in range(self.objects)]
        return {day: self.dataset.object_path(day) for day in days}


RETENTION = ("id", "customer_id", "region", "created_at", "is_void")
CASES = (
    Case("a metric, 1 day", REVENUE, 1, 8, ("region", "total_revenue")),
    Case("a metric, 30 days", REVENUE, 30, 8, ("region", "total_revenue")),
    Case("a metric, 365 days", REVENUE, 365, 8, ("region", "total_revenue")),
    Case("2,500 orders, 120 days, 5 of 8 columns", CLEANED_ORDERS, 120, 2_500, RETENTION),
    Case(
        "1 M orders, 4 days, 2 of 8 columns", CLEANED_ORDERS, 4, 10**6, ("region", "total_amount")
    ),
    Case("1 M orders, 4 days, 5 of 8 columns", CLEANED_ORDERS, 4, 10**6, RETENTION),
)


def serve(root: Path, ready: Any, counters: Any) -> None:
    """Answer GET of files, or parts of them; count requests and bytes."""
    free_at = 0.0

    async def answer(head: str) -> bytes:
        nonlocal free_at
        path, _, headers = head.removeprefix("GET /").partition(" HTTP/1.1")
        path, _, query = path.replace("%3D", "=").partition("?")
        file = root / path
        if "list-type=2" in query:
            folder = query.partition("prefix=")[2].partition("&")[0].replace("%2F", "/")
            file = file / folder / "listing"
        part = headers.lower().partition("\r\nrange: bytes=")[2].partition("\r\n")[0]
        first, _, last = part.partition("-")
        size = file.stat().st_size
        start = int(first) if first else max(0, size - int(last or size))
        with file.open("rb") as opened:
            opened.seek(start)
            sent = opened.read(int(last) + 1 - start if first and last else -1)
        counters[0] += 1
        counters[1] += len(sent)
        now = time.monotonic()
        free_at = max(free_at, now + LATENCY) + len(sent) / BYTES_A_SECOND
        await asyncio.sleep(free_at - now)
        facts = f'ETag: "{size}"\r\nLast-Modified: Sun, 01 Jan 2023 00:00:00 GMT\r\n'
        facts += f"Content-Range: bytes {start}-{start + len(sent) - 1}/{size}\r\n"
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


def start_server(root: Path) -> Any:
    """Start the server in a process of its own; return its counters of requests and bytes."""
    spawn = multiprocessing.get_context("spawn")
    ready, counters = spawn.Queue(), spawn.Array("q", 2)
    spawn.Process(target=serve, args=(root, ready, counters), daemon=True).start()
    os.environ |= {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}
    os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{ready.get(timeout=60)}"
    return counters


def make_objects(case: Case, bucket: Path) -> None:
    """Write a case's objects as the lake does, and what S3 would list."""
    columns = ", ".join(column.name for column in case.dataset.columns)
    with duckdb.connect() as connection:
        for number, (day, path) in enumerate(case.paths.items()):
            (bucket / path).parent.mkdir(parents=True)
            connection.execute(f"""
                COPY (SELECT {columns} FROM (
                    SELECT {number * case.rows} + i AS id, 'Region ' || i % 8 AS region,
                    (random() * 1e7)::INT8 AS customer_id, exp(5 * random())::DECIMAL(18, 2)
                    AS total_amount, TIMESTAMPTZ '{day} 00:00:00+00'
                    + to_microseconds(((i + random()) * 864e8 / {case.rows})::INT8) AS created_at,
                    'is ' || (random() * 4)::INT AS status, i % 50 = 0 AS is_void,
                    false AS is_orphan, i::DECIMAL(18, 2) AS total_revenue
                    FROM range({case.rows}) AS orders(i)
                )) TO '{bucket / path}'
                (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, PARQUET_VERSION v2)
            """)
    write_listing(bucket, case.dataset.path)


def write_listing(bucket: Path, folder: str) -> None:
    """Write what S3 would list under a folder of a bucket."""
    listed = (
        f"<Contents><Key>{file.relative_to(bucket)}</Key>"
        f"<LastModified>2023-01-01T00:00:00Z</LastModified>"
        f'<ETag>"{size}"</ETag><Size>{size}</Size></Contents>'
        for file in sorted((bucket / folder).rglob("*.parquet"))
        for size in [file.stat().st_size]
    )
    text = f"<ListBucketResult>{''.join(listed)}</ListBucketResult>"
    (bucket / folder / "listing").write_text(text)


def download(storage: S3Storage, case: Case, connection: Connection, scratch: Path) -> str:
    """Do as an asset does: list the dataset, download what is not in scratch."""
    lake = Lake(storage, Settings().calendar, scratch, "")
    add_view(connection, lake.table(case.dataset, list(case.paths)).partitions())
    return case.dataset.path.replace("/", ".")


def stream(
    filesystem: fs.S3FileSystem, root: Path, case: Case, connection: Connection, _: Path
) -> str:
    """Hand DuckDB a stream of record batches, as wide as the columns."""
    form = arrow.ParquetFileFormat()
    fragments = [
        form.make_fragment(
            f"{case.bucket}/{path}",
            filesystem,
            partition_expression=arrow.field("date") == pa.scalar(date.fromisoformat(day)),
            file_size=(root / case.bucket / path).stat().st_size,
        )
        for day, path in case.paths.items()
    ]
    schema = fragments[0].physical_schema.append(pa.field("date", pa.date32()))
    found = arrow.FileSystemDataset(fragments, schema, form, filesystem)
    scanner = found.scanner(columns=[*case.columns, "date"], fragment_readahead=CONCURRENCY)
    connection.register("streamed", scanner.to_reader())
    return "streamed"


def measure(read: Read, case: Case, counters: Any) -> tuple[str, list[float]]:
    """Read twice; return the rows found, and seconds, requests, MB, seconds of the second time."""
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(Settings(), Path(folder), [])

        def query() -> tuple[str, float]:
            started = time.perf_counter()
            with engine.connect() as connection:
                table = read(case, connection, Path(folder))
                rows = f"SELECT date, count(*), sum(hash({', '.join(case.columns)})) FROM {table}"
                found = connection.execute(f"{rows} GROUP BY date ORDER BY date").fetchall()
            return str(found), time.perf_counter() - started

        requests, sent = counters
        found, seconds = query()
        return found, [seconds, counters[0] - requests, (counters[1] - sent) / 1e6, query()[1]]


def main() -> None:
    """Measure all cases; print medians, and ratios to `download` of one reading and of both."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    pa.set_io_thread_count(CONCURRENCY)
    print(f"{'':49} seconds  ratio  again   both requests     MB")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        counters = start_server(root)
        filesystem = fs.S3FileSystem(
            endpoint_override=os.environ["AWS_ENDPOINT_URL"], region="us-east-1"
        )
        for case in CASES:
            if not (root / case.bucket).exists():
                make_objects(case, root / case.bucket)
            ways: dict[str, Read] = {
                "download": partial(download, S3Storage(f"s3://{case.bucket}")),
                "stream": partial(stream, filesystem, root),
            }
            measured = [[measure(read, case, counters) for read in ways.values()]
                        for _ in range(rounds)]  # fmt: skip
            if len({found for turn in measured for found, _ in turn}) > 1:
                sys.exit("The ways did not read the same rows.")
            for place, way in enumerate(ways):
                costs = [turn[place][1] for turn in measured]
                seconds, requests, sent, again = map(median, zip(*costs, strict=True))
                # Each turn's ratio by itself: what else the machine did then slowed both.
                pairs = [(turn[place][1], turn[0][1]) for turn in measured]
                once = median(mine[0] / theirs[0] for mine, theirs in pairs)
                twice = median(
                    (mine[0] + mine[3]) / (theirs[0] + theirs[3]) for mine, theirs in pairs
                )
                print(f"{case.name if place == 0 else '':40}{way:9}{seconds:8.2f}", end="")
                print(f"{once:7.2f}{again:7.2f}{twice:7.2f}{requests:9,.0f}{sent:7.1f}")


if __name__ == "__main__":
    main()
