"""ECS calls whose answers moto makes up or whose parameters it drops."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from moto.core.responses import ActionResult
from moto.ecs.exceptions import ECSException
from moto.ecs.responses import DESCRIBE_TASKS_TAGS, EC2ContainerServiceResponse

from localcloud.engines.ecs_deployment import Deployment
from localcloud.engines.ecs_history import describe_deployment, describe_revision, find_deployment, list_deployments
from localcloud.engines.ecs_service import LocalService
from localcloud.patch import change_classes

_TASKS_PER_PAGE = 100


def replace_answers() -> Callable[[], None]:
    """Put these in the place of moto's; the returned function undoes it."""
    calls = {
        "create_service": _create_service,
        "update_service": _update_service,
        "run_task": _run_task,
        "start_task": _start_task,
        "describe_tasks": _describe_tasks,
        "list_tasks": _list_tasks,
        "list_service_deployments": _list_service_deployments,
        "describe_service_deployments": _describe_service_deployments,
        "describe_service_revisions": _describe_service_revisions,
        "stop_service_deployment": _stop_service_deployment,
    }
    return change_classes((EC2ContainerServiceResponse, name, call) for name, call in calls.items())


def plain(value: Any) -> Any:
    """Copy moto's parsed parameters into plain dictionaries and lists."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def _create_service(self: Any) -> Any:
    return ActionResult({"service": self.ecs_backend.start_service(plain(self._get_params()))})


def _update_service(self: Any) -> Any:
    return ActionResult({"service": self.ecs_backend.change_service(plain(self._get_params()))})


def _run_task(self: Any) -> Any:
    tasks, failures = self.ecs_backend.run_tasks(plain(self._get_params()))
    return ActionResult({"tasks": tasks, "failures": failures})


def _start_task(self: Any) -> Any:
    tasks, failures = self.ecs_backend.start_tasks_on(plain(self._get_params()))
    return ActionResult({"tasks": tasks, "failures": failures})


def _describe_tasks(self: Any) -> Any:
    wanted = self._get_param("tasks", [])
    backend = self.ecs_backend
    tasks = backend.describe_tasks(self._get_param("cluster", "default"), wanted)
    if "TAGS" in self._get_param("include", []):
        self._include_in_response(DESCRIBE_TASKS_TAGS)
    else:
        self._exclude_from_response(DESCRIBE_TASKS_TAGS)
    found = {task.id for task in tasks}
    missing = [name for name in wanted if name.split("/")[-1] not in found]
    failures = [{"arn": _task_arn(backend, name), "reason": "MISSING"} for name in missing]
    return ActionResult({"tasks": tasks, "failures": failures})


def _list_tasks(self: Any) -> Any:
    tasks = self.ecs_backend.list_tasks(
        self._get_param("cluster", "default"),
        self._get_param("containerInstance"),
        self._get_param("family"),
        self._get_param("startedBy"),
        self._get_param("serviceName"),
        self._get_param("desiredStatus"),
    )
    start = int(self._get_param("nextToken") or 0)
    end = start + min(_TASKS_PER_PAGE, int(self._get_param("maxResults") or _TASKS_PER_PAGE))
    page: dict[str, Any] = {"taskArns": [task.task_arn for task in tasks[start:end]]}
    return ActionResult(page | ({"nextToken": str(end)} if end < len(tasks) else {}))


def _list_service_deployments(self: Any) -> Any:
    request = plain(self._get_params())
    service = self.ecs_backend._get_service(request.get("cluster") or "default", request["service"])
    return ActionResult({"serviceDeployments": list_deployments(service, request)})


def _describe_service_deployments(self: Any) -> Any:
    return ActionResult(_describe_each(self, "serviceDeployment", describe_deployment))


def _describe_service_revisions(self: Any) -> Any:
    return ActionResult(_describe_each(self, "serviceRevision", describe_revision))


def _describe_each(self: Any, kind: str, describe: Callable[[LocalService, Deployment], dict[str, Any]]) -> Any:
    found, failures = [], []
    for arn in self._get_param(f"{kind}Arns", []):
        try:
            found.append(describe(*find_deployment(self.ecs_backend.services, arn)))
        except ECSException:
            failures.append({"arn": arn, "reason": "MISSING"})
    return {f"{kind}s": found, "failures": failures}


def _stop_service_deployment(self: Any) -> Any:
    arn = self._get_param("serviceDeploymentArn")
    self.ecs_backend.stop_deployment(arn, self._get_param("stopType", "ROLLBACK"))
    return ActionResult({"serviceDeploymentArn": arn})


def _task_arn(backend: Any, name: str) -> str:
    if name.startswith("arn:"):
        return name
    return f"arn:aws:ecs:{backend.region_name}:{backend.account_id}:task/{name}"
