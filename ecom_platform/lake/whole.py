"""Publishing of datasets that are one object, such as marts; days are published in `publish.py`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ecom_platform.engines.duckdb import write_parquet
from ecom_platform.errors import PublishConflictError
from ecom_platform.lake.ledger import version_facts
from ecom_platform.lake.tables import Published
from ecom_platform.quality.audits import audit_whole

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ecom_platform.datasets import Dataset
    from ecom_platform.engines.duckdb import Connection
    from ecom_platform.lake.base import Storage

#: Objects looked up at once.
READERS = 32


class WholeDatasets:
    """Some datasets of one object each, as one run found them: those versions it may replace.

    Args:
        storage: The lake.
        datasets: The datasets.
        scratch: A folder of the run's own.
        run_id: Recorded with what is published.
    """

    def __init__(
        self, storage: Storage, datasets: Iterable[Dataset], scratch: Path, run_id: str
    ) -> None:
        self._storage = storage
        self._scratch = scratch
        self._run_id = run_id
        paths = [dataset.object_path() for dataset in datasets]
        with ThreadPoolExecutor(READERS) as pool:
            self._found = dict(zip(paths, pool.map(storage.stat, paths), strict=True))

    def publish(self, connection: Connection, dataset: Dataset, table: str, code: str) -> Published:
        """Put the rows of a table in the place of a dataset's object, in one atomic step.

        What holds the same rows already is left alone.

        Args:
            connection: Where the table is.
            dataset: The dataset.
            table: Name of the table, in its declared columns.
            code: Version of the code that computed it.

        Raises:
            LakeError: The columns are not the declared ones, or the lake cannot be written.
            PublishConflictError: Another run has published something else meanwhile.
        """
        path = dataset.object_path()
        found, current = audit_whole(connection, table, dataset), self._found[path]
        uri = self._storage.uri(path)
        if current and current.metadata.get("ecom-content") == found.content:
            return Published(found, current.size, uri, changed=False)
        facts = {
            **version_facts(found.content, self._run_id),
            "ecom-rows": str(found.rows),
            "ecom-code": code,
        }
        file = self._scratch / "outgoing" / path
        write_parquet(connection, dataset, table, file, facts)
        size = file.stat().st_size
        try:
            self._storage.put(path, file, replaces=current.etag if current else None, facts=facts)
        except PublishConflictError:
            # Another run may have made the same of it, and have been faster.
            current = self._storage.stat(path)
            if current is None or current.metadata.get("ecom-content") != found.content:
                raise
            return Published(found, current.size, uri, changed=False)
        finally:
            file.unlink()
        return Published(found, size, uri, changed=True)
