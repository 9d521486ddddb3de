"""What Dagster is told of days: published ones with their facts, restated values, failed days."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.events import (
    DagsterEvent,
    DagsterEventBatchMetadata,
    generate_event_batch_id,
)

from ecom_platform.calendar import ranges
from ecom_platform.datasets import Type
from ecom_platform.lake.fingerprints import SOURCE_FINGERPRINT
from ecom_platform.lake.ledger import FOLDER
from ecom_platform.privacy import redact

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ecom_platform.datasets import Dataset
    from ecom_platform.lake.ledger import Restatement
    from ecom_platform.lake.tables import Published, Report
    from ecom_platform.settings import Settings

Fact = int | float | str | dg.TableMetadataValue
#: Reasons that an error message spells out, and restated values that an event shows.
SHOWN_REASONS, SHOWN_VALUES = 30, 200
#: In the metadata of the failure: ISO day -> why it was not published, of all of them.
BAD_DAYS = "bad_days"

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
    dataset: Dataset, published: Published, facts: Mapping[str, int | float | str]
) -> dict[str, Fact]:
    """Return the facts of a published day, or of a dataset that is one object."""
    restated: dict[str, Fact] = {}
    if published.restated:
        restated["restated_values"] = len(published.restated)
        restated["restated"] = _table(dataset, published.restated)
    return {
        f"dagster/{'partition_' if dataset.daily else ''}row_count": published.audit.rows,
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
        change for published in report.published.values() for change in published[dataset].restated
    ]
    if not found:
        return []
    metadata = {
        "metric": dataset.name,
        "values": len(found),
        SETTLED_VALUES: dict(Counter(c.day for c in found if settings.is_settled(c.day, now))),
        "restatements": _table(dataset, found),
    }
    return [dg.AssetMaterialization(LEDGER, metadata=metadata)]


def _table(dataset: Dataset, found: Sequence[Restatement]) -> dg.TableMetadataValue:
    """Return restated values for people, in so few columns that the page shows them side by side.

    Those of all regions come first, as what is beyond SHOWN_VALUES is left to the ledger.
    """
    types = {column.name: column.type for column in dataset.columns}
    records: list[dg.TableRecord] = []
    for change in sorted(found, key=lambda change: change.key.get("region") != "all")[
        :SHOWN_VALUES
    ]:
        old, new = (_short(value, types[change.column]) for value in (change.old, change.new))
        row = ", ".join(str(value) for value in change.key.values())
        records.append(
            dg.TableRecord(
                {
                    "date": change.day,
                    "of": row,
                    "value": change.column,
                    "was → is": f"{old} → {new}",
                }
            )
        )
    return dg.MetadataValue.table(records)


def _short(value: str | None, type_: Type) -> str:
    if value is None:
        return "none"
    return f"{float(value):.4f}" if type_ is Type.RATIO else value


def failure(dataset: Dataset, report: Report) -> dg.Failure:
    """Return how the step ends that could not publish every day."""
    total = len(report.published) + len(report.bad_days)
    bad_days = {day: redact(reason) for day, reason in report.bad_days.items()}
    listed = by_reason(bad_days)
    more = len(listed) - SHOWN_REASONS
    if more > 0:
        listed[SHOWN_REASONS:] = [f"… and {more} more: all of them are in the metadata, {BAD_DAYS}"]
    summary = (
        f"{len(bad_days)} of {total} days of {dataset.path} were not published; "
        "their last good versions stay."
    )
    return dg.Failure(
        "\n".join([summary, *listed]),
        metadata={
            "what to do": "Mend what the reasons name, then materialize these days again.",
            BAD_DAYS: dg.MetadataValue.json(bad_days),
        },
        allow_retries=False,
    )


def bad_days_of(failure: dg.DagsterEvent) -> dict[str, str]:
    """Return ISO day -> why a step did not publish it; nothing where it failed as a whole."""
    user = failure.step_failure_data.user_failure_data
    found = user.metadata.get(BAD_DAYS) if user else None
    days = found.value if isinstance(found, dg.JsonMetadataValue) else None
    return {str(day): str(why) for day, why in days.items()} if isinstance(days, dict) else {}


def by_reason(bad_days: Mapping[str, str]) -> list[str]:
    """Return a line for each reason, with the days that it is of: `A to B, C: why`."""
    days: dict[str, list[date]] = {}
    for day, reason in sorted(bad_days.items()):
        days.setdefault(reason, []).append(date.fromisoformat(day))
    return [f"{', '.join(ranges(of))}: {reason}" for reason, of in days.items()]
