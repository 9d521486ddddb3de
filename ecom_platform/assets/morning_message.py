"""The asset that sends the figures of the newest day to those who do not open pages."""

import json
from pathlib import Path
from typing import Any

import dagster as dg

from ecom_platform.alerts.channels import Message, open_channels
from ecom_platform.assets.daily_page import add_marts
from ecom_platform.dashboard.page_data import report_day
from ecom_platform.dashboard.summary import Summary, summarize
from ecom_platform.datasets import DATA_OWNER
from ecom_platform.engines.duckdb import Engine
from ecom_platform.errors import AlertError, LakeError, PublishConflictError, SettingsError
from ecom_platform.lake.base import Storage
from ecom_platform.lake.failures import explain_errors
from ecom_platform.lake.pages import DAILY
from ecom_platform.lake.storage import open_storage
from ecom_platform.marts import load_manifest, load_marts
from ecom_platform.settings import Settings


def build_morning_message(settings: Settings) -> list[dg.AssetsDefinition]:
    """Build the asset, where ECOM_MORNING_MESSAGE names a channel."""
    if not settings.morning_message:
        return []

    @dg.asset(
        key=["dashboards", "morning_message"],
        deps=[DAILY.asset.split("/")],
        description="The figures of the newest day, sent to "
        f"{', '.join(settings.morning_message)}: once for each day, and after the page is made.",
        group_name="dashboards",
        owners=[DATA_OWNER],
        required_resource_keys={"engine"},
    )
    def morning_message(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        engine: Engine = context.resources.engine
        with explain_errors(settings.retry_seconds), engine.connect() as connection:
            storage = open_storage(settings.lake)
            add_marts(connection, storage, load_marts(load_manifest()).values(), engine.scratch)
            day = report_day(connection)
            if day is None:
                raise LakeError("No day is computed.", hint="Run: ecom run --from DAY --to DAY")
            summary = summarize(connection, day, settings.retention_days)
            told = send(settings, storage, summary, engine.scratch)
        return dg.MaterializeResult(metadata={"sent to": ", ".join(told) or "all have it already"})

    return [morning_message]


def send(settings: Settings, storage: Storage, summary: Summary, scratch: Path) -> list[str]:
    """Send a day's figures to the channels that have not had them; return which these were.

    That a channel has taken them is kept in the lake. Who sends again after a failure sends to
    those only that had nothing.

    Raises:
        AlertError: A channel did not take them. The others have.
        SettingsError: A channel is named that is not set.
    """
    channels = {channel.name: channel for channel in open_channels(settings)}
    for name in settings.morning_message:
        if name not in channels:
            raise SettingsError(
                f"ECOM_MORNING_MESSAGE names {name}, which is not set.",
                hint=f"Set the settings ECOM_ALERT_{name.upper()}_…, or name another channel.",
            )
    told: list[str] = []
    failures: list[str] = []
    for name in dict.fromkeys(settings.morning_message):
        path = f"dashboards/date={summary.day}/told/{name}.json"
        if storage.stat(path):
            continue
        try:
            channels[name].send(_message(summary))
        except AlertError as error:
            failures.append(str(error))
            continue
        told.append(name)
        _note(storage, path, scratch)
    if failures:
        raise AlertError("\n".join(failures), hint="Materialize it again: only these are tried.")
    return told


def _message(summary: Summary) -> Message:
    name = f"morning-{summary.day}"
    return Message(
        summary.subject, summary.text(), name, name, severity="info", picture=summary.png()
    )


def _note(storage: Storage, path: str, scratch: Path) -> None:
    file = scratch / "told.json"
    file.write_text(json.dumps({"told": True}), encoding="utf-8")
    try:
        storage.put(path, file, replaces=None, facts={})
    except PublishConflictError:  # another run has sent it too
        return
