"""What it costs to follow files: ticks of `landing_files` on years of day folders.

A made-up shop lies in day folders, of a folder and of a bucket in moto's S3 server. Its raw
days are extracted into a lake in a folder. Then the sensor ticks as the daemon would have it:
until it knows all files, when nothing has changed, and when a day has. Each place has a process
of its own.

Run: python benchmarks/landing_files.py [DAYS] [ORDERS A DAY]   (default: 1096 200)
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    #: Puts a file.
    Put = Callable[[str, bytes], object]

BUCKET = "landing"
START = date(2022, 1, 1)


def day_files(day: date, orders: int) -> dict[str, bytes]:
    """Return the files of a day: orders, as many payments, a tenth as many customers."""
    tables = {
        "orders": ["id,customer_id,total_amount,created_at,status"]
        + [f"{day}-{n},{day}-{n // 10},{n}.50,{day} 10:00:00,done" for n in range(orders)],
        "payments": ["id,order_id,amount,status,paid_at"]
        + [f"{day}-{n},{day}-{n},{n}.50,paid,{day} 11:00:00" for n in range(orders)],
        "customers": ["id,email,region,signup_date"]
        + [f"{day}-{n},{n}@example.invalid,north,{day}" for n in range(orders // 10 + 1)],
    }
    return {
        f"{table}/date={day}/part.csv": ("\n".join(rows) + "\n").encode()
        for table, rows in tables.items()
    }


def into_folder(root: Path) -> Put:
    """Return what puts files into a folder."""

    def put(name: str, data: bytes) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)

    return put


def into_bucket() -> Put:
    """Return what puts files into a new bucket."""
    import boto3
    import obstore
    from obstore.store import S3Store

    boto3.client("s3").create_bucket(Bucket=BUCKET)
    store = S3Store(
        BUCKET,
        config={"endpoint": os.environ["AWS_ENDPOINT_URL"], "region": "us-east-1"},
        client_options={"allow_http": True},
    )
    return lambda name, data: obstore.put(store, name, data)


def extract(instance: Any, first: date, last: date) -> None:
    """Make the raw days, as the run that the sensor asks for begins."""
    import dagster as dg

    from ecom_platform.datasets import RAW

    dg.execute_job(
        dg.build_reconstructable_job("ecom_platform.commands.run", "daily_refresh_job"),
        instance,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        tags={
            "dagster/asset_partition_range_start": str(first),
            "dagster/asset_partition_range_end": str(last),
        },
        asset_selection=[dg.AssetKey(dataset.path.split("/")) for dataset in RAW],
    )


def measure(place: str, days: int, orders: int) -> dict[str, float]:
    """Deliver a shop and follow it; return seconds by what took them."""
    import dagster as dg

    shop = Path.cwd() / "shop"
    put = into_folder(shop) if place == "folder" else into_bucket()
    os.environ |= {
        "ECOM_SOURCE": shop.as_uri() if place == "folder" else f"s3://{BUCKET}",
        "ECOM_LAKE": str(Path.cwd() / f"lake of {place}"),
        "ECOM_START_DATE": str(START),
        "ECOM_SOURCE_STILL_MINUTES": "0",
    }
    last = START + timedelta(days=days - 1)
    for number in range(days):
        for name, data in day_files(START + timedelta(days=number), orders).items():
            put(name, data)

    from ecom_platform.automation.landing_files import LandingFiles
    from ecom_platform.datasets import RAW
    from ecom_platform.settings import load_settings

    settings = load_settings()
    sensor = LandingFiles(settings, RAW, [])
    now = datetime.combine(last + timedelta(days=1), datetime.min.time(), UTC)
    cursor: str | None = None
    costs: dict[str, float] = {}
    with dg.DagsterInstance.ephemeral() as instance:

        def tick(what: str, runs: int) -> str:
            nonlocal cursor, now
            now += timedelta(minutes=5)
            begun = time.perf_counter()
            result = sensor.tick(instance, cursor, now, logging.getLogger("tick"))
            costs[what] = costs.get(what, 0) + time.perf_counter() - begun
            cursor = result.cursor
            if len(result.run_requests or ()) != runs:
                sys.exit(f"{what}: not {runs} runs were asked for, {result.skip_reason}")
            return str(result.skip_reason)

        tick("first tick, asks for all days", 1)
        extract(instance, START, last)
        costs["number of ticks that compare all"] = 1
        while "yet to be compared" in tick("the ticks that compare all days", 0):
            costs["number of ticks that compare all"] += 1
        tick("idle tick", 0)
        middle = START + timedelta(days=days // 2)
        name, data = next(iter(day_files(middle, orders).items()))
        put(name, data.replace(b"done", b"void"))
        tick("tick that finds a changed day", 1)
        extract(instance, middle, middle)
        tick("tick after it was made", 0)
        costs["kilobytes of cursor"] = len(cursor or "") / 1000
    return costs


def main(days: int = 1096, orders: int = 200) -> None:
    """Measure, and print a table."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").disabled = True
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }
    found: dict[str, dict[str, float]] = {}
    for place in ("folder", "S3 (moto)"):
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=spawn) as process:
            found[place] = process.submit(measure, place, days, orders).result()
    server.stop()
    print(f"{'seconds':<34}" + "".join(f"{place:>12}" for place in found))
    for what in dict.fromkeys(what for costs in found.values() for what in costs):
        print(f"{what:<34}" + "".join(f"{costs.get(what, 0):12.2f}" for costs in found.values()))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        os.chdir(home)
        os.environ["DAGSTER_HOME"] = home
        main(*(int(argument.replace(",", "")) for argument in sys.argv[1:]))
