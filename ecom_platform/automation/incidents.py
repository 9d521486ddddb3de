"""The sensor that keeps the incidents, and tells people of them."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from logging import Logger

import dagster as dg

from ecom_platform.alerts.channels import LogChannel, Series, open_channels
from ecom_platform.alerts.routes import load_routes
from ecom_platform.automation.catalog import Catalog
from ecom_platform.automation.finished_runs import finished_runs, note_read
from ecom_platform.automation.run_answers import read_run
from ecom_platform.datasets import Dataset
from ecom_platform.errors import AlertError
from ecom_platform.incidents.model import NO_DAY, Alert, Observation, State
from ecom_platform.incidents.observe import observe
from ecom_platform.incidents.outbox import Outbox
from ecom_platform.incidents.parents import find_parents
from ecom_platform.incidents.policy import Policy
from ecom_platform.incidents.series import read_series
from ecom_platform.incidents.store import IncidentStore
from ecom_platform.lake.storage import open_storage
from ecom_platform.scratch import scratch_folder
from ecom_platform.settings import Settings

INCIDENTS = "incidents"


def build_incident_sensor(settings: Settings, datasets: Sequence[Dataset]) -> dg.SensorDefinition:
    """Build the sensor; it is on from the start.

    Args:
        settings: Where the lake is, and whom to tell.
        datasets: All that the lake holds, for the pictures of metrics.
    """

    @dg.sensor(
        name=INCIDENTS,
        description="Reads what finished runs say, keeps the incidents, and tells people.",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def incidents(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        repository = context.repository_def
        assert repository is not None  # noqa: S101 - the daemon always gives one
        catalog = Catalog(repository.asset_graph)
        told = keep_incidents(settings, datasets, context.instance, catalog, _now, context.log)
        return dg.SkipReason(told)

    return incidents


def keep_incidents(
    settings: Settings,
    datasets: Sequence[Dataset],
    instance: dg.DagsterInstance,
    catalog: Catalog,
    clock: Callable[[], datetime],
    log: Logger,
) -> str:
    """Take in what runs have said since the last time, and send what is due.

    Args:
        settings: Where the lake is, and whom to tell.
        datasets: All that the lake holds.
        instance: Whose runs are read.
        catalog: What is known of assets and checks.
        clock: Tells the moment, aware.
        log: Of the tick; it gets every alert.

    Returns:
        What there is, in words.

    Raises:
        AlertError: A channel did not take an alert. It is kept, and sent again.
        SettingsError: The routes are wrong.
        LakeError: The lake cannot be read or written.
    """
    channels = open_channels(settings)
    routes = load_routes(settings, [channel.name for channel in channels])
    policy, lineage = Policy.of(settings), catalog.lineage()
    metrics = {dataset.path: dataset for dataset in datasets if dataset.layer == "metrics"}
    with scratch_folder() as scratch:
        storage = open_storage(settings.lake)
        store = IncidentStore(storage, scratch)
        _take_in_runs(store, instance, catalog, clock())
        store.update(lambda state: policy.raise_alerts(state, lineage, clock()))

        def draw(alert: Alert) -> Series | None:
            if alert.asset not in metrics or alert.day == NO_DAY:
                return None
            known = store.read().incidents
            days = [day for one in known if one.id == alert.incident for day in one.days]
            try:
                return read_series(
                    storage, scratch, metrics[alert.asset], alert.region, alert.day, days
                )
            except Exception as error:  # noqa: BLE001 - no alert waits for its picture
                log.info("There is no picture of %s: %s", alert.asset, error)
                return None

        failures = Outbox(store, [LogChannel(log), *channels], routes, draw).send(clock)
        state = store.read()
    if failures:
        raise AlertError("\n".join(dict.fromkeys(failures)))
    return f"{len(state.incidents)} incidents are open; {len(state.alerts)} alerts wait."


def take_in_runs(
    settings: Settings, instance: dg.DagsterInstance, catalog: Catalog, now: datetime
) -> State:
    """Take in what runs have said since the last time, as the sensor does, and tell nobody.

    Each run is taken in once, by the sensor or by whoever made it: without Dagster's daemon no
    sensor ever ticks. People are told at the sensor's next tick.

    Args:
        settings: Where the lake is.
        instance: Whose runs are read.
        catalog: What is known of assets and checks.
        now: The moment, aware.

    Returns:
        All incidents.

    Raises:
        LakeError: The lake cannot be read or written.
    """
    with scratch_folder() as scratch:
        store = IncidentStore(open_storage(settings.lake), scratch)
        _take_in_runs(store, instance, catalog, now)
        store.update(lambda state: find_parents(state, catalog.lineage(), now))
        return store.read()


def _take_in_runs(
    store: IncidentStore, instance: dg.DagsterInstance, catalog: Catalog, now: datetime
) -> None:
    for record in finished_runs(instance, store.read().position, now):
        seen = read_run(instance, record.dagster_run, catalog)
        store.update(partial(_take_in, record=record, seen=seen))


def _take_in(state: State, record: dg.RunRecord, seen: Sequence[Observation]) -> None:
    if record.dagster_run.run_id not in state.position.runs:
        observe(state, seen)
        note_read(state.position, record)


def report(settings: Settings, seen: Sequence[Observation]) -> None:
    """Take in what a sensor itself has seen; people are told at the next tick of `incidents`.

    Raises:
        LakeError: The lake cannot be read or written.
    """
    with scratch_folder() as scratch:
        store = IncidentStore(open_storage(settings.lake), scratch)
        store.update(lambda state: observe(state, seen))


def _now() -> datetime:
    return datetime.now(UTC)
