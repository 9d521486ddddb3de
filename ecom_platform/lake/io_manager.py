"""The IO manager: assets read lazy tables from the lake, and their days are published.

Days that fail do not sink the range: the good ones are published and logged, then the
step fails naming the others. See the decision record on ranges.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import dagster as dg
import pandas as pd
import pyarrow as pa

from ecom_platform.engines.duckdb import Engine, add_view, create_result
from ecom_platform.engines.explain import explain_sql_errors
from ecom_platform.errors import EngineError
from ecom_platform.lake.events import as_events, failure, partition_metadata, restatements
from ecom_platform.lake.failures import explain_errors
from ecom_platform.lake.inputs import INPUTS, Window, hash_of_inputs, window_of
from ecom_platform.lake.tables import LakeTable, Rows, overtaken

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dagster._core.events import DagsterEvent

    from ecom_platform.datasets import Dataset
    from ecom_platform.lake.publish import Lake

#: What becomes of columns in a frame that pandas itself would make floats or objects at a NULL.
_EXACT: dict[pa.DataType, pd.Int64Dtype | pd.BooleanDtype] = {
    pa.int64(): pd.Int64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
}


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
        self._unready: dict[str, dict[str, str]] = {}
        self._inputs: dict[str, dict[str, tuple[Window, dict[str, str]]]] = {}

    def load_input(self, context: dg.InputContext) -> LakeTable | pd.DataFrame:
        """Return the input's partitions: lazily, or as a frame if the signature asks for one.

        A frame has the declared columns and `date`, which holds `datetime.date`; money is
        `decimal.Decimal`, whole numbers are `Int64` and flags `boolean`, so that they stay
        exact beside NULL. Days that were never computed are not in it, nor are those that another
        run has published meanwhile; the days of the step that need them are not published, nor
        are days that the input failed at in this run.
        """
        dataset = self._datasets["/".join(context.asset_key.path)]
        with explain_errors(self._engine.settings.retry_seconds):
            table = self.lake.table(dataset, list(context.asset_partition_keys))
            # Before it is read: what changes meanwhile is then taken for not read yet.
            contents = self.lake.contents(dataset, [*table.days, *table.changed])
            inputs = self._inputs.setdefault(context.step_context.step.key, {})
            inputs[dataset.path] = window_of(_mapping(context)), contents
            if context.dagster_type.typing_type is not pd.DataFrame:
                return table
            unready = self._unready.setdefault(context.step_context.step.key, {})
            window = window_of(_mapping(context))
            unready |= _days_that_need(
                window,
                {
                    day: f"{dataset.path} was never computed for {day}; materialize it first"
                    for day in table.missing
                },
            )
            failed = f"{dataset.path} of this day failed in this run"
            unready |= dict.fromkeys(table.failed, failed)
            with self._engine.connect() as connection, explain_sql_errors(connection, dataset):
                add_view(connection, table.partitions(), "frame")
                rows = connection.sql("SELECT * FROM frame").to_arrow_table()
            return rows.to_pandas(date_as_object=True, types_mapper=_EXACT.get)

    # Dagster stores what this yields; its annotation does not say so.
    def handle_output(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, context: dg.OutputContext, obj: Rows | pd.DataFrame
    ) -> Iterator[DagsterEvent]:
        """Publish the rows of the run's days.

        Raises:
            Failure: Some days were not published. It names them and is not retried: steps
                below go on with the good days, and must not do so before a retry.
        """
        dataset = self._datasets["/".join(context.asset_key.path)]
        days = context.asset_partition_keys
        code = context.asset_spec.code_version or ""
        self.lake.note_bad_days(dataset, dict.fromkeys(days, "its step failed"))
        inputs = self._inputs.pop(context.step_context.step.key, {})
        with explain_errors(retry_seconds=None):
            rows = self._as_rows(context, dataset, obj)
            with rows.connection:
                rows = replace(rows, bad_days=self._overtaken(inputs) | dict(rows.bad_days))
                report = self.lake.publish(dataset, rows, days, code)
        start = self._engine.settings.start_date
        metadata = {
            day: partition_metadata(dataset, published[dataset], rows.facts.get(day, {}))
            | ({INPUTS: hash_of_inputs(day, inputs, start)} if inputs else {})
            | ({"accepted_loss": lost} if (lost := report.accepted_losses.get(day)) else {})
            for day, published in report.published.items()
        }
        # Tables beside the main one are never outputs of the step: they have a day exactly
        # when the main one has it.
        others = [
            dg.AssetMaterialization(
                other.path.split("/"),
                partition=day,
                metadata=partition_metadata(other, found[other], {}),
            )
            for other in rows.beside
            for day, found in report.published.items()
        ]
        others += restatements(dataset, report, self._engine.settings)
        if not report.bad_days:
            for day, facts in metadata.items():
                context.step_context.add_asset_metadata(facts, context.asset_key, day)
            yield from as_events(context, others)
            return
        good = [
            dg.AssetMaterialization(context.asset_key, partition=day, metadata=facts)
            for day, facts in metadata.items()
        ]
        yield from as_events(context, good + others)
        raise failure(dataset, report)

    def _overtaken(self, inputs: Mapping[str, tuple[Window, Mapping[str, str]]]) -> dict[str, str]:
        """Return why, of days that are computed from what another run has published meanwhile.

        Asked after the inputs were read, so that none of them can have changed under the reading.
        """
        reasons: dict[str, str] = {}
        for path, (window, contents) in inputs.items():
            changed = self.lake.changed(self._datasets[path], contents)
            reasons |= _days_that_need(window, {day: overtaken(path, day) for day in changed})
        return reasons

    def _as_rows(self, context: dg.OutputContext, dataset: Dataset, obj: object) -> Rows:
        if isinstance(obj, Rows):
            return obj
        if not isinstance(obj, pd.DataFrame):
            raise EngineError(
                f"{dataset.path}: its function returned {type(obj).__name__}.",
                hint="Return a pandas.DataFrame, or Rows.",
            )
        wanted = {"date", *(column.name for column in dataset.columns)}
        for name in sorted(wanted ^ set(obj.columns)):
            problem = "lacks the column" if name in wanted else "has the undeclared column"
            raise EngineError(
                f"{dataset.path}: the frame {problem} {name}.",
                hint="Return the declared columns, and `date`.",
            )
        unready = self._unready.pop(context.step_context.step.key, {})
        with ExitStack() as undo:
            connection = undo.enter_context(self._engine.connect())
            try:
                # Through Arrow, which looks at every row: DuckDB would look at some of them.
                frame = pa.Table.from_pandas(obj, preserve_index=False)
            except pa.ArrowException as error:
                raise EngineError(
                    f"{dataset.path}: a column of the frame is of no one type: {error}",
                    hint="Make all values of a column of one type.",
                ) from error
            connection.register("frame", frame)
            misfits = create_result(connection, dataset, "SELECT * FROM frame", table="result")
            undo.pop_all()
        return Rows(connection, "result", misfits | unready)


def _days_that_need(window: Window, reasons: Mapping[str, str]) -> dict[str, str]:
    """Return why, of the days that are computed from days of an input with which all is not well.

    Args:
        window: Which days of the input a day needs.
        reasons: ISO day of the input -> what is wrong with it.
    """
    found: dict[str, str] = {}
    for day in sorted(reasons, reverse=True):  # the first is the one to name
        found |= dict.fromkeys(window.affected(day, date.min, date.max), reasons[day])
    return found


def _mapping(context: dg.InputContext) -> dg.PartitionMapping | None:
    assets = context.step_context.job_def.asset_layer.get_assets_def_for_node(
        context.step_context.node_handle
    )
    return assets.get_partition_mapping_for_dep(context.asset_key) if assets else None
