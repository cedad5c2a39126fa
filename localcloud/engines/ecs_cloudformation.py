"""What CloudFormation makes of AWS::ECS::Service and AWS::ECS::TaskDefinition, with all that moto drops."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from moto.ecs.exceptions import ECSException, ServiceNotFoundException
from moto.ecs.models import Cluster, Service, TaskDefinition, ecs_backends

from localcloud.patch import change_classes

_DELETE_SECONDS = 120.0
# Names that are the user's own: their first letter is no API's to change.
_OPAQUE = frozenset({"Options", "DockerLabels", "Tags"})
_WHOLE_NUMBERS = frozenset(
    {"containerPort", "hostPort", "desiredCount", "healthCheckGracePeriodSeconds", "maximumPercent", "stopTimeout"}
    | {"minimumHealthyPercent", "interval", "timeout", "retries", "startPeriod"}
)
_TRUTHS = frozenset({"essential", "enable", "rollback", "enableExecuteCommand", "readonlyRootFilesystem"})
_DEFINITION_KEYWORDS = {
    "volumes": "volumes",
    "network_mode": "networkMode",
    "placement_constraints": "placementConstraints",
    "requires_compatibilities": "requiresCompatibilities",
    "cpu": "cpu",
    "memory": "memory",
    "task_role_arn": "taskRoleArn",
    "execution_role_arn": "executionRoleArn",
    "runtime_platform": "runtimePlatform",
    "ipc_mode": "ipcMode",
    "pid_mode": "pidMode",
    "ephemeral_storage": "ephemeralStorage",
    "tags": "tags",
}


def replace_resources() -> Callable[[], None]:
    """Put these in the place of moto's; the returned function undoes it."""
    return change_classes(
        [
            (TaskDefinition, "create_from_cloudformation_json", classmethod(_create_definition)),
            (TaskDefinition, "update_from_cloudformation_json", classmethod(_update_definition)),
            (TaskDefinition, "delete", _delete_definition),
            (TaskDefinition, "has_cfn_attr", classmethod(lambda cls, attr: attr == "TaskDefinitionArn")),
            (TaskDefinition, "get_cfn_attribute", lambda self, name: self.arn),
            (Service, "create_from_cloudformation_json", classmethod(_create_service)),
            (Service, "update_from_cloudformation_json", classmethod(_update_service)),
            (Service, "delete", _delete_service),
            (Service, "has_cfn_attr", classmethod(lambda cls, attr: attr in {"Name", "ServiceArn"})),
            (Cluster, "delete", _delete_cluster),
        ]
    )


def to_request(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return a template's properties under the API's names, its text turned into numbers and truths where due."""
    return {_name(key): _value(key, value) for key, value in properties.items()}


def _name(key: str) -> str:
    return key[:1].lower() + key[1:]


def _value(key: str, value: Any) -> Any:
    if key == "Tags":
        return [{"key": tag["Key"], "value": str(tag["Value"])} for tag in value]
    if key in _OPAQUE:
        return {name: str(text) for name, text in value.items()}
    if isinstance(value, Mapping):
        return to_request(value)
    if isinstance(value, list):
        return [to_request(item) if isinstance(item, Mapping) else item for item in value]
    if _name(key) in _TRUTHS:
        return str(value).lower() == "true"
    return int(value) if _name(key) in _WHOLE_NUMBERS else value


def _create_definition(  # noqa: PLR0917 - the signature that moto calls
    cls: type, /, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
) -> Any:
    request = to_request(cloudformation_json["Properties"])
    for shape in request.get("containerDefinitions") or []:
        # Templates call a container's memory and CPU by number or by text; the API by number alone.
        shape.update({key: int(shape[key]) for key in ("memory", "memoryReservation", "cpu") if key in shape})
    keywords = {keyword: request.get(name) for keyword, name in _DEFINITION_KEYWORDS.items()}
    for key in ("cpu", "memory"):
        keywords[key] = None if keywords[key] is None else str(keywords[key])
    definition = ecs_backends[account_id][region_name].register_task_definition(
        family=request.get("family") or resource_name,
        container_definitions=request.get("containerDefinitions") or [],
        **keywords,
    )
    definition.template = request
    return definition


def _update_definition(  # noqa: PLR0917 - the signature that moto calls
    cls: type, /, original_resource: Any, cloudformation_json: Any, account_id: str, region_name: str, **names: Any
) -> Any:
    if to_request(cloudformation_json["Properties"]) == getattr(original_resource, "template", None):
        return original_resource
    name = names["new_resource_name"]
    made = TaskDefinition.create_from_cloudformation_json(name, cloudformation_json, account_id, region_name)
    original_resource.status = "INACTIVE"
    return made


def _delete_definition(self: Any, account_id: str, region: str) -> None:
    self.status = "INACTIVE"


def _create_service(  # noqa: PLR0917 - the signature that moto calls
    cls: type, /, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
) -> Any:
    request = to_request(cloudformation_json["Properties"])
    request["serviceName"] = resource_name
    request.setdefault("desiredCount", 1)
    service = ecs_backends[account_id][region_name].start_service(request)
    service.template = request
    return service


def _update_service(  # noqa: PLR0917 - the signature that moto calls
    cls: type, /, original_resource: Any, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
) -> Any:
    # Only what the template changes: a release may have put another task definition or count in the meantime.
    request = to_request(cloudformation_json["Properties"])
    before = original_resource.template
    changes = {key: value for key, value in request.items() if before.get(key) != value and key != "serviceName"}
    changes |= {"cluster": original_resource.cluster_name, "service": original_resource.name}
    ecs_backends[account_id][region_name].change_service(changes)
    original_resource.template = {**request, "serviceName": original_resource.name}
    return original_resource


def _delete_service(self: Any, account_id: str, region: str) -> None:
    backend = ecs_backends[account_id][region]
    try:
        service = backend.delete_service(self.cluster_name, self.name, True)
    except ServiceNotFoundException:
        return  # deleted by hand
    if not backend.wait_deleted(service, _DELETE_SECONDS):
        raise ECSException("ServerException", f"the tasks of {self.name} did not end in {_DELETE_SECONDS:.0f} s")


def _delete_cluster(self: Any, account_id: str, region: str) -> None:
    ecs_backends[account_id][region].delete_cluster(self.name)
