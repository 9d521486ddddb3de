"""How fast the demo shop is filled, and in how much memory: rows a second, peak RSS.

Usage: python benchmarks/demo_shop.py [ORDERS …]   (default: 10,000 100,000 1,000,000)
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from ecom_platform.sources.demo_shop import DemoShop, load_demo_shop
from ecom_platform.sources.embedded_postgres import embedded_postgres

KILOBYTES = 1 if sys.platform == "linux" else 1024


def measure(dsn: str, orders: int) -> None:
    """Fill the shop once and print what it took."""
    started = time.perf_counter()
    rows = load_demo_shop(dsn, DemoShop(date(2025, 1, 1), date(2025, 6, 30), orders))
    seconds = time.perf_counter() - started
    total = sum(rows.values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // KILOBYTES // 1024
    print(f"{orders:>12,} {total:>12,} {seconds:>9.2f} {total / seconds:>12,.0f} {peak:>9,}")


def main() -> None:
    """Measure each size in a process of its own, so that one peak does not hide another."""
    sizes = [int(size) for size in sys.argv[1:]] or [10_000, 100_000, 1_000_000]
    print(f"{'orders':>12} {'rows':>12} {'seconds':>9} {'rows/s':>12} {'peak MB':>9}")
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder, embedded_postgres(Path(folder)) as dsn:
        for size in sizes:
            process = spawn.Process(target=measure, args=(dsn, size))
            process.start()
            process.join()
            if process.exitcode:
                sys.exit(process.exitcode)


if __name__ == "__main__":
    main()
