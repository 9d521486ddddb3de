"""Starts runs as tasks of Amazon ECS, of whatever revision the task definition has by then."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._core.storage.tags import RUN_WORKER_ID_TAG
from dagster_aws.ecs import EcsRunLauncher

from ecom_platform.errors import SettingsError
from ecom_platform.instance import CLUSTER, SECURITY_GROUPS, SUBNETS, TASK_DEFINITION

if TYPE_CHECKING:
    from dagster import DagsterRun
    from dagster._serdes import ConfigurableClassData
    from dagster_aws.ecs.container_context import EcsContainerContext


class EcsLauncher(EcsRunLauncher[Any]):
    """Dagster's launcher, told by the environment where runs go, and asking AWS nothing before.

    Dagster's own looks the task definition up when it starts, and would go on launching that
    revision after the next deployment (dagster#17607); the process of a run starts one as well,
    and would need the permission to. Nor can it read subnets from the environment.

    It reads the variables ECOM_ECS_* of `DEPLOYMENT_VARIABLES`.
    """

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(inst_data, use_current_ecs_task_config=False, secrets_tag=None)  # pyright: ignore[reportArgumentType]

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Nothing to configure: what is here counts towards the 8,192 characters of RunTask."""
        return {}

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Say how the task of a run is.

        A task of the run that runs is enough. A daemon that died as it started one did not
        note which, and the next would start another beside it.
        """
        if run.remote_job_origin is None:  # in a process of its own, as `ecom run` makes it
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        running = self.ecs.list_tasks(
            cluster=_set(CLUSTER), startedBy=run.run_id, desiredStatus="RUNNING"
        )
        if running["taskArns"]:
            worker = run.tags.get(RUN_WORKER_ID_TAG)
            return CheckRunHealthResult(WorkerStatus.RUNNING, run_worker_id=worker)
        return super().check_run_worker_health(run)

    def _run_task_kwargs(
        self, run: DagsterRun, image: str | None, container_context: EcsContainerContext
    ) -> dict[str, Any]:
        del image, container_context
        return {
            "startedBy": run.run_id,
            "cluster": _set(CLUSTER),
            "taskDefinition": _set(TASK_DEFINITION),
            "launchType": "FARGATE",
            "networkConfiguration": {
                "awsvpcConfiguration": {
                    "subnets": _set(SUBNETS).split(","),
                    "securityGroups": _set(SECURITY_GROUPS).split(","),
                    "assignPublicIp": "DISABLED",
                }
            },
        }


def _set(variable: str) -> str:
    value = os.environ.get(variable)
    if not value:
        raise SettingsError(
            f"{variable} is not set, so no run can be started.",
            hint="The task definitions of the stack set it: see deploy/cdk.",
        )
    return value
