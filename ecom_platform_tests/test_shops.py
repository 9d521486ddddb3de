"""The shops of the tests: the real ones' known figures, and what is in those made up."""

from __future__ import annotations

from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as hypothesis_settings

from ecom_platform.settings import Settings
from ecom_platform_tests.oracle import Shop, clean, metrics, metrics_of
from ecom_platform_tests.shop_features import FEATURES, FEATURES_OF_TEXTS, features_of
from ecom_platform_tests.shop_writers import ROWS, read_csv, write_csv, write_shop
from ecom_platform_tests.shops import Case, cases
from ecom_platform_tests.sources.postgres_database import Database

relaxed = hypothesis_settings(deadline=None, max_examples=50)
REAL_SHOPS = Path(__file__).parents[2] / "shared" / "data"


def real_shop(name: str) -> Shop:
    """Return one of the two real shops, or skip the test where they are not at hand."""
    if not (REAL_SHOPS / name).is_dir():
        pytest.skip(f"the real shop {name} is not at hand: it stands beside the repository")
    return read_csv(REAL_SHOPS / name)


def retention_of(shop: Shop, options: Settings, *days: str) -> list[str]:
    """Return "repeat/active" of all regions, for each day."""
    table = metrics(shop, options, map(date.fromisoformat, days))["customer_retention_rate"]
    rows = [row for (_, region), row in table.items() if region == "all"]
    return [f"{row['repeat_customers']}/{row['active_customers']}" for row in rows]


def test_the_jaffle_shop_has_its_known_figures() -> None:
    shop = real_shop("jaffle_shop")
    options = Settings(
        _env_file=None, start_date=date(2018, 1, 1), void_order_statuses=("returned",)
    )
    cleaned = clean(shop, options)
    days = sorted({row.day for row in [*cleaned.orders, *cleaned.payments]})
    assert (days[0], days[-1]) == (date(2018, 1, 1), date(2018, 4, 9))
    tables = metrics_of(cleaned, options, days)

    def total(metric: str, column: str, *key: str) -> Any:
        return sum(row[column] for (_, *rest), row in tables[metric].items() if rest == [*key])

    assert total("total_orders", "total_orders", "all") == 99
    assert total("total_revenue", "total_revenue", "all") == Decimal("1623.00")
    assert total("total_revenue", "total_revenue", "unknown") == Decimal("1623.00")
    assert total("payment_status", "amount", "all", "refunded") == Decimal("49.00")
    assert total("payment_status", "payments", "all", "refunded") == 5
    assert {(row.quarantined, row.duplicates) for row in cleaned.counts.values()} == {(0, 0)}
    assert retention_of(shop, options, "2018-03-31", "2018-04-09") == ["22/58", "25/58"]


def test_the_cdnow_sample_has_its_known_figures() -> None:
    shop = real_shop("cdnow_sample")
    options = Settings(_env_file=None, start_date=date(1997, 1, 1))
    cleaned = clean(shop, options)
    assert len(cleaned.orders) == 6919
    assert len({order.day for order in cleaned.orders}) == 545
    assert sum(row.amount for row in cleaned.payments) == Decimal("244091.94")
    first = metrics_of(cleaned, options, [date(1997, 1, 1)])
    assert first["average_order_value"][date(1997, 1, 1), "all"] == {
        "total_revenue": Decimal("439.11"),
        "total_orders": 18,
        "average_order_value": pytest.approx(439.11 / 18),
    }
    assert retention_of(
        shop, options, "1997-03-31", "1997-06-30", "1997-09-30", "1997-12-31", "1998-06-30"
    ) == ["522/2357", "201/521", "151/409", "159/400", "109/299"]


@relaxed
@given(cases())
def test_regions_add_up_and_no_row_is_lost(case: Case) -> None:
    cleaned = clean(case.shop, case.settings)
    for (table, day), counts in cleaned.counts.items():
        rows = {"orders": cleaned.orders, "payments": cleaned.payments}.get(table)
        assert rows is None or counts.cleaned == sum(row.day == day for row in rows)
    tables = metrics_of(cleaned, case.settings, case.days)
    for metric, column in [
        ("total_revenue", "total_revenue"),
        ("total_orders", "void_orders"),
        ("payment_status", "amount"),
        ("customer_retention_rate", "repeat_customers"),
    ]:
        sums: Counter[str] = Counter()
        for (_, region, *_), row in tables[metric].items():
            sums["all" if region == "all" else "each"] += row[column]
        assert sums["all"] == sums["each"], metric


@relaxed
@given(cases())
def test_a_shop_survives_being_written_as_csv(case: Case) -> None:
    with TemporaryDirectory() as folder:
        write_csv(case.shop, Path(folder))
        assert read_csv(Path(folder)) == case.shop


@relaxed
@given(cases(typed=True))
def test_a_typed_shop_gives_the_same_answers_from_postgres(postgres: str, case: Case) -> None:
    write_shop(case.shop, Database(postgres))
    with psycopg.connect(postgres) as connection:
        orders, customers, payments = (
            list(map(row._make, connection.execute(f"select * from {table}")))
            for table, row in ROWS.items()
        )
    stored = Shop(orders, customers, payments)
    assert tuple(map(len, stored)) == tuple(map(len, case.shop))
    assert clean(stored, case.settings) == clean(case.shop, case.settings)


@pytest.mark.parametrize("typed", [False, True])
def test_made_up_shops_are_full_of_traps(typed: bool) -> None:
    seen: Counter[str] = Counter()
    # One run of hypothesis keeps to what it has found; several see more in fewer examples.
    for number in range(1, 5):

        @seed(number)
        @hypothesis_settings(
            max_examples=20, deadline=None, database=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(cases(typed=typed, most_shops=6))
        def count(case: Case) -> None:
            seen.update(set(features_of(case)))

        count()
    expected = set(FEATURES) - set(FEATURES_OF_TEXTS if typed else ())
    assert set(seen) == expected
