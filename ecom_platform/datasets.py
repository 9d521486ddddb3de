"""Every dataset, declared once: columns, types, key, grain, owner, PII.

The declaration gives the lake its schema, Dagster its column metadata, the audits
their rules and the docs their dictionary. Metrics are declared in
`assets/metrics.py`, in the same terms, and marts in dbt (`marts.py`). Nothing here reads or
writes data.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

DATA_OWNER = "team:data"


class Type(StrEnum):
    """The column types of the lake, as DuckDB spells them.

    `ID` keeps the source's type: BIGINT for integer keys, VARCHAR for all others
    (a UUID is its 36 lower-case characters, which every Parquet reader understands).
    """

    ID = "ID"
    MONEY = "DECIMAL(18,2)"
    #: Of several days or of many orders: it may be more than any one amount can.
    MONEY_SUM = "DECIMAL(38,2)"
    INSTANT = "TIMESTAMP WITH TIME ZONE"
    DATE = "DATE"
    TEXT = "VARCHAR"
    COUNT = "BIGINT"
    RATIO = "DOUBLE"
    FLAG = "BOOLEAN"


@dataclass(frozen=True)
class Column:
    """One column.

    Args:
        name: Name in the lake.
        type: Its declared type.
        description: What it holds, with unit where it has one.
        required: Whether NULL is a broken contract.
        pii: Whether it identifies a person. PII is never shown in a preview.
        accepted: The only values allowed, where they are a closed list.
    """

    name: str
    type: Type
    description: str
    required: bool = False
    pii: bool = False
    accepted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dataset:
    """One dataset of the lake: an object per business day, or a single one.

    Args:
        layer: `raw`, `cleaned`, `quarantine`, `metrics` or `marts`: the folder and the Dagster
            group.
        name: Name within the layer.
        description: What the dataset is, for a reader of the Dagster UI.
        grain: What one row is.
        columns: Columns in stored order. `date`, the partition, is in the path, not here.
        key: Columns that identify a row within its day, where a contract says so.
        sort: Columns that rows are stored in order of; by default the key.
        dated_by: The column that must lie in the partition's business day, unless NULL.
        owner: Dagster owner.
        daily: Whether it has an object per business day.
    """

    layer: str
    name: str
    description: str
    grain: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    sort: tuple[str, ...] = ()
    dated_by: str = ""
    owner: str = DATA_OWNER
    daily: bool = True

    @property
    def path(self) -> str:
        """The folder under the lake's root, and the asset key: `layer/name`."""
        return f"{self.layer}/{self.name}"

    def column(self, name: str) -> Column:
        """Return the column called `name`; KeyError when there is none."""
        return {column.name: column for column in self.columns}[name]

    @property
    def order(self) -> tuple[str, ...]:
        """Columns that rows are stored in order of."""
        return self.sort or self.key

    @property
    def is_restated(self) -> bool:
        """Whether the ledger keeps what a day said before it was changed."""
        return self.layer == "metrics"

    @property
    def counts_nulls(self) -> bool:
        """Whether a day keeps how many of its rows are NULL in each column, to compare days."""
        return self.layer == "cleaned"

    def object_path(self, day: str = "") -> str:
        """Return the path of one partition, or of the single object, under the lake's root."""
        return f"{self.path}/date={day}/data.parquet" if self.daily else f"{self.path}/data.parquet"


def _unreadable(column: str, kind: str) -> Column:
    """Declare the companion of a typed raw column that keeps what is not of its type."""
    return Column(
        f"{column}_text",
        Type.TEXT,
        f"The source's own text of `{column}` where it is not exactly a {kind}; else NULL",
    )


RAW_ORDERS = Dataset(
    "raw",
    "orders",
    "Orders as the source holds them, filed under the business day they were created.",
    "one row per source row of `orders`",
    (
        Column("id", Type.ID, "Order id, in the source's type"),
        Column("customer_id", Type.ID, "Who ordered; NULL for a guest"),
        Column("total_amount", Type.MONEY, "Order total, in the shop's currency"),
        _unreadable("total_amount", "DECIMAL(18,2)"),
        Column("created_at", Type.INSTANT, "When the order was placed (UTC)"),
        _unreadable("created_at", "timestamp"),
        Column("status", Type.TEXT, "Order status, as the source spells it"),
        Column(
            "customer_found", Type.FLAG, "Whether the source has that customer; NULL for a guest"
        ),
        Column("customer_region", Type.TEXT, "The customer's region when the order was extracted"),
    ),
    sort=("id",),
)

RAW_CUSTOMERS = Dataset(
    "raw",
    "customers",
    "Customers as the source holds them, filed under the business day they signed up. "
    "The only dataset that holds e-mail addresses.",
    "one row per source row of `customers`",
    (
        Column("id", Type.ID, "Customer id, in the source's type"),
        Column("email", Type.TEXT, "E-mail address", pii=True),
        Column("region", Type.TEXT, "Region, as the source spells it"),
        Column("signup_date", Type.DATE, "Business day of the sign-up; NULL when not known"),
        _unreadable("signup_date", "date"),
    ),
    sort=("id",),
)

RAW_PAYMENTS = Dataset(
    "raw",
    "payments",
    "Payments as the source holds them, filed under the business day they were paid; "
    "while unpaid, under the day their order was created.",
    "one row per source row of `payments`",
    (
        Column("id", Type.ID, "Payment id, in the source's type"),
        Column("order_id", Type.ID, "The order it pays for"),
        Column("amount", Type.MONEY, "Amount, in the shop's currency"),
        _unreadable("amount", "DECIMAL(18,2)"),
        Column("status", Type.TEXT, "Payment status, as the source spells it"),
        Column("paid_at", Type.INSTANT, "When it was paid (UTC); NULL while pending"),
        _unreadable("paid_at", "timestamp"),
        Column("order_found", Type.FLAG, "Whether the source has that order"),
        Column("order_created_at", Type.INSTANT, "When that order was placed (UTC)"),
        Column("customer_id", Type.ID, "Who placed that order; NULL for a guest"),
        Column("customer_region", Type.TEXT, "That customer's region at extraction"),
    ),
    sort=("id",),
)

RAW = (RAW_ORDERS, RAW_CUSTOMERS, RAW_PAYMENTS)
#: Of a raw dataset, those whose rows its own rows name, and that it is read together with.
NAMED = {
    RAW_ORDERS.path: (RAW_CUSTOMERS.path,),
    RAW_PAYMENTS.path: (RAW_ORDERS.path, RAW_CUSTOMERS.path),
}

PAYMENT_STATUSES = ("completed", "pending", "failed", "refunded", "other")

_REGION = Column(
    "region",
    Type.TEXT,
    "The customer's region; `unknown` for guests, orphans and customers without one",
    required=True,
)

CLEANED_ORDERS = Dataset(
    "cleaned",
    "orders",
    "Orders with checked types, one row each. Rows that cannot be cleaned are in "
    "`quarantine/orders`.",
    "one row per order",
    (
        Column("id", Type.ID, "Order id, in the source's type", required=True),
        Column("customer_id", Type.ID, "Who ordered; NULL for a guest"),
        _REGION,
        Column(
            "total_amount",
            Type.MONEY,
            "Order total, in the shop's currency, rounded half-up to 2 decimals; NULL where the "
            "source has none, or none that is an amount",
        ),
        Column("created_at", Type.INSTANT, "When the order was placed (UTC)", required=True),
        Column("status", Type.TEXT, "Order status, trimmed and lower-cased", required=True),
        Column(
            "is_void",
            Type.FLAG,
            "Whether the status is one of ECOM_VOID_ORDER_STATUSES",
            required=True,
        ),
        Column(
            "is_orphan",
            Type.FLAG,
            "Whether it names a customer that the source does not have",
            required=True,
        ),
    ),
    key=("id",),
    dated_by="created_at",
)

CLEANED_CUSTOMERS = Dataset(
    "cleaned",
    "customers",
    "Customers with checked types, one row each, without e-mail addresses. Rows that cannot be "
    "cleaned are in `quarantine/customers`.",
    "one row per customer",
    (
        Column("id", Type.ID, "Customer id, in the source's type", required=True),
        Column(
            "email_hmac",
            Type.TEXT,
            "HMAC-SHA256 of the trimmed, lower-cased e-mail address, in hex; NULL without one",
        ),
        Column("email_hmac_key_id", Type.TEXT, "Which key made `email_hmac`"),
        _REGION,
        Column("signup_date", Type.DATE, "Business day of the sign-up; NULL when not known"),
    ),
    key=("id",),
    dated_by="signup_date",
)

CLEANED_PAYMENTS = Dataset(
    "cleaned",
    "payments",
    "Payments with checked types and normalised statuses, one row each. Rows that cannot be "
    "cleaned are in `quarantine/payments`.",
    "one row per payment",
    (
        Column("id", Type.ID, "Payment id, in the source's type", required=True),
        Column("order_id", Type.ID, "The order it pays for"),
        Column("customer_id", Type.ID, "Who placed that order; NULL for a guest"),
        _REGION,
        Column(
            "amount",
            Type.MONEY,
            "Amount, in the shop's currency, rounded half-up to 2 decimals",
            required=True,
        ),
        Column("status", Type.TEXT, "Normalised status", required=True, accepted=PAYMENT_STATUSES),
        Column("source_status", Type.TEXT, "Status as the source spells it"),
        Column("paid_at", Type.INSTANT, "When it was paid (UTC); NULL while pending"),
        Column(
            "is_orphan",
            Type.FLAG,
            "Whether it names no order, or one that the source does not have",
            required=True,
        ),
    ),
    key=("id",),
    dated_by="paid_at",
)

CLEANED = (CLEANED_ORDERS, CLEANED_CUSTOMERS, CLEANED_PAYMENTS)


def quarantine_of(raw: Dataset) -> Dataset:
    """Declare the quarantine of a raw dataset: the whole rejected row, and why.

    Only personal data is left out: `raw` keeps it, and is the one place that does.
    """
    return Dataset(
        "quarantine",
        raw.name,
        f"Rows of `{raw.path}` that could not be cleaned, whole, with the reason.",
        f"one row per rejected row of `{raw.path}`",
        (
            Column("reject_reason", Type.TEXT, "Why the row was rejected", required=True),
            *(column for column in raw.columns if not column.pii),
        ),
        sort=raw.sort,
        owner=raw.owner,
    )


QUARANTINE = tuple(quarantine_of(raw) for raw in RAW)

#: Layers that hold personal data.
PRIVATE_LAYERS = frozenset(
    dataset.layer
    for dataset in (*RAW, *CLEANED, *QUARANTINE)
    if any(column.pii for column in dataset.columns)
)
