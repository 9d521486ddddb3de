"""Dagster's own storage in PostgreSQL: connections that are kept, a password that may change.

Dagster's class opens a connection for each event that it stores, and a range run stores some
thirty for each day. One that is kept makes it several times faster, and more so with TLS
(benchmarks/event_storage.py). The password is read from AWS Secrets Manager whenever a
connection is opened, so that its rotation needs no restart, and no environment holds it.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, cast

from dagster import Field, StringSource
from dagster_postgres.auth import PgTokenProvider
from dagster_postgres.storage import DagsterPostgresStorage
from dagster_postgres.utils import create_pg_engine, pg_config, pg_url_from_config
from sqlalchemy import URL

from ecom_platform.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dagster._serdes import ConfigurableClassData

#: Connections that a process opens when it is busy; all but one are closed again.
MOST = 20
#: Before firewalls and proxies drop what has been idle.
RECYCLE_SECONDS = 300
#: A new password is asked for at most so often. Dagster tries for six seconds to connect.
PASSWORD_SECONDS = 1
#: Dagster asks again so long before what it was given ends.
_MARGIN_SECONDS = 300


class SecretPassword(PgTokenProvider):
    """The password in a secret of AWS Secrets Manager, as RDS writes and rotates it.

    Args:
        secret: Its ARN or name. Its text is JSON with `host`, `port`, `username`, `password`
            and `dbname`.
    """

    def __init__(self, secret: str) -> None:
        import boto3

        super().__init__()
        self._secret = secret
        self._client = boto3.client("secretsmanager")

    def read(self) -> dict[str, Any]:
        """Return what the secret holds now.

        Raises:
            SettingsError: It cannot be read, or is not what RDS writes.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        held: dict[str, Any] = {}
        try:
            text = self._client.get_secret_value(SecretId=self._secret)["SecretString"]
            held = json.loads(text)
            missing = {"host", "port", "username", "password", "dbname"} - set(held)
        except (BotoCoreError, ClientError) as error:
            raise SettingsError(
                f"The secret {self._secret} cannot be read: {error}",
                hint="Check DAGSTER_POSTGRES_SECRET, and secretsmanager:GetSecretValue of the "
                "task's role.",
            ) from None
        except (KeyError, TypeError, ValueError):
            missing = {"JSON"}
        if missing:
            raise SettingsError(
                f"The secret {self._secret} lacks {', '.join(sorted(missing))}.",
                hint="DAGSTER_POSTGRES_SECRET names the secret that RDS writes: JSON with host, "
                "port, username, password and dbname.",
            )
        return held

    def _fetch_token(self) -> tuple[str, float]:
        return self.read()["password"], time.time() + _MARGIN_SECONDS + PASSWORD_SECONDS


class PostgresStorage(DagsterPostgresStorage):
    """Stores runs, events and schedules in the tables of `DagsterPostgresStorage`.

    Configured as that, or with `secret`, the ARN of the secret that RDS writes.
    """

    def __init__(
        self,
        postgres_url: str,
        inst_data: ConfigurableClassData | None = None,
        password: SecretPassword | None = None,
    ) -> None:
        super().__init__(postgres_url, inst_data=inst_data, token_provider=password)
        engine = create_pg_engine(
            postgres_url,
            password,
            isolation_level="AUTOCOMMIT",
            pool_size=1,
            max_overflow=MOST - 1,
            # After the database has failed over, a kept connection is dead.
            pool_pre_ping=True,
            pool_recycle=RECYCLE_SECONDS,
        )
        for storage in (self._run_storage, self._event_log_storage, self._schedule_storage):
            storage._engine = engine  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """What Dagster's class takes, or `secret`."""
        config = cast("dict[str, Any]", pg_config())
        return {**config, "secret": Field(StringSource, is_required=False)}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> PostgresStorage:
        """Open the storage.

        Raises:
            SettingsError: The secret cannot be read.
        """
        if "secret" not in config_value:
            return cls(pg_url_from_config(config_value), inst_data)
        password = SecretPassword(config_value["secret"])
        held = password.read()
        url = URL.create(
            "postgresql+psycopg2",
            username=held["username"],
            database=held["dbname"],
            query={"host": held["host"], "port": str(held["port"]), "sslmode": "require"},
        )
        return cls(url.render_as_string(), inst_data, password)
