"""The ECS backend: moto's clusters and task definitions, with services and tasks that really run."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from moto.ecs.exceptions import ECSException, InvalidParameterException, ServiceNotFoundException
from moto.ecs.models import EC2ContainerServiceBackend

from localcloud.engines.ecs_deployment import RolloutState
from localcloud.engines.ecs_history import find_deployment
from localcloud.engines.ecs_loop import ServiceLoop
from localcloud.engines.ecs_request import (
    check_balancers,
    check_count,
    check_definition,
    check_deployment,
    check_network,
    token_conflict,
)
from localcloud.engines.ecs_rollout import fail_deployment, roll_back
from localcloud.engines.ecs_runner import TaskRunner
from localcloud.engines.ecs_service import LocalService
from localcloud.engines.ecs_task import LocalTask, StopCode, TaskRequest, TaskStatus
from localcloud.lock import service_lock

_STOPPED_SHOWN = timedelta(hours=1)
_NEW_DEPLOYMENT = ("networkConfiguration", "loadBalancers", "platformVersion")
_lock = service_lock("ecs")


class Backend(EC2ContainerServiceBackend):  # type: ignore[misc]
    """ECS of one account and region."""

    runner: ClassVar[TaskRunner]
    loop: ClassVar[ServiceLoop]

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self._tokens: dict[str, tuple[str, list[LocalTask]]] = {}

    def reset(self) -> None:
        """Forget everything; what runs is stopped."""
        with _lock:
            self.services.clear()
            for task in self.find_tasks():
                self.runner.stop(task, StopCode.USER, "localcloud was reset")
            super().reset()

    def keep_task(self, task: LocalTask) -> None:
        """List a task, and forget those that stopped long ago."""
        tasks = self.tasks.setdefault(task.cluster_name, {})
        tasks[task.task_arn] = task
        horizon = datetime.now(UTC) - _STOPPED_SHOWN
        for arn in [arn for arn, each in tasks.items() if each.stopped_at and each.stopped_at < horizon]:
            del tasks[arn]

    def find_tasks(self) -> list[LocalTask]:
        """Return every task of the region."""
        return [task for tasks in list(self.tasks.values()) for task in list(tasks.values())]

    def start_service(self, request: Mapping[str, Any]) -> LocalService:
        """Carry out CreateService."""
        with _lock:
            cluster = self._get_cluster(request.get("cluster") or "default")
            definition = self.describe_task_definition(request.get("taskDefinition") or "")
            present = self.services.get(f"{cluster.name}:{request['serviceName']}")
            if present is not None and present.status != "INACTIVE":
                return _accept_repeat(present, request)
            check_deployment(request)
            check_definition(definition)
            check_network(definition, request.get("networkConfiguration"))
            check_balancers(self.account_id, self.region_name, definition, request.get("loadBalancers") or [])
            service = LocalService(self, cluster, definition, request)
            if service.network_configuration:
                service.network_configuration["awsvpcConfiguration"].setdefault("securityGroups", [])
                service._validate_network(service.network_configuration)
            self.services[f"{cluster.name}:{service.name}"] = service
        self.loop.wake()
        return service

    def change_service(self, request: Mapping[str, Any]) -> LocalService:
        """Carry out UpdateService: a new deployment when what runs changes, else a new count or configuration."""
        with _lock:
            service = self._active_service(request)
            check_deployment(request)
            definition = self._definition(service, request.get("taskDefinition"))
            changed = [key for key in _NEW_DEPLOYMENT if request.get(key) not in (None, _current(service, key))]
            is_new = bool(changed or request.get("forceNewDeployment") or definition.arn != service.task_definition)
            if is_new:
                balancers = request.get("loadBalancers", service.load_balancers)
                check_network(definition, request.get("networkConfiguration") or service.network_configuration)
                check_balancers(self.account_id, self.region_name, definition, balancers)
            self._apply(service, request)
            if is_new:
                service.deploy(definition)
            service.steady = False
        self.loop.wake()
        return service

    def stop_deployment(self, arn: str, kind: str) -> None:
        """Carry out StopServiceDeployment: the deployment under way fails, and ROLLBACK brings the last one back."""
        with _lock:
            service, deployment = find_deployment(self.services, arn)
            if deployment is not service.primary or deployment.rollout_state is not RolloutState.IN_PROGRESS:
                raise ECSException("ConflictException", "The service deployment is not in progress.")
            if kind == "ROLLBACK" and service.last_completed is None:
                raise InvalidParameterException("There is no completed deployment to roll back to.")
            fail_deployment(service, "Service deployment stopped by the user.", time.monotonic())
            if kind == "ROLLBACK":
                roll_back(service, "Service deployment rolled back by the user")
        self.loop.wake()

    def delete_service(self, cluster_name: str, service_name: str, force: bool) -> LocalService:
        """Stop a service; it is INACTIVE when its last task has ended."""
        with _lock:
            service: LocalService = self._get_service(cluster_name, service_name)
            if service.status == "INACTIVE":
                raise ServiceNotFoundException
            if service.desired_count > 0 and not force:
                raise InvalidParameterException("The service cannot be stopped while it is scaled above 0.")
            service.desired_count = 0
            service.status = "DRAINING"
            service.steady = False
        self.loop.wake()
        return service

    def wait_deleted(self, service: LocalService, timeout_seconds: float) -> bool:
        """Wait until a deleted service has no tasks; False when it still has some."""
        deadline = time.monotonic() + timeout_seconds
        while service.status != "INACTIVE" and time.monotonic() < deadline:
            time.sleep(0.05)
        return bool(service.status == "INACTIVE")

    def list_services(
        self, cluster_str: str, scheduling_strategy: str | None = None, launch_type: str | None = None
    ) -> list[str]:
        """Return the ARNs of the services that are not INACTIVE."""
        arns = set(super().list_services(cluster_str, scheduling_strategy, launch_type))
        gone = {service.arn for service in self.services.values() if service.status == "INACTIVE"}
        return sorted(arns - gone)

    def start_tasks(self, request: Mapping[str, Any]) -> list[LocalTask]:
        """Carry out RunTask; the same client token again returns the tasks that are there."""
        with _lock:
            cluster = self._get_cluster(request.get("cluster") or "default")
            token, digest = request.get("clientToken"), json.dumps(request, sort_keys=True, default=str)
            if token in self._tokens:
                known, tasks = self._tokens[token]
                if known != digest:
                    raise token_conflict([task.task_arn for task in tasks])
                return tasks
            definition = self.describe_task_definition(request["taskDefinition"])
            check_definition(definition)
            check_network(definition, request.get("networkConfiguration"))
            check_count(int(request.get("count") or 1))
            asked = _task_request(self, cluster, definition, request)
            tasks = [LocalTask(asked, definition) for _ in range(int(request.get("count") or 1))]
            if token:
                self._tokens[token] = (digest, tasks)
            for task in tasks:
                self.runner.start(task)
            return tasks

    def stop_task(self, cluster_str: str, task_str: str, reason: str) -> LocalTask:
        """Stop one task; a service replaces its own."""
        with _lock:
            cluster = self._get_cluster(cluster_str)
            for task in self.find_tasks():
                if task.cluster_name == cluster.name and task_str in {task.id, task.task_arn}:
                    self.runner.stop(task, StopCode.USER, reason or "Task stopped by user")
                    return task
            raise InvalidParameterException("The referenced task was not found.")

    def list_tasks(self, cluster_str: str | None = None, *filters: Any, **named: Any) -> list[LocalTask]:
        """Return tasks; as on AWS those that are to run, unless another desired status is asked for."""
        keys = ("container_instance", "family", "started_by", "service_name", "desired_status")
        wanted: dict[str, Any] = {**dict(zip(keys, filters, strict=False)), **named}
        cluster = self._get_cluster(cluster_str) if cluster_str else None
        status = wanted.get("desired_status") or TaskStatus.RUNNING.value
        return [
            task
            for task in self.find_tasks()
            if task.desired_status == status
            and cluster in (None, self.clusters.get(task.cluster_name))
            and _matches(task, wanted)
        ]

    def describe_tasks(self, cluster_str: str, tasks: list[str]) -> list[LocalTask]:
        """Return the tasks that are known; `missing_tasks` names the others."""
        cluster = self._get_cluster(cluster_str)
        if not tasks:
            raise InvalidParameterException("Tasks cannot be empty.")
        wanted = {task.split("/")[-1] for task in tasks}
        return [task for task in self.find_tasks() if task.cluster_name == cluster.name and task.id in wanted]

    def describe_clusters(self, cluster_names: list[str]) -> Any:
        """Return clusters with the tasks and services they have now."""
        clusters, failures = super().describe_clusters(cluster_names)
        for cluster in clusters:
            tasks = [task.last_status for task in self.find_tasks() if task.cluster_name == cluster.name]
            cluster.running_tasks_count = tasks.count(TaskStatus.RUNNING.value)
            cluster.pending_tasks_count = tasks.count(TaskStatus.PENDING.value)
            cluster.active_services_count = len(self._services_of(cluster))
        return clusters, failures

    def delete_cluster(self, cluster_str: str) -> Any:
        """Delete a cluster that has neither services nor tasks."""
        cluster = self._get_cluster(cluster_str)
        if self._services_of(cluster):
            raise ECSException(
                "ClusterContainsServicesException", "The Cluster cannot be deleted while Services are active."
            )
        tasks = [task for task in self.find_tasks() if task.cluster_name == cluster.name]
        if any(task.last_status != TaskStatus.STOPPED for task in tasks):
            raise ECSException("ClusterContainsTasksException", "The Cluster cannot be deleted while Tasks are active.")
        return super().delete_cluster(cluster_str)

    def _services_of(self, cluster: Any) -> list[LocalService]:
        found = [service for service in self.services.values() if service.cluster_name == cluster.name]
        return [service for service in found if service.status != "INACTIVE"]

    def _active_service(self, request: Mapping[str, Any]) -> LocalService:
        service: LocalService = self._get_service(request.get("cluster") or "default", request["service"])
        if service.status != "ACTIVE":
            raise ECSException("ServiceNotActiveException", "Service was not ACTIVE.")
        return service

    def _definition(self, service: LocalService, name: str | None) -> Any:
        if not name:
            return service.primary.definition
        definition = self.describe_task_definition(name)
        check_definition(definition)
        return definition

    def _apply(self, service: LocalService, request: Mapping[str, Any]) -> None:
        service.configure(request.get("deploymentConfiguration"))
        if request.get("desiredCount") is not None:
            service.desired_count = int(request["desiredCount"])
        if request.get("healthCheckGracePeriodSeconds") is not None:
            service.health_check_grace_period_seconds = int(request["healthCheckGracePeriodSeconds"])
        service.load_balancers = list(request.get("loadBalancers", service.load_balancers))
        service.network_configuration = dict(request.get("networkConfiguration") or service.network_configuration)
        service.platform_version = request.get("platformVersion") or service.platform_version


def _accept_repeat(present: LocalService, request: Mapping[str, Any]) -> LocalService:
    if present.status == "DRAINING":
        raise InvalidParameterException("Unable to Start a service that is still Draining.")
    token = request.get("clientToken")
    if token and token == present.client_token:
        return present
    raise InvalidParameterException("Creation of service was not idempotent.")


def _current(service: LocalService, key: str) -> Any:
    current = {
        "networkConfiguration": service.network_configuration,
        "loadBalancers": service.load_balancers,
        "platformVersion": service.platform_version,
    }
    return current[key]


def _matches(task: LocalTask, wanted: Mapping[str, Any]) -> bool:
    service, family = wanted.get("service_name"), wanted.get("family")
    return (
        (not service or task.group == f"service:{service.split('/')[-1]}")
        and (not family or task.definition.family == family)
        and (not wanted.get("started_by") or task.started_by == wanted["started_by"])
        and not wanted.get("container_instance")
    )


def _task_request(backend: Backend, cluster: Any, definition: Any, request: Mapping[str, Any]) -> TaskRequest:
    inherited = definition.tags if request.get("propagateTags") == "TASK_DEFINITION" else []
    return TaskRequest(
        account=backend.account_id,
        region=backend.region_name,
        cluster_name=cluster.name,
        cluster_arn=cluster.arn,
        group=request.get("group") or f"family:{definition.family}",
        started_by=request.get("startedBy") or "",
        launch_type=request.get("launchType") or "FARGATE",
        platform_version=request.get("platformVersion"),
        network=request.get("networkConfiguration") or {},
        overrides=request.get("overrides") or {},
        tags=(*inherited, *(request.get("tags") or [])),
    )
