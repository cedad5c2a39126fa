"""ECS that runs containers' commands as processes; docs/localcloud/ecs.md says what differs from AWS."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from moto.ecs.models import EC2ContainerServiceBackend, ecs_backends

from localcloud.backend import every_backend
from localcloud.engine import Engine, Host
from localcloud.engines.ecs_backend import Backend
from localcloud.engines.ecs_cloudformation import replace_resources
from localcloud.engines.ecs_loop import PlacementLoop, ServiceLoop
from localcloud.engines.ecs_metric import UsageGauge
from localcloud.engines.ecs_pool import PoolSettings
from localcloud.engines.ecs_responses import replace_answers
from localcloud.engines.ecs_rollout import ServiceScheduler
from localcloud.engines.ecs_runner import TaskRunner
from localcloud.engines.ecs_service import LocalService
from localcloud.engines.ecs_task import LocalTask
from localcloud.environment import read_seconds

_STATE_SECONDS = 0.1


class EcsEngine:
    """Hooks into moto's ECS."""

    name = "ecs"

    def __init__(self, pool_settings: PoolSettings | None = None, state_seconds: float = _STATE_SECONDS) -> None:
        self._pool_settings = pool_settings or PoolSettings()
        self._state_seconds = state_seconds
        self._undo: list[Callable[[], None]] = []

    def install(self, host: Host) -> None:
        """Replace moto's backend, answers and CloudFormation resources, and begin to keep services."""
        loop = ServiceLoop(_services)
        placement = PlacementLoop(_backends)

        def wake() -> None:
            loop.wake()
            placement.wake()

        runner = TaskRunner(host, keep=_keep, wake=wake, state_seconds=self._state_seconds)
        ecs_backends.clear()
        ecs_backends.backend = type(
            "EC2ContainerServiceBackend",
            (Backend,),
            {
                "runner": runner,
                "loop": loop,
                "placement": placement,
                "pool_settings": self._pool_settings,
                "__module__": EC2ContainerServiceBackend.__module__,
            },
        )
        loop.start(ServiceScheduler(runner))
        placement.start()
        host.metrics.add_gauge(UsageGauge(_services))
        self._undo = [
            replace_resources(),
            replace_answers(),
            _restore_backend,
            runner.close,
            loop.close,
            placement.close,
        ]

    def resume(self) -> None:
        """End the tasks whose processes died with an earlier localcloud; services start new ones."""
        for backend in _backends():
            backend.resume()

    def close(self) -> None:
        """Start nothing any more and undo what `install` changed; the processes are the supervisor's to end."""
        while self._undo:
            self._undo.pop()()


def engine() -> Engine:
    """Return the engine, set up by LOCALCLOUD_ECS_* variables."""
    default = PoolSettings()
    scale_in = read_seconds(os.environ, "LOCALCLOUD_ECS_SCALE_IN_SECONDS", default.scale_in_seconds)
    return EcsEngine(
        PoolSettings(scale_in_seconds=scale_in),
        read_seconds(os.environ, "LOCALCLOUD_ECS_STATE_SECONDS", _STATE_SECONDS),
    )


def _backends() -> Iterator[Backend]:
    return every_backend(ecs_backends, Backend)


def _services() -> Iterator[LocalService]:
    for backend in _backends():
        yield from list(backend.services.values())


def _keep(task: LocalTask) -> None:
    ecs_backends[task.request.account][task.region_name].keep_task(task)


def _restore_backend() -> None:
    ecs_backends.backend = EC2ContainerServiceBackend
    ecs_backends.clear()
