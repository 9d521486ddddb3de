"""How one day of one dataset takes the place of the version that the run knows, beside other runs.

Which runs win is in `claims.py`; that a day is good is decided before, in `publish.py`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecom_platform.engines.duckdb import text, write_parquet
from ecom_platform.errors import PublishConflictError
from ecom_platform.lake.breaker import measure_facts
from ecom_platform.lake.fingerprints import SOURCE_FACT
from ecom_platform.lake.ledger import ACCEPTED_LOSS, CODE_CHANGE, has_version, version_facts
from ecom_platform.lake.tables import Published

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ecom_platform.datasets import Dataset
    from ecom_platform.engines.duckdb import Connection
    from ecom_platform.lake.accepted_losses import AcceptedLosses
    from ecom_platform.lake.base import Storage, StoredObject
    from ecom_platform.lake.claims import Hold
    from ecom_platform.lake.ledger import Ledger, Restatement
    from ecom_platform.lake.versions import Versions
    from ecom_platform.quality.audits import DayAudit

#: How often a run tries to replace what older ones publish meanwhile, each once or twice.
TRIES = 5


@dataclass(frozen=True)
class Day:
    """One audited day of one dataset, and what is recorded with it.

    Args:
        dataset: Which.
        table: Where its rows are, among those of other days.
        day: ISO.
        audit: What was found in its rows.
        origin: Where they come from, as facts of the object.
    """

    dataset: Dataset
    table: str
    day: str
    audit: DayAudit
    origin: Mapping[str, str]

    @property
    def path(self) -> str:
        """Where it is published."""
        return self.dataset.object_path(self.day)

    def is_right(self, stored: StoredObject) -> bool:
        """Say whether an object holds the same rows of the same source."""
        # Of the same rows, a source may say something else than before; were that not kept,
        # the day would seem to have changed ever after.
        return _content(stored) == self.audit.content and (
            stored.metadata.get(SOURCE_FACT) == self.origin.get(SOURCE_FACT)
        )


@dataclass(frozen=True)
class Replacer:
    """What a run publishes with.

    Args:
        storage: The lake.
        scratch: A folder of the run's own.
        run_id: Of the run.
        cause: Why the run replaces numbers that were published.
        versions: Those that it goes by.
        ledger: Where it is written what numbers were before.
        accepted_losses: What days have lost on purpose.
        hold: On the run's days.
    """

    storage: Storage
    scratch: Path
    run_id: str
    cause: str
    versions: Versions
    ledger: Ledger
    accepted_losses: AcceptedLosses
    hold: Hold | None

    def publish(
        self, cursor: Connection, new: Day, current: StoredObject | None, overtaken: str
    ) -> Published:
        """Publish a day, unless the lake holds it already.

        Args:
            cursor: Has the rows.
            new: The day.
            current: What the lake has in its place.
            overtaken: Why this run must not write the day (any more); else nothing.

        Raises:
            PublishConflictError: The day is another run's.
            LakeError: The lake cannot be written.
        """
        older = self.hold.superseded if self.hold else frozenset[str]()
        # What is right is written again while an older run may still replace it: that it was not
        # written since that run looked must not be so.
        contested = self.hold is not None and self.hold.is_contested(new.day) and not overtaken
        for attempt in range(1, TRIES + 1):
            if current and new.is_right(current) and not contested:
                return self._confirm(new, current)
            if overtaken:
                raise PublishConflictError(overtaken)
            try:
                return self._replace(cursor, new, current)
            except PublishConflictError:
                current = self.storage.stat(new.path)
                if current and current.metadata.get("ecom-run") in older and attempt < TRIES:
                    self.versions.note(new.path, current.etag, _content(current))
                # Another run may have made the same of the day, and have been faster.
                elif current and _content(current) == new.audit.content:
                    return self._confirm(new, current)
                else:
                    raise
        raise AssertionError

    def _confirm(self, new: Day, current: StoredObject) -> Published:
        self.versions.note(new.path, current.etag, new.audit.content)
        return Published(new.audit, current.size, self.storage.uri(new.path), changed=False)

    def _replace(self, cursor: Connection, new: Day, current: StoredObject | None) -> Published:
        replaces = self.versions.of(new.path)
        facts = {
            **version_facts(new.audit.content, self.run_id),
            "ecom-rows": str(new.audit.rows),
            **({"ecom-nulls": json.dumps(new.audit.nulls)} if new.dataset.counts_nulls else {}),
            **measure_facts(new.audit),
            **new.origin,
        }
        # A version that is not the one to replace makes the put fail; a damaged one has no facts.
        restated: list[Restatement] = []
        known = current and current.etag == replaces and has_version(current.metadata)
        if current and known and new.dataset.is_restated:
            same_code = current.metadata["ecom-code"] == new.origin["ecom-code"]
            cause = self.cause if same_code else CODE_CHANGE
            if self.accepted_losses.explain(new.day, current.metadata["ecom-published"]):
                cause = ACCEPTED_LOSS
            restated = self.ledger.write(
                cursor, new.dataset, new.table, new.day, current, facts, cause
            )
        file = self.scratch / "outgoing" / new.path
        rows = f"{new.table} WHERE date = {text(new.day)}"
        write_parquet(cursor, new.dataset, rows, file, facts)
        size = file.stat().st_size
        try:
            version = self.storage.put(new.path, file, replaces=replaces, facts=facts)
        finally:
            file.unlink()
        self.versions.note(new.path, version, new.audit.content)
        changed = current is None or _content(current) != new.audit.content
        uri = self.storage.uri(new.path)
        return Published(new.audit, size, uri, changed=changed, restated=tuple(restated))


def _content(stored: StoredObject) -> str:
    return stored.metadata.get("ecom-content", "")
