"""Runs whose process was killed are ended; those that live, or are elsewhere, are not."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.test_utils import create_run_for_test

from ecom_platform.automation.dead_runs import PROCESS_TAG, end_dead_runs, process_tags
from ecom_platform.processes import Process, this_process

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Prints which process it is, and waits.
CHILD = """
import json, sys
from dataclasses import asdict
from ecom_platform.processes import this_process
print(json.dumps(asdict(this_process())), flush=True)
sys.stdin.read()
"""
DAYS = {
    "dagster/asset_partition_range_start": "2024-03-01",
    "dagster/asset_partition_range_end": "2024-03-02",
}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp() as opened:
        yield opened


def test_a_run_whose_process_was_killed_is_ended_and_no_other(
    instance: dg.DagsterInstance,
) -> None:
    def start(tags: dict[str, str], **options: Any) -> str:
        status = dg.DagsterRunStatus.STARTED
        return create_run_for_test(instance, status=status, tags=tags, **options).run_id

    command = [sys.executable, "-c", CHILD]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as child:
        assert child.stdout
        process = Process(**json.loads(child.stdout.readline()))
        in_a_container = f"{process.boot.split()[0]} pid:[1]"
        tags = {PROCESS_TAG: json.dumps(asdict(process)), **DAYS}
        run = start(tags)
        repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("ecom_platform"), "it")
        others = {
            start(process_tags()),
            start({}),  # launched by the daemon
            start(tags, remote_job_origin=RemoteJobOrigin(repository, "daily")),  # launched anew
            start({PROCESS_TAG: json.dumps(asdict(replace(process, host="elsewhere")))}),
            start({PROCESS_TAG: json.dumps(asdict(replace(process, boot=in_a_container)))}),
            start({PROCESS_TAG: json.dumps(asdict(replace(process, machine="", boot="")))}),
            start({PROCESS_TAG: "no process"}),
        }
        assert end_dead_runs(instance) == []
        child.kill()
    # Its number now belongs to another process.
    other = asdict(replace(this_process(), started="1"))
    reused = start({PROCESS_TAG: json.dumps(other)})

    # Since then this machine was started anew.
    earlier = asdict(replace(this_process(), machine="1b", boot="0 pid:[1]"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ecom_platform.processes._machine", lambda: "1b")
        restarted = start({PROCESS_TAG: json.dumps(earlier)})
        assert end_dead_runs(instance) == [f"run {restarted[:8]}"]

    assert sorted(end_dead_runs(instance)) == sorted(
        [f"run {run[:8]} of 2024-03-01 to 2024-03-02", f"run {reused[:8]}"]
    )

    going = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    assert {one.run_id for one in going} == others
    [failure] = instance.get_records_for_run(run, of_type=dg.DagsterEventType.RUN_FAILURE).records
    message = failure.event_log_entry.get_dagster_event().message
    assert message
    assert f"process {process.pid} on {process.host}, which it was in, is gone" in message
    assert end_dead_runs(instance) == []
