"""Dagster's storage in PostgreSQL, its password in a secret."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import dagster as dg
import psycopg
import pytest

from ecom_platform.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecom_platform_tests.sources.postgres_database import Database

USER = "keeper"
INSTANCE = """
telemetry: {enabled: false}
storage:
  custom:
    module: ecom_platform.instance.postgres
    class: PostgresStorage
    config:
      secret: {env: DAGSTER_POSTGRES_SECRET}
"""


@pytest.fixture
def server(database: Database) -> Iterator[psycopg.Connection]:
    """A connection as administrator to a database that its user needs a password for."""
    with psycopg.connect(database.url, autocommit=True) as connection:
        found = connection.execute("show hba_file").fetchone()
        assert found
        rules, name = Path(found[0]), connection.info.dbname
        before = rules.read_text()
        rules.write_text(f"local {name} {USER} scram-sha-256\n{before}")
        connection.execute(f"create role {USER} login password 'first'")
        connection.execute(f"grant all on database {name} to {USER}")
        connection.execute(f"grant all on schema public to {USER}")
        connection.execute("select pg_reload_conf()")
        yield connection
        rules.write_text(before)
        connection.execute(f"drop owned by {USER}")
        connection.execute(f"drop role {USER}")


@pytest.fixture
def secret(
    server: psycopg.Connection, bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> str:
    """The secret of that user, and an instance that is told of it."""
    del bucket
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    arn = boto3.client("secretsmanager").create_secret(
        Name=server.info.dbname, SecretString=held(server, "first")
    )["ARN"]
    monkeypatch.setenv("DAGSTER_POSTGRES_SECRET", arn)
    (tmp_path / "dagster.yaml").write_text(INSTANCE)
    return arn


def held(server: psycopg.Connection, password: str) -> str:
    """What RDS would write into the secret."""
    return json.dumps({
        "engine": "postgres", "host": server.info.host, "port": server.info.port,
        "username": USER, "password": password, "dbname": server.info.dbname,
    })  # fmt: skip


def backends(server: psycopg.Connection) -> set[int]:
    """The connections that the user has open."""
    query = "select pid from pg_stat_activity where usename = %s"
    return {pid for (pid,) in server.execute(query, (USER,))}


def test_a_password_that_was_rotated_needs_no_restart(
    server: psycopg.Connection, secret: str
) -> None:
    with dg.DagsterInstance.get() as instance:
        instance.run_storage.set_cursor_values({"kept": "1"})
        server.execute(f"alter role {USER} password 'second'")
        boto3.client("secretsmanager").put_secret_value(
            SecretId=secret, SecretString=held(server, "second")
        )
        for pid in backends(server):
            server.execute("select pg_terminate_backend(%s)", (pid,))
        assert instance.run_storage.get_cursor_values({"kept"}) == {"kept": "1"}


def test_a_password_that_the_database_has_before_the_secret_is_waited_for(
    server: psycopg.Connection, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = boto3.client("secretsmanager")
    server.execute(f"alter role {USER} password 'second'")
    tried: list[float] = []

    def rotate(seconds: float) -> None:
        tried.append(seconds)
        client.put_secret_value(SecretId=secret, SecretString=held(server, "second"))

    monkeypatch.setattr("ecom_platform.instance.postgres.PASSWORD_SECONDS", 0)
    monkeypatch.setattr("dagster_postgres.utils.time.sleep", rotate)
    with dg.DagsterInstance.get() as instance:
        assert instance.run_storage.get_cursor_values({"none"}) == {}
    assert len(tried) == 1


def test_one_connection_serves_all_events_of_a_process(
    server: psycopg.Connection, secret: str
) -> None:
    del secret
    with dg.DagsterInstance.get() as instance:
        instance.run_storage.set_cursor_values({"first": "1"})
        first = backends(server)
        for number in range(20):
            instance.event_log_storage.get_materialized_partitions(dg.AssetKey(str(number)))
            instance.schedule_storage.all_instigator_state()
        assert backends(server) == first
        assert len(first) == 1


def test_a_connection_that_the_server_closed_is_replaced(
    server: psycopg.Connection, secret: str
) -> None:
    del secret
    with dg.DagsterInstance.get() as instance:
        instance.run_storage.set_cursor_values({"kept": "1"})
        for pid in backends(server):
            server.execute("select pg_terminate_backend(%s)", (pid,))
        assert instance.run_storage.get_cursor_values({"kept"}) == {"kept": "1"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"username": "keeper", "password": "x", "port": 5432}', "lacks dbname, host"),
        ("not JSON", "lacks JSON"),
    ],
)
def test_a_secret_that_is_not_one_of_rds_is_named(secret: str, text: str, message: str) -> None:
    boto3.client("secretsmanager").put_secret_value(SecretId=secret, SecretString=text)
    with pytest.raises(SettingsError, match=message) as raised, dg.DagsterInstance.get() as opened:
        opened.run_storage.get_runs()
    assert re.search(r"secret:\w+", str(raised.value))


def test_a_secret_that_does_not_exist_is_named(
    secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_POSTGRES_SECRET", f"{secret}x")
    with pytest.raises(SettingsError, match="cannot be read"), dg.DagsterInstance.get() as opened:
        opened.run_storage.get_runs()
