"""One environment to be tortured: its folder, its lake, and how to tell whether the lake is right.

Nothing of the platform's reads the lake here: files are listed as they lie, read by pyarrow, and
once more by DuckDB as people do.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
from pyarrow import ArrowException, parquet

from ecom_platform_tests.torture.processes import Ended, Running
from ecom_platform_tests.torture.shop import FIRST

if TYPE_CHECKING:
    from datetime import date
    from typing import Any

    from ecom_platform_tests.torture.buckets import Buckets

LAYERS = ("raw", "cleaned", "quarantine", "metrics")
#: Path of an object of a day -> hash of its rows.
Days = dict[str, str]


class DamagedLakeError(AssertionError):
    """The lake holds what no run may leave."""


@dataclass
class World:
    """One environment.

    Args:
        folder: All that is its own: `home`, `tmp` and, of a lake in a folder, `lake`.
        source: `ECOM_SOURCE`.
        buckets: The S3 server with its lake; None for a lake in a folder.
        options: More of its environment.
    """

    folder: Path
    source: str
    buckets: Buckets | None = None
    options: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def prefix(self) -> str:
        """Its own in the bucket."""
        return f"{self.folder.parent.name}/{self.folder.name}"

    @property
    def lake(self) -> str:
        """`ECOM_LAKE`."""
        if self.buckets:
            return f"s3://{self.buckets.bucket}/{self.prefix}"
        return str(self.folder / "lake")

    def environment(self) -> dict[str, str]:
        """Return all that a command of this world finds in its environment."""
        return {
            "DAGSTER_HOME": str(self.folder / "home"),
            "DAGSTER_DISABLE_TELEMETRY": "yes",
            "TMPDIR": str(self.folder / "tmp"),
            "ECOM_SOURCE": self.source,
            "ECOM_LAKE": self.lake,
            "ECOM_START_DATE": str(FIRST),
            "ECOM_EMAIL_HMAC_KEY": "k" * 32,
            "ECOM_ENGINE_THREADS": "1",
            "ECOM_RETRY_SECONDS": "3",
            **(self.buckets.environment() if self.buckets else {}),
            **self.options,
        }

    def start(self, *arguments: str, **how: Any) -> Running:
        """Start `ecom …`; see `Running`. `environment` is on top of the world's own."""
        for name in ("home", "tmp"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        environment = self.environment() | how.pop("environment", {})
        return Running(self.folder, *arguments, environment=environment, **how)

    def run(self, first: date, last: date, *flags: str, **how: Any) -> Ended:
        """Run `ecom run` over days, to its end."""
        return self.start("run", "--from", str(first), "--to", str(last), *flags, **how).wait()

    def copy(self, name: str) -> World:
        """Copy all of it, as it is, to another folder beside it."""
        made = replace(self, folder=self.folder.with_name(name))
        shutil.copytree(self.folder, made.folder)
        if self.buckets:
            self.buckets.copy(self.prefix, made.prefix)
        return made

    def remove(self) -> None:
        """Delete all of it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.buckets:
            self.buckets.clear(self.prefix)

    def leftovers(self) -> list[str]:
        """Return what is in the temporary folder, where a run that ended leaves nothing."""
        return sorted(path.name for path in (self.folder / "tmp").iterdir())

    def local_lake(self) -> Path:
        """Return the lake as a folder; one in S3 is copied there."""
        if not self.buckets:
            return self.folder / "lake"
        mirror = self.folder / "mirror"
        shutil.rmtree(mirror, ignore_errors=True)
        self.buckets.download(self.prefix, mirror)
        return mirror

    def days(self) -> Days:
        """Read every row of every day, as pyarrow and as DuckDB do.

        Raises:
            DamagedLakeError: Something is not whole, or is no part of a lake.
        """
        lake = self.local_lake()
        found: Days = {}
        for file in sorted(lake.rglob("*")) if lake.exists() else ():
            if file.is_dir():
                continue
            path = file.relative_to(lake)
            if file.suffix == ".parquet" and not file.name.startswith("."):
                rows = _rows_of(file)
                if path.parts[0] in LAYERS:
                    found[path.as_posix()] = rows
        for folder in sorted({lake / Path(path).parents[1] for path in found}):
            _read_as_people_do(folder)
        return found


def assert_old_or_new(found: Days, old: Days, new: Days) -> None:
    """Compare a lake with what it was and what it was to become: each day is one or the other.

    Raises:
        DamagedLakeError: A day is neither, or is gone.
    """
    for path in sorted(old.keys() | new.keys() | found.keys()):
        if found.get(path) not in {old.get(path), new.get(path)}:
            raise DamagedLakeError(f"{path} is neither what it was nor what it was to become")


def assert_same(found: Days, expected: Days) -> None:
    """Compare two lakes.

    Raises:
        DamagedLakeError: They differ; it names where.
    """
    paths = sorted(found.keys() | expected.keys())
    if other := [path for path in paths if found.get(path) != expected.get(path)]:
        raise DamagedLakeError(f"{len(other)} objects are not as expected, {other[0]} for one")


def _rows_of(file: Path) -> str:
    try:
        table = parquet.ParquetFile(file).read()
    except (ArrowException, OSError) as error:
        raise DamagedLakeError(f"{file} is not whole: {error}") from None
    lines = sorted(map(repr, table.to_pylist()))
    return hashlib.sha256("\n".join([*table.column_names, *lines]).encode()).hexdigest()


def _read_as_people_do(dataset: Path) -> None:
    query = f"SELECT count(*) FROM read_parquet('{dataset}/date=*/*', hive_partitioning = true)"
    try:
        with duckdb.connect() as connection:  # of its own: several parts run at once
            connection.execute(query).fetchall()
    except duckdb.Error as error:
        raise DamagedLakeError(f"DuckDB cannot read {dataset}/date=*/*: {error}") from None
