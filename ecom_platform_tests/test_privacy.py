"""E-mail addresses: in raw customers and nowhere else, and as keyed hashes of Python's making."""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
import subprocess
import sys
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pyarrow import parquet

from ecom_platform.assets.sql_files import SQL_FOLDER, SqlFile
from ecom_platform.assets.steps import add_email_key, add_settings
from ecom_platform.datasets import RAW_CUSTOMERS
from ecom_platform.engines.duckdb import Engine
from ecom_platform.errors import SettingsError
from ecom_platform.privacy import email_key_tables, load_email_key, redact
from ecom_platform.settings import SOURCE_COLUMNS, Settings
from ecom_platform_tests.commands.harness import call, ecom, recorded
from ecom_platform_tests.platform import open_platform

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ecom_platform_tests.commands.harness import Done

DAY = date(2024, 1, 1)
#: Every address of these tests has this in it, and nothing else has.
MARK = "leak."


def address(name: str) -> str:
    return f"{MARK}{name}@example.invalid"


def write(folder: Path, **tables: Sequence[Sequence[str]]) -> None:
    for table, columns in SOURCE_COLUMNS.items():
        lines = [columns, *tables.get(table, ())]
        (folder / f"{table}.csv").write_text("".join(f"{','.join(line)}\n" for line in lines))


UNICODE = address("jörg").replace("example", "müller")

#: As a keyboard for Chinese and a link write an address.
FULLWIDTH = f" {address('status')}\t".replace("@", "\uff20")
IN_A_LINK = f"?payer={address('payer')}&x=1".replace("@", "%40")
#: Addresses in their place, and wherever else a shop may put one by mistake.
MISUSED: dict[str, list[list[str]]] = {
    "customers": [
        ["1", address("ann"), "North", "2024-01-01"],
        ["2", address("bob"), f"of {address('region')} too", "2024-01-01"],
        ["3", UNICODE, f"near {UNICODE}", ""],
        ["4", address("eve"), "South", address("signup")],
        ["5", address("ann"), "North", "2024-01-01"],
        ["5", address("mia"), "North", "2024-01-01"],
    ],
    "orders": [
        ["1", "1", "10.00", "2024-01-01 10:00:00", FULLWIDTH],
        ["2", "2", address("total"), "2024-01-01 10:00:00", "paid"],
        ["3", "2", "1.00", address("created"), "paid"],
    ],
    "payments": [
        ["1", "1", "10.00", IN_A_LINK, "2024-01-01 10:00:00"],
        ["2", "1", f"10 {address('amount')}", "paid", "2024-01-01 10:00:00"],
        ["3", "1", "10.00", "paid", address("paid")],
    ],
}  # fmt: skip


def texts_of(file: Path) -> str:
    """Return every value of every text column of a Parquet file, and its footer."""
    table = parquet.read_table(file, partitioning=None)
    values = [str(value) for column in table.columns for value in column.to_pylist()]
    return "\n".join([*values, str(parquet.read_metadata(file).metadata)])


def test_addresses_are_in_raw_customers_and_nowhere_else_whatever_columns_were_misused_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "shop").mkdir()
    write(tmp_path / "shop", **MISUSED)
    for name, value in {
        "ECOM_SOURCE": (tmp_path / "shop").as_uri(),
        "ECOM_LAKE": str(tmp_path / "lake"),
        "ECOM_START_DATE": str(DAY),
        "DAGSTER_HOME": str(tmp_path / "home"),
    }.items():
        monkeypatch.setenv(name, value)
    days = ("--from", str(DAY), "--to", str(DAY))
    done: list[Done] = [ecom("run", *days)]
    assert done[0].code == 0
    for layer, table in (
        *(("raw", table) for table in SOURCE_COLUMNS),
        ("cleaned", "payments"), ("quarantine", "customers"),
    ):  # fmt: skip
        target = str(tmp_path / f"{layer}-{table}.csv")
        done.append(
            call(monkeypatch, capsys, "export", f"{layer}/{table}", *days, "--output", target)
        )
        assert MARK not in (tmp_path / f"{layer}-{table}.csv").read_text()
    done.append(call(monkeypatch, capsys, "show", "total_orders", *days, "--format", "json"))
    done.append(call(monkeypatch, capsys, "doctor"))
    assert not [said for said in done if MARK in said.out + said.err]

    objects = sorted((tmp_path / "lake").rglob("*.parquet"))
    assert len(objects) == 3 * 3 + 6
    for file in objects:
        found = MARK in texts_of(file)
        is_raw_customers = file.parent.parent == tmp_path / "lake" / "raw" / "customers"
        assert found == is_raw_customers, file
    (raw_customers,) = (tmp_path / "lake" / "raw" / "customers").rglob("*.parquet")
    table = parquet.read_table(raw_customers, partitioning=None)
    assert all(MARK in value for value in table["email"].to_pylist())
    assert MARK not in str(table.drop_columns(["email"]).to_pylist())

    log = recorded(tmp_path / "home")
    assert b"total_orders" in log
    assert MARK.encode() not in log


def test_ids_that_are_addresses_stay_ids_and_are_none_any_more(tmp_path: Path) -> None:
    """The shop knows its customers by their addresses."""
    ann, bob = address("ann"), address("bob")
    (tmp_path / "shop").mkdir()
    write(
        tmp_path / "shop",
        customers=[[ann, ann, "North", "2024-01-01"], [bob, bob, "South", "2024-01-01"]],
        orders=[
            [f"{ann}-1", ann, "10.00", "2024-01-01 10:00:00", "paid"],
            [f"{ann}-2", ann, "10.00", "2024-01-01 11:00:00", "paid"],
            [f"{bob}-1", bob, "10.00", "2024-01-01 10:00:00", "paid"],
        ],
        payments=[["1", f"{ann}-1", "10.00", "paid", "2024-01-01 10:00:00"]],
    )
    settings = Settings(
        _env_file=None,
        source=(tmp_path / "shop").as_uri(),
        lake=str(tmp_path / "lake"),
        start_date=DAY,
    )
    with open_platform(settings) as platform:
        assert platform.failures(platform.run(DAY, DAY)) == {}
        assert platform.rows(
            "metrics/customer_retention_rate",
            "SELECT region, active_customers, repeat_customers FROM dataset ORDER BY region",
        ) == [("North", 1, 1), ("South", 1, 0), ("all", 2, 1)]
        found = platform.rows("cleaned/payments", "SELECT order_id, customer_id FROM dataset")
        assert found[0] in platform.rows("cleaned/orders", "SELECT id, customer_id FROM dataset")
        assert all(value.startswith("e-mail:") for value in found[0])
    assert MARK.encode() not in recorded(tmp_path)
    for file in (tmp_path / "lake").rglob("*.parquet"):
        table = parquet.read_table(file, partitioning=None)
        emails = ["email"] if "email" in table.column_names else []
        assert MARK not in str(table.drop_columns(emails).to_pylist())


# ------------------------------------------------------------------------------ hashes

#: Letters that all programs put in lower case alike.
LETTERS = "abcXYZ019._+-äÖßéÑçŻαβΓжЯ日本😀"
ADDRESSES = st.builds(
    "{}{}@{}.{}{}".format,
    st.sampled_from(("", " ", "  ")),
    st.text(LETTERS, min_size=1, max_size=80),
    st.text(LETTERS, min_size=1, max_size=30),
    st.sampled_from(("invalid", "INVALID", "テスト")),
    st.sampled_from(("", " ")),
)
KEYS = st.text(
    st.characters(codec="utf-8", exclude_characters="\x00"), min_size=32, max_size=120
).filter(lambda key: 32 <= len(key.encode()) <= 200)  # fmt: skip


def hashes(tmp_path: Path, key: str, emails: Mapping[str, str | None]) -> dict[str, Any]:
    """Run the cleaning SQL over customers; return id -> (hash, id of the key)."""
    options: dict[str, Any] = {"start_date": DAY, "email_hmac_key": key}
    settings = Settings(_env_file=None, **options)
    with Engine(settings, tmp_path, []).connect() as connection:
        add_settings(connection, settings, [str(DAY)])
        add_email_key(connection, settings)
        columns = {column.name: pa.string() for column in RAW_CUSTOMERS.columns}
        schema = pa.schema(
            {**columns, "signup_date": pa.date32(), "date": pa.date32(), "row_id": pa.int64()}
        )
        rows = [
            {"row_id": n, "id": id_, "email": email, "date": DAY, "signup_date": DAY}
            for n, (id_, email) in enumerate(emails.items())
        ]
        connection.register("incoming", pa.Table.from_pylist(rows, schema))
        connection.execute("CREATE TABLE raw.customers AS SELECT * FROM incoming")
        sql = SqlFile(SQL_FOLDER / "cleaned" / "customers.sql").text
        found = connection.execute(
            f"SELECT id, email_hmac, email_hmac_key_id FROM ({sql})"
        ).fetchall()
    return {id_: (digest, key_id) for id_, digest, key_id in found}


@hypothesis_settings(max_examples=60)
@given(KEYS, st.lists(ADDRESSES, min_size=1, max_size=20))
@example("k" * 64, ["ann@example.invalid"])
@example("k" * 65, ["ann@example.invalid"])
def test_hashes_are_those_of_python(
    tmp_path_factory: pytest.TempPathFactory, key: str, emails: list[str]
) -> None:
    by_id = {str(n): email for n, email in enumerate(emails)}
    found = hashes(tmp_path_factory.mktemp("scratch"), key, by_id)
    assert {id_: digest for id_, (digest, _) in found.items()} == {
        id_: hmac.new(key.encode(), email.strip().lower().encode(), hashlib.sha256).hexdigest()
        for id_, email in by_id.items()
    }


def test_one_address_has_one_hash_however_it_is_spelled_and_none_without_one(
    tmp_path: Path,
) -> None:
    emails = {
        "1": "Ann@Example.invalid",
        "2": " ann@example.INVALID  ",
        "3": "",
        "4": "  ",
        "5": None,
    }
    found = hashes(tmp_path, "k" * 32, emails)
    assert found["1"] == found["2"]
    assert found["3"] == found["4"] == found["5"] == (None, None)


# ------------------------------------------------------------------------------ the key


@given(st.binary(min_size=32, max_size=200), st.binary(min_size=32, max_size=200))
def test_the_id_of_a_key_changes_with_the_key_and_does_not_give_it_away(
    one: bytes, other: bytes
) -> None:
    (first,), (second,) = (email_key_tables(key)["key_id"] for key in (one, other))
    assert (first == second) == (one == other)
    assert isinstance(first, str)
    assert len(first) == 8
    assert first not in {one.hex()[:8], hashlib.sha256(one).hexdigest()[:8]}


def test_a_configured_key_is_used_as_it_is(tmp_path: Path) -> None:
    assert load_email_key("ключ " * 8) == ("ключ " * 8).encode()
    assert [*tmp_path.iterdir()] == []


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        key = load_email_key(None)
    finally:
        os.umask(old)
    assert len(key) == 64
    assert load_email_key(None) == key
    (file,) = tmp_path.iterdir()
    assert file.name == "email_hmac.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_key_of_another_home_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = load_email_key(None)
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "other"))
    assert load_email_key(None) != key


@pytest.mark.parametrize("content", ["", "\n", "abc"])
def test_a_damaged_key_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "email_hmac.key").write_text(content)
    with pytest.raises(SettingsError, match=r"email_hmac\.key is damaged"):
        load_email_key(None)


def test_without_a_home_and_a_key_nothing_is_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME")
    with pytest.raises(SettingsError, match="No key") as caught:
        load_email_key(None)
    assert "ECOM_EMAIL_HMAC_KEY" in caught.value.hint


def test_processes_that_race_for_the_first_key_all_get_the_same(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys; from ecom_platform.privacy import load_email_key; "
        "print('ready', flush=True); sys.stdin.readline(); print(load_email_key(None).decode())"
    )
    home = tmp_path / "home"
    home.mkdir()
    environment = os.environ | {"DAGSTER_HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)}
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(6)
    ]  # fmt: skip
    assert [racer.stdout and racer.stdout.readline() for racer in racers] == ["ready\n"] * 6
    keys: set[str] = set()
    for racer in racers:
        assert racer.stdin
        racer.stdin.write("\n")
        racer.stdin.flush()
    for racer in racers:
        out, _ = racer.communicate(timeout=60)
        keys.add(out.strip())
    assert keys == {(home / "email_hmac.key").read_text()}
    assert [file.name for file in home.iterdir()] == ["email_hmac.key"]


# ------------------------------------------------------------------------------ texts


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("from ann@example.invalid, today", "from [e-mail], today"),
        ("<o'brien+shop@a-b.example.invalid>", "<[e-mail]>"),
        ("jörg@müller.invalid und 日本@例え.テスト", "[e-mail] und [e-mail]"),
        ('"email":"ann@example.invalid"', '"email":"[e-mail]"'),
        ("to=bob%40example.invalid&x=1", "to=[e-mail]&x=1"),
        ("bob\uff20example.invalid", "[e-mail]"),
        ("bob\ufe6bexample.invalid", "[e-mail]"),
        ("bob\uff20example\uff0einvalid", "[e-mail]"),
        ("bob&#64;example.invalid, bob&#x0040;example.invalid", "[e-mail], [e-mail]"),
        ("bob&commat;example.invalid", "[e-mail]"),
        ("at 12:00 @ the shop", "at 12:00 @ the shop"),
        ("bob(at)example.invalid", "bob(at)example.invalid"),
        ("40%40.example", "40%40.example"),
        ("postgresql://user:secret@db.invalid:5432/shop", "postgresql://…@db.invalid:5432/shop"),
        ("postgresql://user:se/cr@et@db.invalid/shop", "postgresql://…@db.invalid/shop"),
        ("https://token@hooks.invalid/x", "https://…@hooks.invalid/x"),
        ("s3://bucket/orders/date=2024-01-01", "s3://bucket/orders/date=2024-01-01"),
    ],
)
def test_texts_lose_addresses_and_credentials_and_nothing_else(text: str, redacted: str) -> None:
    assert redact(text) == redacted


@given(ADDRESSES)
def test_no_address_survives(email: str) -> None:
    bare = email.strip()
    assert bare not in redact(f"It says {bare}.")
