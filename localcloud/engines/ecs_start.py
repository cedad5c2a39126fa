"""RunTask and StartTask: which tasks are made of a request, and where each goes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from moto.ecs.exceptions import InvalidParameterException

from localcloud.engines.ecs_placement import spread_over
from localcloud.engines.ecs_pool import FARGATE, Pool
from localcloud.engines.ecs_request import check_count, check_definition, check_network, token_conflict
from localcloud.engines.ecs_runner import TaskRunner
from localcloud.engines.ecs_task import LocalTask, TaskRequest

_MOST_INSTANCES = 10


class TaskStarter:
    """Starts the tasks of one account and region. Used under ECS's lock.

    Parameters
    ----------
    backend
        ECS of the account and region.
    runner
        Starts and stops tasks.
    pool
        Container instances.
    """

    def __init__(self, backend: Any, runner: TaskRunner, pool: Pool) -> None:
        self._backend = backend
        self._runner = runner
        self._pool = pool
        self._tokens: dict[str, tuple[str, list[LocalTask]]] = {}

    def resume(self, earlier: TaskStarter) -> None:
        """Know the client tokens that one of an earlier localcloud knew."""
        self._tokens = earlier._tokens

    def run(self, request: Mapping[str, Any]) -> tuple[list[LocalTask], list[dict[str, str]]]:
        """Carry out RunTask and return tasks and failures; the same client token again returns the same tasks."""
        token, digest = request.get("clientToken"), json.dumps(request, sort_keys=True, default=str)
        if token in self._tokens:
            known, tasks = self._tokens[token]
            if known != digest:
                raise token_conflict([task.task_arn for task in tasks])
            return tasks, []
        started, failures = self._run(request)
        if token and started:
            self._tokens[token] = (digest, started)
        return started, failures

    def start_on(self, request: Mapping[str, Any]) -> tuple[list[LocalTask], list[dict[str, str]]]:
        """Carry out StartTask: one task on each of the instances that are named."""
        cluster, definition = self._read(request)
        names = [name.split("/")[-1] for name in request["containerInstances"]]
        if len(names) > _MOST_INSTANCES:
            raise InvalidParameterException("containerInstances cannot have more than 10 entries.")
        known = {each.id: each for each in self._pool.instances(cluster.name)}
        tasks, failures = [], []
        for name in names:
            task = self._make(cluster, definition, {**request, "launchType": "EC2"}, None)
            instance = known.get(name)
            lack = self._pool.lack(instance, task) if instance is not None else "MISSING"
            if instance is None or lack is not None:
                arn = instance.container_instance_arn if instance is not None else name
                failures.append({"arn": arn, "reason": str(lack)})
                continue
            self._pool.put(task, instance)
            tasks.append(task)
        return tasks, failures

    def _run(self, request: Mapping[str, Any]) -> tuple[list[LocalTask], list[dict[str, str]]]:
        cluster, definition = self._read(request)
        count = int(request.get("count") or 1)
        check_count(count)
        if request.get("launchType") and request.get("capacityProviderStrategy"):
            raise InvalidParameterException(
                "Specifying both a launch type and capacity provider strategy is not supported."
            )
        tasks: list[LocalTask] = []
        failures: list[dict[str, str]] = []
        for provider in self._providers(cluster, request, count):
            task = self._make(cluster, definition, request, provider)
            found = self._start(task, request)
            failures += found
            if not found:
                tasks.append(task)
        return tasks, failures

    def _providers(self, cluster: Any, request: Mapping[str, Any], count: int) -> Iterator[str | None]:
        """Yield the capacity provider of each task; None for a launch type."""
        strategy = request.get("capacityProviderStrategy")
        if not strategy and not request.get("launchType"):
            strategy = cluster.default_capacity_provider_strategy
        if not strategy:
            yield from [None] * count
            return
        for each in strategy:
            if each["capacityProvider"] not in FARGATE:
                self._pool.is_managed(each["capacityProvider"])  # refuses one that does not exist
        yield from spread_over(strategy, count)

    def _start(self, task: LocalTask, request: Mapping[str, Any]) -> list[dict[str, str]]:
        if task.launch_type == "FARGATE":
            self._runner.start(task)
            return []
        provider = task.capacity_provider_name
        if provider is None and not self._pool.instances(task.cluster_name):
            raise InvalidParameterException("No Container Instances were found in your cluster.")
        failures = self._pool.place(task, request)
        if task.container_instance_arn is not None:
            return []
        if provider is not None and self._pool.is_managed(provider):
            self._pool.wait(task, request)
            return []
        return failures or [{"arn": task.cluster_arn, "reason": "RESOURCE:CPU"}]

    def _read(self, request: Mapping[str, Any]) -> tuple[Any, Any]:
        cluster = self._backend._get_cluster(request.get("cluster") or "default")
        definition = self._backend.describe_task_definition(request["taskDefinition"])
        check_definition(definition)
        check_network(definition, request.get("networkConfiguration"))
        return cluster, definition

    def _make(self, cluster: Any, definition: Any, request: Mapping[str, Any], provider: str | None) -> LocalTask:
        inherited = definition.tags if request.get("propagateTags") == "TASK_DEFINITION" else []
        asked = TaskRequest(
            account=self._backend.account_id,
            region=self._backend.region_name,
            cluster_name=cluster.name,
            cluster_arn=cluster.arn,
            group=request.get("group") or f"family:{definition.family}",
            started_by=request.get("startedBy") or "",
            launch_type=self._launch_type(cluster, request, provider),
            capacity_provider=provider,
            platform_version=request.get("platformVersion"),
            network=request.get("networkConfiguration") or {},
            overrides=request.get("overrides") or {},
            tags=(*inherited, *(request.get("tags") or [])),
        )
        return LocalTask(asked, definition)

    def _launch_type(self, cluster: Any, request: Mapping[str, Any], provider: str | None) -> str:
        if provider is not None:
            return "FARGATE" if provider in FARGATE else "EC2"
        # Without a word about it AWS means EC2; a cluster without instances would take no task at all here.
        return request.get("launchType") or ("EC2" if self._pool.instances(cluster.name) else "FARGATE")
