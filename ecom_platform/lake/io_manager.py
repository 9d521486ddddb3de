"""The IO manager: assets read lazy tables from the lake, and their days are published.

Days that fail do not sink the range: the good ones are published and logged, then the
step fails naming the others. See the decision record on ranges.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg
import pandas as pd
from dagster._core.events import (
    DagsterEvent,
    DagsterEventBatchMetadata,
    generate_event_batch_id,
)

from ecom_platform.engines.duckdb import Engine, add_view, create_result
from ecom_platform.lake.failures import explain_errors
from ecom_platform.lake.publish import Lake, LakeTable, Report, Rows
from ecom_platform.privacy import redact

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ecom_platform.datasets import Dataset
    from ecom_platform.lake.publish import Published

#: Bad days that an error message spells out.
SHOWN_DAYS = 30


class LakeIOManager(dg.IOManager):
    """Loads and stores the partitioned datasets of the lake.

    Args:
        lake: The lake as this run sees it.
        engine: For assets that take or return pandas data frames.
        datasets: Asset path (`layer/name`) -> its declaration.
    """

    def __init__(self, lake: Lake, engine: Engine, datasets: Mapping[str, Dataset]) -> None:
        self.lake = lake
        self._engine = engine
        self._datasets = datasets

    def load_input(self, context: dg.InputContext) -> LakeTable | pd.DataFrame:
        """Return the input's partitions: lazily, or as a frame if the signature asks for one.

        A frame has the declared columns and `date`; money is `decimal.Decimal`.
        """
        dataset = self._datasets["/".join(context.asset_key.path)]
        table = self.lake.table(dataset, list(context.asset_partition_keys))
        if context.dagster_type.typing_type is not pd.DataFrame:
            return table
        with self._engine.connect() as connection:
            add_view(connection, self.lake.fetch(dataset, [*table.days, *table.missing]))
            rows = connection.execute(f"SELECT * FROM {dataset.layer}.{dataset.name}")
            return rows.to_arrow_table().to_pandas(date_as_object=True)

    def handle_output(self, context: dg.OutputContext, obj: Rows | pd.DataFrame) -> Iterator[Any]:
        """Publish the rows of the run's days.

        Raises:
            Failure: Some days were not published. It names them and is not retried.
        """
        dataset = self._datasets["/".join(context.asset_key.path)]
        rows = self._from_pandas(dataset, obj) if isinstance(obj, pd.DataFrame) else obj
        code = context.asset_spec.code_version or ""
        with explain_errors(self._engine.settings.retry_seconds), rows.connection:
            report = self.lake.publish(dataset, rows, context.asset_partition_keys, code)
        metadata = {
            day: _metadata(published[dataset], rows.facts.get(day, {}))
            for day, published in report.published.items()
        }
        # Tables beside the main one are never outputs of the step: they have a day exactly
        # when the main one has it.
        beside = [
            dg.AssetMaterialization(
                other.path.split("/"), partition=day, metadata=_metadata(published[other], {})
            )
            for other in rows.beside
            for day, published in report.published.items()
        ]
        if not report.bad_days:
            for day, facts in metadata.items():
                context.step_context.add_asset_metadata(facts, context.asset_key, day)
            yield from _events(context, beside)
            return
        good = [
            dg.AssetMaterialization(context.asset_key, partition=day, metadata=facts)
            for day, facts in metadata.items()
        ]
        yield from _events(context, good + beside)
        raise _failure(dataset, report)

    def _from_pandas(self, dataset: Dataset, frame: pd.DataFrame) -> Rows:
        connection = self._engine.connect()
        connection.register("frame", frame)
        create_result(connection, dataset, "SELECT * FROM frame", table="result")
        return Rows(connection, "result")


def _events(
    context: dg.OutputContext, materializations: Sequence[dg.AssetMaterialization]
) -> Iterator[DagsterEvent]:
    """Yield materializations as events of one batch: with `log_event` each costs a write."""
    batch = generate_event_batch_id()
    last = len(materializations) - 1
    for index, materialization in enumerate(materializations):
        yield DagsterEvent.asset_materialization(
            context.step_context, materialization, DagsterEventBatchMetadata(batch, index == last)
        )


def _metadata(
    published: Published, facts: Mapping[str, int | float | str]
) -> dict[str, int | float | str]:
    return {
        "dagster/partition_row_count": published.rows,
        "dagster/uri": published.uri,
        "bytes": published.size,
        "changed": "yes" if published.changed else "no, the lake already held these rows",
        **facts,
    }


def _failure(dataset: Dataset, report: Report) -> dg.Failure:
    total = len(report.published) + len(report.bad_days)
    reasons = [f"{day}: {redact(reason)}" for day, reason in report.bad_days.items()]
    more = len(reasons) - SHOWN_DAYS
    listed = [*reasons[:SHOWN_DAYS], *([f"… and {more} more days"] if more > 0 else [])]
    return dg.Failure(
        "\n".join([
            f"{len(reasons)} of {total} days of {dataset.path} were not published; "
            "their last good versions stay.",
            *listed,
        ]),
        metadata={"bad_days": dg.MetadataValue.json(sorted(report.bad_days))},
        allow_retries=False,
    )
