"""Container instances: moto's records, with the CPU, memory and GPUs of the EC2 instance behind each."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from localcloud.engines.ecs_placement import Need, Room, read_gpus
from localcloud.engines.ecs_task import LocalTask, TaskStatus
from localcloud.machine_type import Shape

_CPU_UNITS = 1024
_SYSTEM_SHARE = 0.03  # of the memory: what the operating system and the agent keep
_PORTS = ["22", "2375", "2376", "51678", "51679"]
_NAMESPACE = uuid.UUID("6f2d4b7e-3c0a-4c6e-9d5b-1a8f0e7c2b94")


def size_of(shape: Shape) -> Need:
    """Return what an empty instance of a type has for tasks."""
    return Need(shape.cpus * _CPU_UNITS, int(shape.memory_mib * (1 - _SYSTEM_SHARE)), shape.gpus)


def equip(instance: Any, shape: Shape) -> None:
    """Register what an instance of a type has."""
    instance.size = size_of(shape)
    instance.gpu_ids = [f"GPU-{uuid.uuid5(_NAMESPACE, f'{instance.ec2_instance_id}/{n}')}" for n in range(shape.gpus)]
    instance.registered_resources = _resources(instance.size, instance.gpu_ids or None)
    instance.remaining_resources = _resources(instance.size, instance.gpu_ids or None)


def tasks_on(instance: Any, tasks: Iterable[LocalTask]) -> list[LocalTask]:
    """Return the tasks that take something of an instance."""
    arn = instance.container_instance_arn
    return [task for task in tasks if task.container_instance_arn == arn and task.last_status != TaskStatus.STOPPED]


def refresh(instance: Any, tasks: Iterable[LocalTask]) -> None:
    """Bring what is left on an instance, and how many tasks it has, up to date."""
    present = tasks_on(instance, tasks)
    free = free_gpus(instance, present) if instance.gpu_ids else None
    instance.remaining_resources = _resources(_left(instance, present), free)
    running = [task for task in present if task.last_status == TaskStatus.RUNNING]
    instance.running_tasks_count = len(running)
    instance.pending_tasks_count = sum(not task.is_ending for task in present) - len(running)


def room_of(instance: Any, tasks: Iterable[LocalTask], group: str) -> Room:
    """Return an instance as a place for one more task of a group."""
    present = tasks_on(instance, tasks)
    return Room(
        arn=instance.container_instance_arn,
        left=_left(instance, present),
        zone=str(instance.attributes.get("ecs.availability-zone") or ""),
        tasks=sum(task.group == group for task in present),
    )


def free_gpus(instance: Any, tasks: Iterable[LocalTask]) -> list[str]:
    """Return the GPUs of an instance that none of its tasks has."""
    taken = {gpu for task in tasks for container in task.containers for gpu in container.gpu_ids}
    return [gpu for gpu in instance.gpu_ids if gpu not in taken]


def settle(instance: Any, task: LocalTask, tasks: Iterable[LocalTask]) -> None:
    """Put a task on an instance, and give its containers their GPUs."""
    free = free_gpus(instance, tasks_on(instance, tasks))
    overrides = {each["name"]: each for each in task.overrides.get("containerOverrides") or []}
    shapes: Mapping[str, Any] = {shape["name"]: shape for shape in task.definition.container_definitions}
    task.container_instance_arn = instance.container_instance_arn
    for container in task.containers:
        count = read_gpus(shapes[container.name], overrides.get(container.name, {}))
        container.gpu_ids, free = free[:count], free[count:]


def _left(instance: Any, present: Iterable[LocalTask]) -> Need:
    left: Need = instance.size
    for task in present:
        left -= task.need
    return left


def _resources(amount: Need, gpu_ids: list[str] | None) -> list[dict[str, Any]]:
    found = [_number("CPU", amount.cpu), _number("MEMORY", amount.memory_mib), _names("PORTS", _PORTS)]
    return [*found, _names("PORTS_UDP", []), *([] if gpu_ids is None else [_names("GPU", gpu_ids)])]


def _number(name: str, value: int) -> dict[str, Any]:
    return {"name": name, "type": "INTEGER", "doubleValue": 0.0, "longValue": 0, "integerValue": value}


def _names(name: str, values: list[str]) -> dict[str, Any]:
    empty = {"doubleValue": 0.0, "longValue": 0, "integerValue": 0}
    return {"name": name, "type": "STRINGSET", **empty, "stringSetValue": list(values)}
