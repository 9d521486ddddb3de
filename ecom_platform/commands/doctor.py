"""`ecom doctor`: what is wrong with this environment, and what to do about each finding."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from ecom_platform.commands.formats import print_findings
from ecom_platform.errors import EcomError
from ecom_platform.findings import NOTE, OK, WRONG, Finding
from ecom_platform.instance import DEPLOYMENT_VARIABLES
from ecom_platform.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ecom_platform.settings import Settings


def examine() -> int:
    """Print the findings; return 0, or 1 when something is wrong."""
    try:
        settings = load_settings()
    except EcomError as error:
        findings = [_wrong("settings", error)]
    else:
        findings = [
            *_settings(settings),
            *_found("source", lambda: _source(settings)),
            *_found("lake", lambda: _lake(settings)),
            *_found("e-mail key", lambda: _email_key(settings)),
            *_found("thresholds", lambda: _thresholds(settings)),
            *_found("Dagster instance", _instance),
            *_found("alert channels", lambda: _alert_channels(settings)),
        ]
    print_findings(findings)
    return 1 if any(finding.mark == WRONG for finding in findings) else 0


def _wrong(what: str, error: EcomError) -> Finding:
    return Finding(WRONG, what, error.message, error.hint)


def _found(what: str, look: Callable[[], Iterator[Finding]]) -> list[Finding]:
    try:
        return list(look())
    except EcomError as error:
        return [_wrong(what, error)]
    except Exception as error:  # noqa: BLE001 - the other findings are wanted all the same
        return [Finding(WRONG, what, f"{type(error).__name__}: {error}")]


def _settings(settings: Settings) -> Iterator[Finding]:
    closed = settings.calendar.last_closed()
    yield Finding(
        OK,
        "settings",
        f"days in {settings.timezone} from {settings.start_date}; last closed day {closed}",
    )
    known = [f"ECOM_{name.upper()}" for name in type(settings).model_fields]
    known += DEPLOYMENT_VARIABLES
    for name in sorted(os.environ):
        if name.startswith("ECOM_") and name not in known:
            near = ", ".join(get_close_matches(name, known)) or "see docs/reference/settings.md"
            yield Finding(
                NOTE, "settings", f"{name} is no setting, and ignored", f"Instead: {near}"
            )
    if closed < settings.start_date:
        yield Finding(
            NOTE,
            "settings",
            f"ECOM_START_DATE, {settings.start_date}, is not over yet: there is no day to make",
            "Set ECOM_START_DATE to the first day that is wanted.",
        )


def _source(settings: Settings) -> Iterator[Finding]:
    from ecom_platform.sources import open_source

    for line in open_source(settings).check():
        word = line.split(",")[0]
        mark = {"Warning": NOTE, "Wrong": WRONG}.get(word, OK)
        yield Finding(mark, "source", line)


def _lake(settings: Settings) -> Iterator[Finding]:
    from ecom_platform.assets.metrics import METRICS
    from ecom_platform.lake.storage import open_storage

    storage = open_storage(settings.lake)
    storage.check()
    yield Finding(OK, "lake", f"{settings.lake} can be written")
    if settings.dashboards:
        open_storage(settings.dashboards).check()
        yield Finding(OK, "pages", f"{settings.dashboards} can be written")
    name = METRICS[0].dataset.path
    days = sorted(path.split("date=")[1][:10] for path in storage.etags(name))
    closed = settings.calendar.last_closed().isoformat()
    if not days:
        yield Finding(
            NOTE,
            "lake",
            "no day was ever published",
            f"Run: ecom run --from {settings.start_date} --to {closed}",
        )
    elif days[-1] < closed:
        yield Finding(
            NOTE,
            "lake",
            f"the newest day of {name} is {days[-1]}; {closed} is closed too",
            "Start the daily schedule (dagster-daemon), or run the missing days.",
        )
    else:
        yield Finding(OK, "lake", f"{name} has days up to {days[-1]} ({len(days)})")


def _thresholds(settings: Settings) -> Iterator[Finding]:
    from ecom_platform.assets.day_checks import declare_checks
    from ecom_platform.quality.events import load_events

    declare_checks(settings)
    source = settings.thresholds or "the defaults"
    yield Finding(OK, "thresholds", f"{source}; {len(load_events(settings.events))} events")


def _email_key(settings: Settings) -> Iterator[Finding]:
    from ecom_platform.privacy import load_email_key

    if settings.email_hmac_key:
        yield Finding(OK, "e-mail key", "ECOM_EMAIL_HMAC_KEY is set")
        return
    home = os.environ.get("DAGSTER_HOME")
    if home and not Path(home).is_dir():
        return  # the finding on the Dagster instance says so
    load_email_key(None)
    yield Finding(
        NOTE,
        "e-mail key",
        f"kept in {home}, as ECOM_EMAIL_HMAC_KEY is not set",
        "Where that folder does not outlive the machine, set ECOM_EMAIL_HMAC_KEY.",
    )


def _alert_channels(settings: Settings) -> Iterator[Finding]:
    from ecom_platform.alerts.channels import open_channels
    from ecom_platform.alerts.routes import load_routes

    channels = open_channels(settings)
    routes = load_routes(settings, [channel.name for channel in channels])
    if not channels:
        yield Finding(
            NOTE,
            "alert channels",
            "none: what is wrong shows in the Dagster UI and in `ecom incidents`, and nobody "
            "is told",
            "Set ECOM_ALERT_EMAIL_SMTP, ECOM_ALERT_SLACK_WEBHOOK or ECOM_ALERT_SNS_TOPIC.",
        )
    for channel in channels:
        try:
            channel.check()
        except EcomError as error:
            yield _wrong("alert channels", error)
        else:
            yield Finding(OK, "alert channels", f"{channel.name} takes alerts")
    if routes.route:
        yield Finding(OK, "alert routes", f"{settings.alert_routes}: {len(routes.route)} routes")


def _instance() -> Iterator[Finding]:
    import dagster as dg

    home = os.environ.get("DAGSTER_HOME")
    if not home:
        yield Finding(
            WRONG,
            "Dagster instance",
            "DAGSTER_HOME is not set: `ecom run` records its runs in .dagster of whatever folder "
            "it is started in, and other commands of Dagster nowhere",
            "Set DAGSTER_HOME to a folder that stays.",
        )
        return
    if Path(home).is_dir() and not (Path(home) / "dagster.yaml").exists():
        yield Finding(
            NOTE,
            "Dagster instance",
            f"{home} has no dagster.yaml yet; the first `ecom run` writes one",
            "Where Dagster runs all day, copy the project's dagster.yaml there.",
        )
        return
    try:
        with dg.DagsterInstance.get() as instance:
            runs = instance.get_runs_count()
            kind = type(instance.event_log_storage).__name__.removesuffix("EventLogStorage")
    except Exception as error:  # noqa: BLE001 - whatever keeps the instance from opening
        yield Finding(
            WRONG,
            "Dagster instance",
            f"{home} does not open: {str(error).splitlines()[0]}",
            "Set DAGSTER_HOME to the absolute path of a folder that exists; correct dagster.yaml "
            "there, or start its database.",
        )
        return
    yield Finding(OK, "Dagster instance", f"{home}: {runs} runs recorded, in {kind}")
