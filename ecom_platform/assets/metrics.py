"""The metrics, each declared in a few lines and computed by the SQL file of its name.

Adding one takes a file in `sql/metrics/` and an entry in `METRICS`: it is then
partitioned, stored, audited, checked, and known to `ecom show`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import dagster as dg

from ecom_platform.assets import describe
from ecom_platform.assets.sql_files import SQL_FOLDER, SqlFile
from ecom_platform.assets.steps import run_sql
from ecom_platform.datasets import CLEANED, PAYMENT_STATUSES, Column, Dataset, Type
from ecom_platform.engines.duckdb import Engine
from ecom_platform.lake.failures import explain_errors
from ecom_platform.lake.tables import LakeTable, Rows
from ecom_platform.settings import Settings

_REGION = Column("region", Type.TEXT, "Region, or `all` for all of them together", required=True)


@dataclass(frozen=True)
class Metric:
    """One metric: what a number means. Its grain is a day and a region, unless `by` adds to it.

    Args:
        name: Of the metric, its asset, its SQL file and its main column.
        description: The definition, exactly.
        unit: What the main column is in.
        direction: Whether more is better.
        columns: Further columns, before the main one.
        by: Further columns of the grain.
        additive: Whether the regions sum to `all`.
        value: The main column, where its name is not the metric's.
        looks_back: Whether it reads ECOM_RETENTION_DAYS days up to its own.
        later: Values of the first column of `by` that rows have or lose only days later -> the
            one they have before or, where they come from or go to other days, the empty text.
        owner: Dagster owner.
    """

    name: str
    description: str
    unit: Literal["money", "count", "ratio"]
    direction: Literal["up", "down", "neither"] = "up"
    columns: tuple[Column, ...] = ()
    by: tuple[Column, ...] = ()
    additive: bool = False
    value: str = ""
    looks_back: bool = False
    later: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)
    owner: str = "team:data"

    @property
    def dataset(self) -> Dataset:
        """The metric as a dataset of the lake."""
        kinds = {"money": Type.MONEY, "count": Type.COUNT, "ratio": Type.RATIO}
        value = Column(
            self.value or self.name,
            kinds[self.unit],
            self.description,
            required=self.unit != "ratio",
        )
        key = ("region", *(column.name for column in self.by))
        return Dataset(
            "metrics",
            self.name,
            self.description,
            f"one row per {', '.join(['day', *key[:-1]])} and {key[-1]}",
            (_REGION, *self.by, *self.columns, value),
            key=key,
            owner=self.owner,
        )


METRICS = (
    Metric(
        "total_revenue",
        "Sum of the completed payments, by the day paid. Negative amounts subtract; refunded "
        "payments are not received and do not count.",
        unit="money",
        additive=True,
    ),
    Metric(
        "total_orders",
        "Distinct orders placed that day, whatever their status.",
        unit="count",
        columns=(Column("void_orders", Type.COUNT, "Those with a void status", required=True),),
        additive=True,
    ),
    Metric(
        "total_customers",
        "Distinct customers who placed an order that day; guests are not counted. Not additive "
        "over days or regions.",
        unit="count",
    ),
    Metric(
        "payment_status",
        "Number and sum of the day's payments by status. The rows sum to all payments.",
        unit="money",
        direction="neither",
        by=(
            Column(
                "status",
                Type.TEXT,
                "Normalised payment status",
                required=True,
                accepted=PAYMENT_STATUSES,
            ),
        ),
        columns=(Column("payments", Type.COUNT, "Number of payments", required=True),),
        additive=True,
        value="amount",
        later={"pending": "", "refunded": "completed"},
    ),
    Metric(
        "average_order_value",
        "`total_revenue` over `total_orders` of the same day and region; NULL without orders.",
        unit="ratio",
        columns=(
            Column("total_revenue", Type.MONEY, "Revenue of the day", required=True),
            Column("total_orders", Type.COUNT, "Orders of the day", required=True),
        ),
    ),
    Metric(
        "customer_retention_rate",
        "Of the distinct customers with a non-void order in the last ECOM_RETENTION_DAYS days, "
        "this day included, the share with two or more such orders. A customer counts in the "
        "region of their latest order.",
        unit="ratio",
        columns=(
            Column("active_customers", Type.COUNT, "Customers with an order", required=True),
            Column("repeat_customers", Type.COUNT, "Those with two or more", required=True),
        ),
        looks_back=True,
    ),
)


def build_metric_assets(
    settings: Settings, metrics: Sequence[Metric] = METRICS, folder: Path = SQL_FOLDER / "metrics"
) -> list[dg.AssetsDefinition]:
    """Build an asset for each metric.

    Args:
        settings: For the calendar.
        metrics: The declarations.
        folder: Where their SQL files are.
    """
    datasets = {d.path: d for d in (*CLEANED, *(metric.dataset for metric in metrics))}
    return [
        _build(metric, SqlFile(folder / f"{metric.name}.sql"), datasets, settings)
        for metric in metrics
    ]


def _build(
    metric: Metric, sql: SqlFile, datasets: Mapping[str, Dataset], settings: Settings
) -> dg.AssetsDefinition:
    dataset = metric.dataset
    before = settings.retention_days - 1 if metric.looks_back else 0
    mapping = dg.TimeWindowPartitionMapping(start_offset=-before) if before else None
    paths = {path.replace("/", "_"): path for path in sql.inputs}

    @dg.asset(
        key=dataset.path.split("/"),
        ins={
            name: dg.AssetIn(path.split("/"), partition_mapping=mapping)
            for name, path in paths.items()
        },
        description=describe.description(dataset),
        metadata={
            **describe.metadata(dataset, sql, datasets),
            "unit": metric.unit,
            "better": {"up": "higher", "down": "lower", "neither": "neither"}[metric.direction],
        },
        group_name=dataset.layer,
        owners=[dataset.owner],
        kinds={"sql", "duckdb", "parquet"},
        partitions_def=settings.calendar.partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        io_manager_key="lake",
        required_resource_keys={"engine"},
        code_version=sql.version,
    )
    def compute(context: dg.AssetExecutionContext, **inputs: LakeTable) -> Rows:
        engine: Engine = context.resources.engine
        tables = {paths[name]: table for name, table in inputs.items()}
        with explain_errors(settings.retry_seconds):
            lookback = dict.fromkeys(tables, before)
            return run_sql(engine, sql, dataset, tables, context.partition_keys, lookback)

    return compute
