"""The ECS backend: moto's clusters and task definitions, with services and tasks that really run."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from moto.ecs.exceptions import EcsClientException, ECSException, InvalidParameterException, ServiceNotFoundException
from moto.ecs.models import EC2ContainerServiceBackend

from localcloud.engines.ecs_deployment import RolloutState
from localcloud.engines.ecs_history import find_deployment
from localcloud.engines.ecs_instance import refresh, tasks_on
from localcloud.engines.ecs_loop import PlacementLoop, ServiceLoop
from localcloud.engines.ecs_pool import Pool, PoolSettings
from localcloud.engines.ecs_request import (
    check_balancers,
    check_definition,
    check_deployment,
    check_network,
)
from localcloud.engines.ecs_rollout import fail_deployment, roll_back
from localcloud.engines.ecs_runner import TaskRunner
from localcloud.engines.ecs_service import LocalService
from localcloud.engines.ecs_start import TaskStarter
from localcloud.engines.ecs_task import BEFORE_RUNNING, LocalTask, StopCode, TaskStatus
from localcloud.lock import service_lock

_STOPPED_SHOWN = timedelta(hours=1)
_NEW_DEPLOYMENT = ("networkConfiguration", "loadBalancers", "platformVersion")
_HOST_LOST = "Host localcloud terminated."
_lock = service_lock("ecs")


class Backend(EC2ContainerServiceBackend):  # type: ignore[misc]
    """ECS of one account and region."""

    runner: ClassVar[TaskRunner]
    loop: ClassVar[ServiceLoop]
    placement: ClassVar[PlacementLoop]
    pool_settings: ClassVar[PoolSettings]

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self._pool = Pool(self, self.runner, self.pool_settings)
        self._starter = TaskStarter(self, self.runner, self._pool)

    def reset(self) -> None:
        """Forget everything; what runs is stopped."""
        with _lock:
            self.services.clear()
            for task in self.find_tasks():
                self.runner.stop(task, StopCode.USER, "localcloud was reset")
            super().reset()

    def resume(self) -> None:
        """Take up what an earlier localcloud left."""
        with _lock:
            for task in self.find_tasks():
                if task.last_status != TaskStatus.STOPPED:
                    task.lose(_HOST_LOST)
                    self.runner.forget(task)
            earlier = self._starter
            self._pool = Pool(self, self.runner, self.pool_settings)
            self._starter = TaskStarter(self, self.runner, self._pool)
            self._starter.resume(earlier)
            for service in self.services.values():
                service.resume()
        self.loop.wake()

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

    def run_tasks(self, request: Mapping[str, Any]) -> tuple[list[LocalTask], list[dict[str, str]]]:
        """Carry out RunTask; return the tasks, and what could not be placed."""
        with _lock:
            found = self._starter.run(request)
        self.placement.wake()
        return found

    def start_tasks_on(self, request: Mapping[str, Any]) -> tuple[list[LocalTask], list[dict[str, str]]]:
        """Carry out StartTask."""
        with _lock:
            return self._starter.start_on(request)

    def place_waiting(self) -> None:
        """Place what waits for capacity, and let groups grow and shrink."""
        with _lock:
            self._pool.step()

    def register_container_instance(self, cluster_str: str, ec2_instance_id: str) -> Any:
        """Take an EC2 instance into a cluster, with what its type has."""
        with _lock:
            cluster = self._get_cluster(cluster_str)
            instance = super().register_container_instance(cluster.name, ec2_instance_id)
            self._pool.equip(instance)
        self.placement.wake()
        return instance

    def describe_container_instances(self, cluster_str: str, list_container_instance_ids: list[str]) -> Any:
        """Return container instances with what is left on them now."""
        with _lock:
            cluster, tasks = self._get_cluster(cluster_str), self.find_tasks()
            for instance in self.container_instances.setdefault(cluster.name, {}).values():
                refresh(instance, tasks)
            return super().describe_container_instances(cluster_str, list_container_instance_ids)

    def deregister_container_instance(self, cluster_str: str, container_instance_str: str, force: bool) -> Any:
        """Take an instance out of its cluster; with `force` also one that has tasks, which are then on their own."""
        with _lock:
            cluster = self._get_cluster(cluster_str)
            instance = self.container_instances.get(cluster.name, {}).get(container_instance_str.split("/")[-1])
            if instance is None:
                raise EcsClientException("Referenced container instance was not found.")
            refresh(instance, self.find_tasks())
            instance.status = "INACTIVE"
            return super().deregister_container_instance(cluster_str, container_instance_str, force)

    def lose_instance(self, ec2_instance_id: str) -> None:
        """Stop the tasks of an EC2 instance that ends, and take it out of its cluster."""
        with _lock:
            tasks = self.find_tasks()
            for known in self.container_instances.values():
                for instance in [each for each in known.values() if each.ec2_instance_id == ec2_instance_id]:
                    instance.status, instance.agent_connected = "INACTIVE", False
                    del known[instance.container_instance_arn.split("/")[-1]]
                    for task in tasks_on(instance, tasks):
                        self.runner.stop(task, StopCode.HOST_GONE, f"Host EC2 (instance {ec2_instance_id}) terminated.")

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
            cluster.pending_tasks_count = sum(map(tasks.count, BEFORE_RUNNING))
            cluster.registered_container_instances_count = len(self.container_instances.get(cluster.name, {}))
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
    service, family, instance = (wanted.get(key) for key in ("service_name", "family", "container_instance"))
    return (
        (not service or task.group == f"service:{service.split('/')[-1]}")
        and (not family or task.definition.family == family)
        and (not wanted.get("started_by") or task.started_by == wanted["started_by"])
        and (not instance or (task.container_instance_arn or "").split("/")[-1] == instance.split("/")[-1])
    )
