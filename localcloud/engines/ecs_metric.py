"""How much of what they asked for a service's tasks use: CPUUtilization and MemoryUtilization in percent."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator

import psutil

from localcloud.engines.ecs_container import read_memory
from localcloud.engines.ecs_service import LocalService
from localcloud.engines.ecs_task import LocalTask, TaskStatus
from localcloud.metric import Region, Sample, order_dimensions

_UNITS_PER_CPU = 1024


class UsageGauge:
    """Reads the processes of all services' tasks; processor time counts between two readings.

    Parameters
    ----------
    services
        Returns the services of all accounts and regions.
    """

    def __init__(self, services: Callable[[], Iterable[LocalService]]) -> None:
        self._services = services
        self._before: dict[str, tuple[float, float]] = {}

    def __call__(self) -> Iterator[tuple[Region, Sample]]:
        """Yield one sample a task: a service's average and maximum are its tasks'."""
        seen: dict[str, tuple[float, float]] = {}
        for service in self._services():
            region = Region(service._account_id, service.region_name)
            dimensions = order_dimensions({"ClusterName": service.cluster_name, "ServiceName": service.name})
            for task in [task for deployment in list(service.rollouts) for task in list(deployment.tasks)]:
                if task.last_status == TaskStatus.RUNNING:
                    for name, percent in self._use(task, seen):
                        yield region, Sample("AWS/ECS", name, dimensions, percent, "Percent")
        self._before = seen

    def _use(self, task: LocalTask, seen: dict[str, tuple[float, float]]) -> Iterator[tuple[str, float]]:
        cpu_seconds, resident_bytes = _measure(task)
        memory_mib = read_memory(task.memory)
        if memory_mib:
            yield "MemoryUtilization", 100 * resident_bytes / 2**20 / memory_mib
        now = time.monotonic()
        seen[task.id] = (now, cpu_seconds)
        before = self._before.get(task.id)
        share = read_cpu_units(task.cpu) / _UNITS_PER_CPU
        if before is not None and share > 0 and now > before[0]:
            yield "CPUUtilization", 100 * max(0.0, cpu_seconds - before[1]) / (now - before[0]) / share


def read_cpu_units(value: str | int | None) -> float:
    """Return units, of which a processor has 1024, from what a definition says: 256, "256", ".25 vCPU" or nothing."""
    text = str(value or 0).lower()
    return float(text.removesuffix("vcpu")) * _UNITS_PER_CPU if text.endswith("vcpu") else float(text)


def _measure(task: LocalTask) -> tuple[float, int]:
    cpu_seconds, resident_bytes = 0.0, 0
    for container in task.containers:
        if container.child is None:
            continue
        with contextlib.suppress(psutil.Error):
            for member in psutil.Process(container.child.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error), member.oneshot():
                    times = member.cpu_times()
                    cpu_seconds += times.user + times.system
                    resident_bytes += member.memory_info().rss
    return cpu_seconds, resident_bytes
