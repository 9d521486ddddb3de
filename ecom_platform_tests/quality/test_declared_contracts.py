"""Each contract that a dataset of the platform declares is audited: a day that breaks it stays.

How audits work is in `test_audits.py`.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import dagster as dg
import pytest

from ecom_platform.datasets import Dataset, Type
from ecom_platform.settings import Settings
from ecom_platform_tests.lake.shelf import Run
from ecom_platform_tests.pipeline import DATASETS, Pipeline

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY, OTHER = date(2024, 1, 1), date(2024, 1, 2)
#: On each day two rows of every table, of which one is quarantined.
SHOP = {
    "customers": "id,email,region,signup_date\n"
    + "".join(
        f"a{day},a@example.invalid,North,{day}\na{day},b@example.invalid,South,{day}\n"
        f"c{day},c@example.invalid,North,{day}\n"
        for day in (DAY, OTHER)
    ),
    "orders": "id,customer_id,total_amount,created_at,status\n"
    + "".join(
        f"o{day},c{day},10.00,{day} 10:00:00,paid\n,c{day},?,{day} 10:00:00,paid\n"
        for day in (DAY, OTHER)
    ),
    "payments": "id,order_id,amount,status,paid_at\n"
    + "".join(
        f"p{day},o{day},10.00,paid,{day} 10:00:00\nx{day},o{day},?,paid,{day} 10:00:00\n"
        for day in (DAY, OTHER)
    ),
}


def breaches(dataset: Dataset) -> Iterator[tuple[str, str, str]]:
    """Yield (what is broken, SQL that breaks it in `rows`, what is said of it)."""
    for column in dataset.columns:
        name = column.name
        if column.required or name in dataset.key:
            yield f"{name} missing", f"SELECT * REPLACE (NULL AS {name})", f"have no {name}"
        if column.accepted:
            yield (
                f"{name} odd",
                f"SELECT * REPLACE ('odd' AS {name})",
                f"have a {name} that is none",
            )
        if column.type in (Type.TEXT, Type.ID) and not column.pii:
            yield (
                f"e-mail in {name}",
                f"SELECT * REPLACE ('x@example.invalid' AS {name})",
                f"hold an e-mail address in {name}",
            )
    if dataset.key:
        twice = "SELECT * FROM rows UNION ALL SELECT *"
        yield "key repeated", twice, f"repeat the key ({', '.join(dataset.key)})"
    if dataset.dated_by:
        later = f"SELECT * REPLACE ({dataset.dated_by} + INTERVAL 1 DAY AS {dataset.dated_by})"
        yield "another day", later, f"have a {dataset.dated_by} of another day"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a lake with two published days of every dataset."""
    folder: Path = tmp_path_factory.mktemp("contracts")
    (folder / "shop").mkdir()
    for table, text in SHOP.items():
        (folder / "shop" / f"{table}.csv").write_text(text)
    settings = Settings(
        _env_file=None,
        source=(folder / "shop").as_uri(),
        lake=str(folder / "lake"),
        start_date=DAY,
        email_hmac_key="k" * 32,
    )
    with dg.DagsterInstance.ephemeral() as instance:
        assert Pipeline(settings, instance).run(DAY, OTHER) == {}
    return settings.lake


@pytest.mark.parametrize(
    ("path", "sql", "said"),
    [
        pytest.param(path, sql, said, id=f"{path} {what}")
        for path, dataset in DATASETS.items()
        for what, sql, said in breaches(dataset)
    ],
)
def test_a_day_that_breaks_a_declared_contract_is_refused_and_keeps_its_object(
    lake: str, path: str, sql: str, said: str
) -> None:
    run = Run(lake, dataset=DATASETS[path])
    source = (
        f"read_parquet('{lake}/{path}/*/data.parquet', hive_partitioning = true, "
        "hive_types = {'date': DATE})"
    )
    old = run.storage.etags(path)
    assert len(old) == 2
    query = (
        f"WITH rows AS (SELECT * FROM {source} WHERE date = '{DAY}') {sql} FROM rows "
        f"UNION ALL BY NAME SELECT * FROM {source} WHERE date = '{OTHER}'"
    )
    report = run.publish(query, [str(DAY), str(OTHER)])
    assert list(report.bad_days) == [str(DAY)]
    assert said in report.bad_days[str(DAY)]
    assert list(report.published) == [str(OTHER)]
    bad = DATASETS[path].object_path(str(DAY))
    assert run.storage.etags(path)[bad] == old[bad]
