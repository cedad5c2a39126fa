"""What ECS refuses: checks of CreateService, UpdateService and RunTask, with AWS's errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from moto.ecs.exceptions import EcsClientException, ECSException, InvalidParameterException
from moto.elbv2.models import elbv2_backends

from localcloud.engines.ecs_container import container_ports

_CONTROLLER_HINT = "localcloud runs deployments of the ECS controller with the ROLLING strategy only"


def check_definition(definition: Any) -> None:
    """Refuse a task definition that has been deregistered."""
    if definition.status != "ACTIVE":
        raise EcsClientException("TaskDefinition is inactive")


def check_network(definition: Any, network: Mapping[str, Any] | None) -> None:
    """Refuse an awsvpc task without a network configuration."""
    if definition.network_mode == "awsvpc" and not network:
        raise InvalidParameterException(
            "Network Configuration must be provided when networkMode 'awsvpc' is specified."
        )


def check_deployment(request: Mapping[str, Any]) -> None:
    """Refuse deployments that would be run as something else than what was asked for."""
    controller = (request.get("deploymentController") or {}).get("type", "ECS")
    configuration = request.get("deploymentConfiguration") or {}
    if request.get("schedulingStrategy", "REPLICA") != "REPLICA":
        raise InvalidParameterException("localcloud runs services of the REPLICA scheduling strategy only")
    if controller != "ECS" or configuration.get("strategy", "ROLLING") != "ROLLING":
        raise InvalidParameterException(_CONTROLLER_HINT)
    low, high = configuration.get("minimumHealthyPercent"), configuration.get("maximumPercent")
    if low is not None and high is not None and int(low) == int(high) == 100:
        raise InvalidParameterException(
            "Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments."
        )


def check_balancers(account: str, region: str, definition: Any, balancers: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a target group without a listener, and a container or port that the definition does not have."""
    backend = elbv2_backends[account][region]
    ports = {shape["name"]: container_ports(shape) for shape in definition.container_definitions}
    for balancer in balancers:
        arn = balancer["targetGroupArn"]
        if arn not in backend.target_groups:
            raise InvalidParameterException(f"The specified target group does not exist: {arn}")
        if not backend.is_used(arn):
            raise InvalidParameterException(
                f"The target group with targetGroupArn {arn} does not have an associated load balancer."
            )
        name, port = balancer["containerName"], int(balancer["containerPort"])
        if name not in ports:
            raise InvalidParameterException(f"The container {name} does not exist in the task definition.")
        if port not in ports[name]:
            raise InvalidParameterException(f"The container {name} did not have a container port {port} defined.")


def check_count(count: int) -> None:
    """Refuse to run more tasks at once than ECS does."""
    if not 1 <= count <= 10:
        raise InvalidParameterException("count must be between 1 and 10.")


def token_conflict(task_arns: Sequence[str]) -> ECSException:
    """Return the error for a client token that another request has used."""
    return ECSException(
        "ConflictException",
        "The provided clientToken is already in use with a different RunTask request. The existing tasks are "
        + ", ".join(task_arns),
    )
