"""A region's container instances as a pool: tasks are placed on them, wait for them, and groups grow and shrink."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from moto.autoscaling.models import autoscaling_backends
from moto.ec2.models import ec2_backends
from moto.ecs.exceptions import InvalidParameterException

from localcloud.engines.ecs_instance import equip, room_of, settle, size_of, tasks_on
from localcloud.engines.ecs_placement import Need, choose_room, instances_needed
from localcloud.engines.ecs_runner import TaskRunner
from localcloud.engines.ecs_task import LocalTask, StopCode
from localcloud.machine_type import Shape, find_shape

_SMALLEST = Shape(1, 1024, 0)  # for an instance type that nobody knows
_NO_CAPACITY = "Timeout waiting for capacity to become available."
FARGATE = frozenset({"FARGATE", "FARGATE_SPOT"})


@dataclass(frozen=True)
class PoolSettings:
    """How long things take.

    Attributes
    ----------
    scale_in_seconds
        How long an instance of a group with managed scaling is idle before it goes; 15 minutes on AWS.
    wait_seconds
        How long a task waits for capacity before it is given up.
    """

    scale_in_seconds: float = 900.0
    wait_seconds: float = 1800.0


class Pool:
    """Container instances and waiting tasks of one account and region. Used under ECS's lock.

    Parameters
    ----------
    backend
        ECS of the account and region.
    runner
        Starts and stops tasks.
    """

    def __init__(self, backend: Any, runner: TaskRunner, settings: PoolSettings) -> None:
        self._backend = backend
        self._runner = runner
        self._settings = settings
        self._waiting: list[LocalTask] = []
        self._idle_since: dict[str, float] = {}

    def instances(self, cluster_name: str) -> list[Any]:
        """Return the instances of a cluster that take tasks."""
        found = self._backend.container_instances.get(cluster_name, {}).values()
        return [instance for instance in found if instance.status == "ACTIVE" and instance.agent_connected]

    def equip(self, instance: Any) -> None:
        """Register the resources of a new container instance."""
        equip(instance, find_shape(self._ec2_instance(instance).instance_type) or _SMALLEST)

    def place(self, task: LocalTask, request: Mapping[str, Any]) -> list[dict[str, str]]:
        """Start a task where it fits; return the failures when it fits nowhere."""
        candidates = self._candidates(task)
        tasks = self._backend.find_tasks()
        rooms = [room_of(instance, tasks, task.group) for instance in candidates]
        chosen = choose_room(rooms, task.need, request)
        if chosen is None:
            reasons = {room.arn: room.left.lacks(task.need) or "distinctInstance" for room in rooms}
            return [{"arn": arn, "reason": reason} for arn, reason in reasons.items()]
        instance = next(each for each in candidates if each.container_instance_arn == chosen.arn)
        self.put(task, instance)
        return []

    def lack(self, instance: Any, task: LocalTask) -> str | None:
        """Say in ECS's words what an instance lacks for a task; None when it fits."""
        return room_of(instance, self._backend.find_tasks(), task.group).left.lacks(task.need)

    def put(self, task: LocalTask, instance: Any) -> None:
        """Start a task on an instance."""
        settle(instance, task, self._backend.find_tasks())
        self._runner.start(task)

    def wait(self, task: LocalTask, request: Mapping[str, Any]) -> None:
        """Keep a task in PROVISIONING until its group has grown."""
        task.placement = dict(request)
        self._runner.admit(task)
        self._waiting.append(task)

    def step(self) -> None:
        """Place what waits, grow groups for what still waits, and shrink those that idle."""
        self._waiting = [task for task in self._waiting if not task.is_ending and self._has_to_wait(task)]
        for provider in list(self._backend.capacity_providers.values()):
            self._scale(provider)

    def _has_to_wait(self, task: LocalTask) -> bool:
        if (datetime.now(UTC) - task.created_at).total_seconds() > self._settings.wait_seconds:
            self._runner.stop(task, StopCode.FAILED_TO_START, _NO_CAPACITY)
            return False
        self.place(task, task.placement)
        return task.container_instance_arn is None

    def _candidates(self, task: LocalTask) -> list[Any]:
        instances = self.instances(task.cluster_name)
        if task.capacity_provider_name is None:
            return instances
        provider = self._backend._get_provider(task.capacity_provider_name)
        group = self._find_group(provider.auto_scaling_group_provider["autoScalingGroupArn"]) if provider else None
        return [each for each in self._registered(group) if each in instances] if group is not None else []

    def _scale(self, provider: Any) -> None:
        details = provider.auto_scaling_group_provider
        scaling = details.get("managedScaling") or {}
        group = self._find_group(details.get("autoScalingGroupArn", ""))
        if group is None or scaling.get("status") != "ENABLED":
            return
        waiting = [task.need for task in self._waiting if task.capacity_provider_name == provider.name]
        registered = self._registered(group)
        if waiting:
            self._grow(group, waiting, len(group.instance_states) - len(registered), scaling)
        else:
            self._shrink(group, registered)

    def _grow(self, group: Any, needs: Sequence[Need], starting: int, scaling: Mapping[str, Any]) -> None:
        shape = find_shape(group.instance_type) or _SMALLEST
        missing = instances_needed(needs, size_of(shape)) - starting
        if missing <= 0:
            return
        step = min(max(missing, int(scaling["minimumScalingStepSize"])), int(scaling["maximumScalingStepSize"]))
        wanted = min(len(group.instance_states) + step, int(group.max_size))
        if wanted > len(group.instance_states):
            group.set_desired_capacity(wanted)

    def _shrink(self, group: Any, registered: Sequence[Any]) -> None:
        tasks, now = self._backend.find_tasks(), time.monotonic()
        for instance in registered:
            if tasks_on(instance, tasks):
                self._idle_since.pop(instance.id, None)
                continue
            since = self._idle_since.setdefault(instance.id, now)
            if now - since >= self._settings.scale_in_seconds and len(group.instance_states) > int(group.min_size):
                self._idle_since.pop(instance.id)
                backend = autoscaling_backends[self._backend.account_id][self._backend.region_name]
                backend.terminate_instance(instance.ec2_instance_id, should_decrement=True)

    def _registered(self, group: Any) -> list[Any]:
        members = {state.instance.id for state in group.instance_states}
        found = [each for known in self._backend.container_instances.values() for each in known.values()]
        return [instance for instance in found if instance.ec2_instance_id in members]

    def _find_group(self, arn: str) -> Any | None:
        groups = autoscaling_backends[self._backend.account_id][self._backend.region_name].autoscaling_groups
        return next((group for group in groups.values() if arn in {group.arn, group.name}), None)

    def _ec2_instance(self, instance: Any) -> Any:
        return ec2_backends[self._backend.account_id][self._backend.region_name].get_instance(instance.ec2_instance_id)

    def is_managed(self, provider_name: str) -> bool:
        """Whether tasks of a provider may wait for its group to grow.

        Raises
        ------
        InvalidParameterException
            When there is no such provider.
        """
        provider = self._backend._get_provider(provider_name)
        if provider is None:
            raise InvalidParameterException(f"The specified capacity provider {provider_name} was not found.")
        return bool((provider.auto_scaling_group_provider.get("managedScaling") or {}).get("status") == "ENABLED")
