"""What Dagster is told of days: published ones with their facts, restated values, failed days."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.events import (
    DagsterEvent,
    DagsterEventBatchMetadata,
    generate_event_batch_id,
)

from ecom_platform.lake.fingerprints import SOURCE_FINGERPRINT
from ecom_platform.lake.ledger import FOLDER
from ecom_platform.privacy import redact

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ecom_platform.datasets import Dataset
    from ecom_platform.lake.tables import Published, Report
    from ecom_platform.settings import Settings

#: Bad days that an error message spells out, and restated values that an event shows.
SHOWN_DAYS, SHOWN_VALUES = 30, 200

#: The asset of the ledger.
LEDGER = dg.AssetKey(FOLDER.split("/"))
#: In its events: how many of the values are of days that were settled.
SETTLED_VALUES = "settled_values"


def as_events(
    context: dg.OutputContext, materializations: Sequence[dg.AssetMaterialization]
) -> Iterator[DagsterEvent]:
    """Yield materializations as events of one batch: with `log_event` each costs a write."""
    batch = generate_event_batch_id()
    last = len(materializations) - 1
    for index, materialization in enumerate(materializations):
        yield DagsterEvent.asset_materialization(
            context.step_context, materialization, DagsterEventBatchMetadata(batch, index == last)
        )


def partition_metadata(
    published: Published, facts: Mapping[str, int | float | str]
) -> dict[str, int | float | str]:
    """Return the facts of a published day."""
    restated = {"restated_values": len(published.restated)} if published.restated else {}
    return {
        "dagster/partition_row_count": published.audit.rows,
        "dagster/uri": published.uri,
        "bytes": published.size,
        "content": published.audit.content,
        "changed": "yes" if published.changed else "no, the lake already held these rows",
        **restated,
        # Of customers it is made of addresses too, which a guess could confirm.
        **{name: fact for name, fact in facts.items() if name != SOURCE_FINGERPRINT},
    }


def restatements(
    dataset: Dataset, report: Report, settings: Settings
) -> list[dg.AssetMaterialization]:
    """Return the event of the ledger's asset, where published values have changed."""
    now = datetime.now(UTC)
    found = [
        (settings.is_settled(day, now), change)
        for day, published in report.published.items()
        for change in published[dataset].restated
    ]
    if not found:
        return []
    records = [
        dg.TableRecord(
            {
                "date": change.day,
                "key": ", ".join(str(value) for value in change.key.values()),
                "value": change.column,
                "old": change.old or "",
                "new": change.new or "",
                "day": "settled" if settled else "provisional",
            }
        )
        for settled, change in found[:SHOWN_VALUES]
    ]
    metadata = {
        "metric": dataset.name,
        "values": len(found),
        SETTLED_VALUES: sum(settled for settled, _ in found),
        "restatements": dg.MetadataValue.table(records),
    }
    return [dg.AssetMaterialization(LEDGER, metadata=metadata)]


def failure(dataset: Dataset, report: Report) -> dg.Failure:
    """Return how the step ends that could not publish every day."""
    total = len(report.published) + len(report.bad_days)
    reasons = [f"{day}: {redact(reason)}" for day, reason in report.bad_days.items()]
    more = len(reasons) - SHOWN_DAYS
    listed = [*reasons[:SHOWN_DAYS], *([f"… and {more} more days"] if more > 0 else [])]
    summary = (
        f"{len(reasons)} of {total} days of {dataset.path} were not published; "
        "their last good versions stay."
    )
    return dg.Failure(
        "\n".join([summary, *listed]),
        metadata={
            "what to do": "Mend what the reasons name, then materialize these days again.",
            "bad_days": dg.MetadataValue.json(sorted(report.bad_days)),
        },
        allow_retries=False,
    )
