"""ECS that runs containers' commands as processes; docs/localcloud/ecs.md says what differs from AWS."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from moto.ecs.models import EC2ContainerServiceBackend, ecs_backends

from localcloud.engine import Engine, Host
from localcloud.engines.ecs_backend import Backend
from localcloud.engines.ecs_cloudformation import replace_resources
from localcloud.engines.ecs_loop import ServiceLoop
from localcloud.engines.ecs_metric import UsageGauge
from localcloud.engines.ecs_responses import replace_answers
from localcloud.engines.ecs_rollout import ServiceScheduler
from localcloud.engines.ecs_runner import TaskRunner
from localcloud.engines.ecs_service import LocalService
from localcloud.engines.ecs_task import LocalTask


class EcsEngine:
    """Hooks into moto's ECS."""

    name = "ecs"

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def install(self, host: Host) -> None:
        """Replace moto's backend, answers and CloudFormation resources, and begin to keep services."""
        loop = ServiceLoop(_services)
        runner = TaskRunner(host, keep=_keep, wake=loop.wake)
        ecs_backends.clear()
        ecs_backends.backend = type(
            "EC2ContainerServiceBackend",
            (Backend,),
            {"runner": runner, "loop": loop, "__module__": EC2ContainerServiceBackend.__module__},
        )
        loop.start(ServiceScheduler(runner))
        host.metrics.add_gauge(UsageGauge(_services))
        self._undo = [replace_resources(), replace_answers(), _restore_backend, runner.close, loop.close]

    def close(self) -> None:
        """Start nothing any more and undo what `install` changed; the processes are the supervisor's to end."""
        while self._undo:
            self._undo.pop()()


def engine() -> Engine:
    """Return the engine, for `load_engines`."""
    return EcsEngine()


def _backends() -> Iterator[Backend]:
    for account in list(ecs_backends.values()):
        for backend in list(account.values()):
            if isinstance(backend, Backend):
                yield backend


def _services() -> Iterator[LocalService]:
    for backend in _backends():
        yield from list(backend.services.values())


def _keep(task: LocalTask) -> None:
    ecs_backends[task.request.account][task.region_name].keep_task(task)


def _restore_backend() -> None:
    ecs_backends.backend = EC2ContainerServiceBackend
    ecs_backends.clear()
