"""A task and its containers, as DescribeTasks shows them. Changed under ECS's lock only."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from localcloud.engines.ecs_container import ContainerPlan
from localcloud.engines.ecs_placement import read_need
from localcloud.health import Health
from localcloud.process import Child

ADDRESS = "127.0.0.1"
_ENDING = ("DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED")


class TaskStatus(StrEnum):
    """The life of a task, in ECS's order."""

    PROVISIONING = "PROVISIONING"
    PENDING = "PENDING"
    ACTIVATING = "ACTIVATING"
    RUNNING = "RUNNING"
    DEACTIVATING = "DEACTIVATING"
    STOPPING = "STOPPING"
    DEPROVISIONING = "DEPROVISIONING"
    STOPPED = "STOPPED"


BEFORE_RUNNING = frozenset({TaskStatus.PROVISIONING.value, TaskStatus.PENDING.value, TaskStatus.ACTIVATING.value})


class StopCode(StrEnum):
    """Who or what ended a task."""

    FAILED_TO_START = "TaskFailedToStart"
    CONTAINER_EXITED = "EssentialContainerExited"
    USER = "UserInitiated"
    SCHEDULER = "ServiceSchedulerInitiated"
    HOST_GONE = "TerminationNotice"


@dataclass(frozen=True)
class TaskTarget:
    """A task's place in a target group."""

    group_arn: str
    port: int


@dataclass(eq=False)
class TaskContainer:
    """One container. The names of the first fields are the API's in snake case."""

    name: str
    image: str
    task_arn: str
    cpu: str
    memory: str | None
    container_arn: str
    last_status: str = TaskStatus.PENDING.value
    exit_code: int | None = None
    reason: str | None = None
    health_status: str = Health.UNKNOWN.value
    runtime_id: str | None = None
    network_bindings: list[dict[str, Any]] = field(default_factory=list)
    network_interfaces: list[dict[str, Any]] = field(default_factory=list)
    gpu_ids: list[str] = field(default_factory=list)
    plan: ContainerPlan | None = None
    child: Child | None = None

    def end(self, code: int, killed_for: str | None) -> None:
        """Record the end of the container's process, once; negative codes are signals."""
        if self.last_status == TaskStatus.STOPPED:
            return
        self.last_status = TaskStatus.STOPPED.value
        self.exit_code = 128 - code if code < 0 else code
        if killed_for == "memory":
            self.exit_code = 128 + signal.SIGKILL
            self.reason = "OutOfMemoryError: Container killed due to memory usage"


@dataclass(frozen=True)
class TaskRequest:
    """What a task is started with, whoever asks for it."""

    account: str
    region: str
    cluster_name: str
    cluster_arn: str
    group: str
    started_by: str = ""
    launch_type: str = "FARGATE"
    capacity_provider: str | None = None
    platform_version: str | None = None
    network: Mapping[str, Any] = field(default_factory=dict)
    overrides: Mapping[str, Any] = field(default_factory=dict)
    load_balancers: tuple[Mapping[str, Any], ...] = ()
    tags: tuple[Mapping[str, str], ...] = ()


class LocalTask:
    """One task. Public attributes carry the API's names in snake case, as moto's serializer reads them."""

    container_instance_arn: str | None = None
    connectivity = "CONNECTED"
    platform_family = "Linux"
    version = 1

    def __init__(self, request: TaskRequest, definition: Any) -> None:
        self.request = request
        self.definition = definition
        self.id = uuid.uuid4().hex
        self.task_arn = f"arn:aws:ecs:{request.region}:{request.account}:task/{request.cluster_name}/{self.id}"
        self.cluster_arn = request.cluster_arn
        self.cluster_name = request.cluster_name
        self.region_name = request.region
        self.availability_zone = f"{request.region}a"
        self.task_definition_arn = definition.arn
        self.cpu, self.memory = definition.cpu, definition.memory
        self.group, self.started_by = request.group, request.started_by
        self.launch_type = request.launch_type
        self.capacity_provider_name = request.capacity_provider
        self.platform_version = (request.platform_version or "1.4.0") if request.launch_type == "FARGATE" else None
        self.overrides = dict(request.overrides)
        self.need = read_need(definition, self.overrides)
        self.placement: dict[str, Any] = {}
        self.tags = [dict(tag) for tag in request.tags]
        self.attachments = _attachments(request, definition)
        self.containers = [self._container(shape) for shape in definition.container_definitions]
        self.desired_status = TaskStatus.RUNNING.value
        self.last_status = TaskStatus.PROVISIONING.value
        self.stop_code: str | None = None
        self.stopped_reason: str | None = None
        self.created_at = datetime.now(UTC)
        self.started_at: datetime | None = None
        self.stopping_at: datetime | None = None
        self.execution_stopped_at: datetime | None = None
        self.stopped_at: datetime | None = None
        self.ports: list[int] = []
        self.targets: list[TaskTarget] = []
        self.failed = False
        self.failure_counted = False

    @property
    def health_status(self) -> str:
        """Health by the containers' own checks; those without one do not matter."""
        checked = [each.health_status for each in self.containers if each.plan is not None and each.plan.check]
        for status in (Health.UNHEALTHY, Health.UNKNOWN):
            if status in checked:
                return status.value
        return (Health.HEALTHY if checked else Health.UNKNOWN).value

    @property
    def is_checked(self) -> bool:
        """Whether a container has a health check of its own."""
        return any(each.plan is not None and each.plan.check for each in self.containers)

    @property
    def is_ending(self) -> bool:
        """Whether the task is on its way out, or gone."""
        return self.last_status in _ENDING

    @property
    def age_seconds(self) -> float:
        """Time since the task began to run."""
        return 0.0 if self.started_at is None else (datetime.now(UTC) - self.started_at).total_seconds()

    def move(self, status: TaskStatus) -> bool:
        """Go on towards RUNNING, unless the task is to end; whether it went on."""
        if self.is_ending:
            return False
        self.last_status = status.value
        return True

    def note_start(self) -> None:
        """Note that the containers have been started."""
        self.started_at = datetime.now(UTC)

    def run(self) -> None:
        """Note that the task is up."""
        self.last_status = TaskStatus.RUNNING.value
        self.started_at = self.started_at or datetime.now(UTC)

    def begin_end(self, code: StopCode, reason: str) -> bool:
        """Note that the task is to end; False when it is ending already."""
        if self.is_ending:
            return False
        self.last_status = TaskStatus.DEACTIVATING.value
        self.desired_status = TaskStatus.STOPPED.value
        self.stop_code, self.stopped_reason = code.value, reason
        self.stopping_at = datetime.now(UTC)
        return True

    def lose(self, reason: str) -> None:
        """Note that the task's host is gone, and its processes with it."""
        self.begin_end(StopCode.HOST_GONE, reason)
        self.failure_counted = True  # no fault of the task's
        self.end()

    def end(self) -> None:
        """Note that nothing of the task runs any more."""
        self.last_status = self.desired_status = TaskStatus.STOPPED.value
        self.execution_stopped_at = self.stopped_at = datetime.now(UTC)
        for container in self.containers:
            container.last_status = TaskStatus.STOPPED.value

    def _container(self, shape: Mapping[str, Any]) -> TaskContainer:
        arn = self.task_arn.replace(":task/", ":container/") + f"/{uuid.uuid4()}"
        interfaces = [{"attachmentId": each["id"], "privateIpv4Address": ADDRESS} for each in self.attachments]
        memory = shape.get("memory")
        return TaskContainer(
            name=shape["name"],
            image=shape["image"],
            task_arn=self.task_arn,
            cpu=str(shape.get("cpu", 0)),
            memory=None if memory is None else str(memory),
            container_arn=arn,
            network_interfaces=interfaces,
        )


def _attachments(request: TaskRequest, definition: Any) -> list[dict[str, Any]]:
    if definition.network_mode != "awsvpc":
        return []
    subnets = (request.network.get("awsvpcConfiguration") or {}).get("subnets") or [""]
    details = {
        "subnetId": subnets[0],
        "networkInterfaceId": f"eni-{uuid.uuid4().hex[:17]}",
        "privateIPv4Address": ADDRESS,
    }
    return [
        {
            "id": str(uuid.uuid4()),
            "type": "ElasticNetworkInterface",
            "status": "ATTACHED",
            "details": [{"name": name, "value": value} for name, value in details.items()],
        }
    ]
