"""The asset checks: each passes on good days, and fails on the day that was tampered with."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING

import dagster as dg
import duckdb
import pytest

from ecom_platform.assets.day_checks import declare_checks
from ecom_platform.assets.metrics import METRICS
from ecom_platform.settings import Settings
from ecom_platform_tests.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Iterator

START, FIRST, DAY, EMPTY = date(2023, 12, 5), date(2024, 1, 1), date(2024, 1, 2), date(2024, 1, 3)
DAYS = [str(day) for day in (FIRST, DAY, EMPTY)]

SHOP = {
    "customers": """id,email,region,signup_date
        91,sue@example.invalid,North,2023-12-05
        92,tim@example.invalid,North,2023-12-12
        93,una@example.invalid,North,2023-12-19
        94,vic@example.invalid,North,2023-12-26
        1,ann@example.invalid,North,2024-01-01
        2,bob@example.invalid,South,2024-01-02
        3,eve@example.invalid,North,2024-01-02""",
    "orders": """id,customer_id,total_amount,created_at,status
        91,91,1.00,2023-12-05 10:00:00,paid
        92,92,1.00,2023-12-12 10:00:00,paid
        93,93,1.00,2023-12-19 10:00:00,paid
        94,94,1.00,2023-12-26 10:00:00,paid
        1,1,10.00,2024-01-01 10:00:00,paid
        2,1,20.00,2024-01-02 10:00:00,paid
        3,2,30.005,2024-01-02 11:00:00,cancelled
        4,,40.00,2024-01-02 12:00:00,paid
        5,3,1e1,2024-01-02 12:00:00,paid""",
    "payments": """id,order_id,amount,status,paid_at
        91,91,1.00,paid,2023-12-05 10:01:00
        92,92,1.00,paid,2023-12-12 10:01:00
        93,93,1.00,paid,2023-12-19 10:01:00
        94,94,1.00,paid,2023-12-26 10:01:00
        1,1,10.00,paid,2024-01-01 10:01:00
        2,2,12.50,paid,2024-01-02 10:01:00
        3,2,7.50,failed,2024-01-02 10:02:00
        4,3,30.005,refunded,2024-01-02 11:01:00
        5,4,40.00,pending,
        6,2,7.50,paid,2024-01-02 10:03:00""",
}

THRESHOLDS = """
    anomalies.enabled = false
    completeness.min_rows = 1
    arithmetic.max_share = 0.7
    guests.max_share = 0.3
"""

AVERAGE = "metrics/average_order_value times_orders_is_revenue"
ORDERS_PAID = "cleaned/orders orders_are_paid"
PAYMENTS = "metrics/payment_status sums_to_all_payments"
#: Every check there is -> a dataset, what its rows of `DAY` are replaced by, and which other
#: checks must see that too.
TAMPERINGS: dict[str, list[tuple[str, ...]]] = {
    "raw/orders matches_source": [
        ("raw/orders", "SELECT * FROM rows WHERE id <> '2'"),
        ("raw/orders", "SELECT * FROM rows WHERE false"),
        ("raw/orders", "SELECT * FROM rows UNION ALL SELECT * FROM rows WHERE id = '2'"),
        ("raw/orders", "SELECT * REPLACE (total_amount + 0.01 AS total_amount) FROM rows"),
        ("raw/orders", "SELECT * REPLACE (NULL::VARCHAR AS total_amount_text) FROM rows"),
    ],
    "raw/customers matches_source": [("raw/customers", "SELECT * FROM rows LIMIT 1")],
    "raw/payments matches_source": [
        ("raw/payments", "SELECT * REPLACE (-amount AS amount) FROM rows"),
        ("raw/payments", "SELECT * FROM rows LIMIT 1"),
    ],
    "cleaned/orders keys_are_unique": [
        ("cleaned/orders", "SELECT * FROM rows UNION ALL SELECT * FROM rows", ORDERS_PAID),
        ("cleaned/orders", "SELECT * REPLACE (nullif(id, '2') AS id) FROM rows", ORDERS_PAID),
    ],
    "cleaned/customers keys_are_unique": [
        ("cleaned/customers", "SELECT * REPLACE ('2' AS id) FROM rows")
    ],
    "cleaned/payments keys_are_unique": [
        ("cleaned/payments", "SELECT * REPLACE ('2' AS id) FROM rows")
    ],
    "cleaned/payments status_is_known": [
        ("cleaned/payments", "SELECT * REPLACE ('paid' AS status) FROM rows", ORDERS_PAID),
        ("cleaned/payments", "SELECT * REPLACE (nullif(status, 'failed') AS status) FROM rows"),
    ],
    "cleaned/customers ids_are_on_one_day": [
        (
            "cleaned/customers",
            "SELECT * REPLACE (CASE id WHEN '2' THEN '1' ELSE id END AS id) FROM rows",
            "cleaned/customers ids_are_on_one_day 2024-01-01",
        )
    ],
    "cleaned/orders ids_are_on_one_day": [
        (
            "cleaned/orders",
            "SELECT * REPLACE (CASE id WHEN '3' THEN '1' ELSE id END AS id) FROM rows",
            "cleaned/orders ids_are_on_one_day 2024-01-01",
        )
    ],
    "cleaned/payments ids_are_on_one_day": [
        (
            "cleaned/payments",
            "SELECT * REPLACE (CASE id WHEN '2' THEN '1' ELSE id END AS id) FROM rows",
            "cleaned/payments ids_are_on_one_day 2024-01-01",
        )
    ],
    "cleaned/customers day_has_rows": [
        ("cleaned/customers", "SELECT * FROM rows WHERE false")
    ],
    "cleaned/orders day_has_rows": [("cleaned/orders", "SELECT * FROM rows WHERE false")],
    "cleaned/payments day_has_rows": [
        (
            "cleaned/payments",
            "SELECT * FROM rows WHERE false",
            ORDERS_PAID,
            PAYMENTS,
        )
    ],
    "cleaned/orders guests_are_few": [
        ("cleaned/orders", "SELECT * REPLACE (NULL AS customer_id) FROM rows")
    ],
    "cleaned/orders amounts_are_known": [
        ("cleaned/orders", "SELECT * REPLACE (nullif(total_amount, 10) AS total_amount) FROM rows")
    ],
    ORDERS_PAID: [
        (
            "cleaned/orders",
            "SELECT * REPLACE (total_amount + 0.01 AS total_amount) FROM rows",
        ),
        (
            "cleaned/payments",
            ("SELECT * REPLACE (CASE WHEN order_id = '2' THEN '1' ELSE order_id END AS order_id) "
            "FROM rows"),
            "cleaned/orders orders_are_paid 2024-01-01",
        ),
    ],
    "cleaned/orders refunds_are_covered": [
        (
            "cleaned/payments",
            "SELECT * REPLACE (CASE id WHEN '4' THEN '2' ELSE order_id END AS order_id) FROM rows",
            ORDERS_PAID,
        )
    ],
    "cleaned/payments paid_after_ordered": [
        (
            "raw/payments",
            ("SELECT * REPLACE (order_created_at + INTERVAL 62 MINUTE + (paid_at - paid_at) "
            "AS order_created_at) FROM rows"),
        )
    ],
    "cleaned/payments statuses_are_understood": [
        (
            "cleaned/payments",
            ("SELECT * REPLACE (CASE status WHEN 'failed' THEN 'other' ELSE status END AS status) "
            "FROM rows"),
        )
    ],
    "cleaned/orders parents_exist": [
        ("cleaned/orders", "SELECT * REPLACE (id = '2' AS is_orphan) FROM rows")
    ],
    "cleaned/payments parents_exist": [
        ("cleaned/payments", "SELECT * REPLACE (id = '2' AS is_orphan) FROM rows")
    ],
    "metrics/total_revenue regions_sum_to_all": [
        (
            "metrics/total_revenue",
            "SELECT * REPLACE (total_revenue + (region = 'all')::INT AS total_revenue) FROM rows",
            AVERAGE,
        ),
        ("metrics/total_revenue", "SELECT * FROM rows WHERE region <> 'North'", AVERAGE),
    ],
    "metrics/total_orders regions_sum_to_all": [
        (
            "metrics/total_orders",
            "SELECT * REPLACE (total_orders + 1 AS total_orders) FROM rows",
            AVERAGE,
        ),
        (
            "metrics/total_orders",
            "SELECT * REPLACE (void_orders + (region = 'all')::BIGINT AS void_orders) FROM rows",
        ),
    ],
    "metrics/total_customers not_more_than_orders": [
        (
            "metrics/total_customers",
            "SELECT * REPLACE (total_customers + 9 AS total_customers) FROM rows",
        ),
        ("metrics/total_customers", "SELECT * FROM rows WHERE region <> 'all'"),
    ],
    "metrics/customer_retention_rate rate_is_a_share": [
        (
            "metrics/customer_retention_rate",
            "SELECT * REPLACE (customer_retention_rate + 1 AS customer_retention_rate) FROM rows",
        ),
        (
            "metrics/customer_retention_rate",
            "SELECT * REPLACE (active_customers + 1 AS repeat_customers) FROM rows",
        ),
        (
            "metrics/customer_retention_rate",
            "SELECT * REPLACE (NULL::DOUBLE AS customer_retention_rate) FROM rows",
        ),
    ],
    "metrics/payment_status regions_sum_to_all": [
        (
            "metrics/payment_status",
            "SELECT * FROM rows WHERE NOT (region = 'all' AND status = 'failed')",
            PAYMENTS,
        ),
        (
            "metrics/payment_status",
            "SELECT * REPLACE (payments + (region = 'all')::BIGINT AS payments) FROM rows",
            PAYMENTS,
        ),
    ],
    PAYMENTS: [
        ("metrics/payment_status", "SELECT * FROM rows WHERE status <> 'refunded'"),
        ("metrics/payment_status", "SELECT * FROM rows WHERE false"),
        ("metrics/payment_status", "SELECT * REPLACE (amount + 1 AS amount) FROM rows"),
        ("cleaned/payments", "SELECT * FROM rows LIMIT 1", ORDERS_PAID),
    ],
    AVERAGE: [
        (
            "metrics/average_order_value",
            "SELECT * REPLACE (average_order_value * 1.01 AS average_order_value) FROM rows",
        ),
        (
            "metrics/average_order_value",
            "SELECT * REPLACE (NULL::DOUBLE AS average_order_value) FROM rows",
        ),
        ("metrics/average_order_value", "SELECT * FROM rows WHERE region <> 'South'"),
        (
            "metrics/total_revenue",
            "SELECT * REPLACE (total_revenue + 1 AS total_revenue) FROM rows",
            "metrics/total_revenue regions_sum_to_all",
        ),
        (
            "metrics/total_orders",
            "SELECT * FROM rows WHERE region <> 'unknown'",
            "metrics/total_orders regions_sum_to_all",
        ),
    ],
}  # fmt: skip


#: What compares a day with the weeks before it, which these days do not have.
WITHOUT_HISTORY = {
    *(f"cleaned/{name} nulls_are_usual" for name in ("orders", "customers", "payments")),
    *(f"metrics/{metric.name} value_is_usual" for metric in METRICS),
    *(f"metrics/{metric.name} regions_are_steady" for metric in METRICS if metric.unit != "ratio"),
    "metrics/payment_status shares_are_usual",
}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform whose three days, one of them empty, are published."""
    folder = tmp_path_factory.mktemp("shop")
    for table, text in SHOP.items():
        (folder / f"{table}.csv").write_text("\n".join(line.strip() for line in text.splitlines()))
    (folder / "thresholds.toml").write_text(THRESHOLDS)
    settings = Settings(
        _env_file=None,
        source=folder.as_uri(),
        lake=str(folder / "lake"),
        start_date=START,
        email_hmac_key="k" * 32,
        thresholds=folder / "thresholds.toml",
    )
    with dg.DagsterInstance.ephemeral() as instance:
        opened = Platform(settings, instance)
        assert opened.run(START, EMPTY).success
        yield opened


@contextmanager
def tampered(platform: Platform, dataset: str, query: str) -> Iterator[None]:
    """Replace the rows of `DAY` behind the platform's back, for a while."""
    file = f"{platform.settings.lake}/{dataset}/date={DAY}/data.parquet"
    with duckdb.connect() as connection:
        source = f"read_parquet('{file}', hive_partitioning = false)"
        good = connection.sql(f"FROM {source}").to_arrow_table()
        bad = connection.sql(f"WITH rows AS (FROM {source}) {query}").to_arrow_table()
        assert not bad.equals(good)
        try:
            connection.from_arrow(bad).write_parquet(file)
            yield
        finally:
            connection.from_arrow(good).write_parquet(file)


def ask(platform: Platform, *checks: str) -> dict[str, dict[str, dg.AssetCheckEvaluation]]:
    """Run checks alone, over all days; return what Dagster recorded: check -> day -> answer."""
    specs = [spec for made in platform.definitions.asset_checks or [] for spec in made.check_specs]
    keys = [
        dg.AssetCheckKey(dg.AssetKey(asset.split("/")), name)
        for asset, name in (check.split(" ") for check in checks)
    ] or [spec.key for spec in specs if spec.partitions_def]
    selection = dg.AssetSelection.checks(*keys)
    job = dg.define_asset_job("only_checks", selection)
    definitions = dg.Definitions.merge(platform.definitions, dg.Definitions(jobs=[job]))
    result = definitions.resolve_job_def("only_checks").execute_in_process(
        instance=platform.instance,
        tags={
            "dagster/asset_partition_range_start": DAYS[0],
            "dagster/asset_partition_range_end": DAYS[-1],
        },
    )
    return platform.answers(result.run_id)


def test_every_check_of_a_day_passes_on_every_good_day(platform: Platform) -> None:
    found = ask(platform)
    assert set(found) == {*TAMPERINGS, *WITHOUT_HISTORY}
    for name, answers in found.items():
        passed = {day: answer.passed for day, answer in answers.items()}
        assert (name, passed) == (name, dict.fromkeys(DAYS, True))


def test_only_the_checks_that_are_asked_for_are_run(platform: Platform) -> None:
    one = "metrics/payment_status regions_sum_to_all"
    assert set(ask(platform, one)) == {one}


@pytest.mark.parametrize(
    ("check", "tampering"),
    [(check, tampering) for check, found in TAMPERINGS.items() for tampering in found],
)
def test_a_check_fails_on_the_day_that_was_tampered_with_and_nothing_else_fails(
    platform: Platform, check: str, tampering: tuple[str, ...]
) -> None:
    dataset, query, *others = tampering
    with tampered(platform, dataset, query):
        found = ask(platform, *TAMPERINGS)
    assert set(found) == set(TAMPERINGS)
    failed = {
        (name, day)
        for name, answers in found.items()
        for day, answer in answers.items()
        if not answer.passed
    }
    expected = {tuple(name.split(" ")) for name in (check, *others)}
    assert {(*name.split(" "), day) for name, day in failed} == {
        (asset, name, *(day or [str(DAY)])) for asset, name, *day in expected
    }
    declared = {f"{c.dataset} {c.name}": c.severity for c in declare_checks(platform.settings)}
    severity = declared.get(check, dg.AssetCheckSeverity.ERROR)
    assert found[check][str(DAY)].severity is severity


def test_every_check_names_its_owner_and_its_runbook(platform: Platform) -> None:
    checks = platform.definitions.asset_checks or []
    specs = [spec for made in checks for spec in made.check_specs]
    assert len(specs) > 40
    for spec in specs:
        assert spec.metadata["owner"]
        assert spec.metadata["runbook"] == f"runbooks/checks.md#{spec.name}"
