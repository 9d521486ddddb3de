"""The sensor that keeps what is computed up to date with what it is computed from.

It reads what was published since its last tick, and asks for exactly the days below that were
computed from other versions of their inputs. What it has asked for it remembers until it is up
to date: a run that failed, or that began before the change, is followed by another.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

from ecom_platform.automation.jobs import DAILY_REFRESH
from ecom_platform.automation.runs import busy_days, range_tags
from ecom_platform.calendar import contiguous_ranges
from ecom_platform.datasets import Dataset
from ecom_platform.lake.inputs import INPUTS, Window, hash_of_inputs, window_of
from ecom_platform.lake.publish import Lake
from ecom_platform.lake.storage import open_storage
from ecom_platform.scratch import scratch_folder
from ecom_platform.settings import Settings

DOWNSTREAM_REFRESH = "downstream_refresh"
#: Events that a tick reads of each asset; the next one reads on.
EVENTS = 5_000
#: Seconds until a day that a run has not brought up to date is asked for again: at first, at most.
FIRST_PAUSE, LONGEST_PAUSE = 60, 6 * 3600


@dataclass
class State:
    """What the sensor remembers from tick to tick.

    Args:
        after: Asset path -> storage id of the last event that was read.
        pending: Asset path -> day -> (times it was asked for, when it may be asked for again).
    """

    after: dict[str, int] = field(default_factory=dict[str, int])
    pending: dict[str, dict[str, tuple[int, float]]] = field(
        default_factory=dict[str, dict[str, tuple[int, float]]]
    )

    @classmethod
    def load(cls, cursor: str | None) -> "State":
        """Read a cursor; without one, every event is new."""
        return cls(**json.loads(cursor)) if cursor else cls()

    def dump(self) -> str:
        """Return the cursor."""
        pending = {path: days for path, days in self.pending.items() if days}
        return json.dumps({"after": self.after, "pending": pending})

    def add(self, path: str, day: str) -> None:
        """Note a day that may be out of date; it may be asked for at once."""
        self.pending.setdefault(path, {})[day] = (0, 0.0)


@dataclass(frozen=True)
class Computed:
    """An asset that is computed from others of the lake.

    Args:
        path: `layer/name`.
        inputs: `layer/name` -> which of its days a day needs.
        together: The assets that are computed in one step with it, itself included.
    """

    path: str
    inputs: Mapping[str, Window]
    together: frozenset[dg.AssetKey]


def build_downstream_sensor(settings: Settings, datasets: Sequence[Dataset]) -> dg.SensorDefinition:
    """Build the sensor; it is off until somebody turns it on.

    Args:
        settings: Where the lake is, and the calendar.
        datasets: All that the lake holds.
    """
    known = {dataset.path: dataset for dataset in datasets}

    @dg.sensor(
        name=DOWNSTREAM_REFRESH,
        job_name=DAILY_REFRESH,
        minimum_interval_seconds=30,
        description="Asks for the days that were computed from what has changed since.",
    )
    def downstream_refresh(
        context: dg.SensorEvaluationContext,
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        state = State.load(context.cursor)
        repository = context.repository_def
        assert repository is not None  # noqa: S101 - the daemon always gives one
        computed = _computed(repository.asset_graph, known)
        _read_events(context.instance, settings, known, computed, state)
        with scratch_folder() as scratch:
            lake = Lake(open_storage(settings.lake), settings.calendar, scratch, "")
            stale = _stale(context.instance, settings, known, lake, computed, state)
        requests = list(_requests(context.instance, computed, stale, state))
        yield from requests
        if not requests:
            waiting = sum(map(len, state.pending.values()))
            yield dg.SkipReason(f"Nothing to ask for; {waiting} days wait for a run or a pause.")
        context.update_cursor(state.dump())

    return downstream_refresh


def _computed(graph: AssetGraph, known: Mapping[str, Dataset]) -> list[Computed]:
    """Return the assets that are computed from others of the lake, in an order to compute them."""
    found: list[Computed] = []
    for key in graph.toposorted_asset_keys:
        path = "/".join(key.path)
        parents = {"/".join(parent.path): parent for parent in graph.get(key).parent_keys}
        # What is published beside another asset is out of date exactly when that one is.
        if path not in known or not parents or known[path].layer == "quarantine":
            continue
        inputs = {
            name: window_of(graph.get_partition_mapping(key, parent))
            for name, parent in parents.items()
            if name in known
        }
        found.append(Computed(path, inputs, frozenset(graph.get(key).execution_set_asset_keys)))
    return found


def _read_events(
    instance: dg.DagsterInstance,
    settings: Settings,
    known: Mapping[str, Dataset],
    computed: Sequence[Computed],
    state: State,
) -> None:
    """Note the days that are computed from days published since the last tick."""
    start, last = settings.start_date, settings.calendar.last_closed()
    for path in known:
        below = [(asset, asset.inputs[path]) for asset in computed if path in asset.inputs]
        if not below:
            continue
        records = instance.fetch_materializations(
            dg.AssetRecordsFilter(
                dg.AssetKey(path.split("/")), after_storage_id=state.after.get(path)
            ),
            limit=EVENTS,
            ascending=True,
        ).records
        for record in records:
            day = record.partition_key
            for asset, window in below if day else ():
                for affected in window.affected(str(day), start, last):
                    state.add(asset.path, affected)
        if records:
            state.after[path] = records[-1].storage_id


def _stale(
    instance: dg.DagsterInstance,
    settings: Settings,
    known: Mapping[str, Dataset],
    lake: Lake,
    computed: Sequence[Computed],
    state: State,
) -> dict[str, list[str]]:
    """Return the pending days that are out of date, by asset; forget those that are not.

    A day of which an input is out of date itself waits for it.
    """
    stale: dict[str, list[str]] = {}
    for asset in computed:
        days = sorted(state.pending.get(asset.path, {}))
        if not days:
            continue
        made_from = _made_from(instance, asset.path, days)
        inputs = {
            path: (window, lake.contents(known[path], _all_needed(window, days, settings)))
            for path, window in asset.inputs.items()
        }
        for day in days:
            needed = {
                path: window.needed(day, settings.start_date)
                for path, (window, _) in inputs.items()
            }
            complete = all(n in inputs[path][1] for path, ns in needed.items() for n in ns)
            now = hash_of_inputs(day, inputs, settings.start_date)
            if not complete or made_from.get(day) == now:
                del state.pending[asset.path][day]
            elif not any(n in stale.get(path, ()) for path, ns in needed.items() for n in ns):
                stale.setdefault(asset.path, []).append(day)
    return stale


def _all_needed(window: Window, days: Sequence[str], settings: Settings) -> set[str]:
    return {needed for day in days for needed in window.needed(day, settings.start_date)}


def _made_from(instance: dg.DagsterInstance, path: str, days: Sequence[str]) -> dict[str, str]:
    """Return day -> hash of the inputs that its newest version was computed from."""
    key = dg.AssetKey(path.split("/"))
    newest = instance.get_latest_storage_id_by_partition(
        key, dg.DagsterEventType.ASSET_MATERIALIZATION, set(days)
    )
    if not newest:
        return {}
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(key, storage_ids=list(newest.values())), limit=len(newest)
    ).records
    found: dict[str, str] = {}
    for record in records:
        materialization = record.asset_materialization
        if materialization and record.partition_key and INPUTS in materialization.metadata:
            found[record.partition_key] = str(materialization.metadata[INPUTS].value)
    return found


def _requests(
    instance: dg.DagsterInstance,
    computed: Sequence[Computed],
    stale: Mapping[str, Sequence[str]],
    state: State,
) -> Iterator[dg.RunRequest]:
    """Ask for what no run is working on, and what has not just been asked for in vain."""
    busy = {day.isoformat() for day in busy_days(instance)}
    now = time.time()
    wanted: dict[tuple[date, date], set[dg.AssetKey]] = {}
    for asset in computed:
        pending = state.pending.get(asset.path, {})
        days = [d for d in stale.get(asset.path, ()) if d not in busy and pending[d][1] <= now]
        for day in days:
            times = pending[day][0]
            pause = min(FIRST_PAUSE * 2**times, LONGEST_PAUSE)
            pending[day] = (times + 1, now + pause)
        for span in contiguous_ranges([date.fromisoformat(day) for day in days]):
            wanted.setdefault(span, set()).update(asset.together)
    for (first, last), keys in sorted(wanted.items()):
        yield dg.RunRequest(tags=range_tags(first, last), asset_selection=sorted(keys))
