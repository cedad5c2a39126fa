"""Service deployments and revisions: what ListServiceDeployments and its kin tell of a service's past."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moto.ecs.exceptions import ECSException, ServiceNotFoundException

from localcloud.engines.ecs_alarm import AlarmConfiguration
from localcloud.engines.ecs_deployment import Deployment, RolloutState
from localcloud.engines.ecs_service import LocalService

_STATES = {
    RolloutState.IN_PROGRESS: "IN_PROGRESS",
    RolloutState.COMPLETED: "SUCCESSFUL",
    RolloutState.FAILED: "STOPPED",
}


def list_deployments(service: LocalService, request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a service's deployments, the newest first, of the states that are asked for."""
    wanted = set(request.get("status") or [])
    views = [_brief(service, deployment) for deployment in service.history]
    return [view for view in views if not wanted or view["status"] in wanted]


def describe_deployment(service: LocalService, deployment: Deployment) -> dict[str, Any]:
    """Return all that is told of one deployment."""
    before = service.history[service.history.index(deployment) + 1 :]
    alarms = AlarmConfiguration.read(service.deployment_configuration)
    breaker, threshold = service.breaker, service.breaker.threshold(service.desired_count)
    return {
        **_brief(service, deployment),
        "updatedAt": deployment.updated_at,
        "sourceServiceRevisions": [{"arn": _revision_arn(service, each)} for each in before[:1]],
        "targetServiceRevision": {
            "arn": _revision_arn(service, deployment),
            "requestedTaskCount": service.desired_count,
            "runningTaskCount": deployment.running_count,
            "pendingTaskCount": deployment.pending_count,
        },
        "deploymentConfiguration": service.deployment_configuration,
        "deploymentCircuitBreaker": {
            "status": _monitor(enabled=breaker.enabled, deployment=deployment),
            "failureCount": deployment.failed_tasks,
            "threshold": threshold,
        },
        "alarms": {
            "status": _monitor(enabled=alarms.enabled, deployment=deployment),
            "alarmNames": list(alarms.names),
            "triggeredAlarmNames": list(deployment.triggered_alarms),
        },
        "rollback": _rollback(service, deployment),
    }


def describe_revision(service: LocalService, deployment: Deployment) -> dict[str, Any]:
    """Return what a deployment deploys."""
    return {
        "serviceRevisionArn": _revision_arn(service, deployment),
        "serviceArn": service.arn,
        "clusterArn": service.cluster_arn,
        "taskDefinition": deployment.definition.arn,
        "launchType": service.launch_type,
        "platformVersion": service.platform_version,
        "loadBalancers": list(deployment.load_balancers),
        "networkConfiguration": dict(deployment.network) or None,
        "createdAt": deployment.created_at,
    }


def find_deployment(services: Mapping[str, LocalService], arn: str) -> tuple[LocalService, Deployment]:
    """Return the service and the deployment that a deployment's or revision's ARN names.

    Raises
    ------
    ServiceNotFoundException
        When there is no such service.
    ECSException
        `ServiceDeploymentNotFoundException` when it never had such a deployment.
    """
    cluster, name, identifier = ["", "", *arn.split("/")][-3:]
    service = services.get(f"{cluster}:{name}")
    if service is None:
        raise ServiceNotFoundException
    for deployment in service.history:
        if deployment.id.endswith(f"/{identifier}"):
            return service, deployment
    raise ECSException("ServiceDeploymentNotFoundException", f"The service deployment was not found: {arn}")


def _brief(service: LocalService, deployment: Deployment) -> dict[str, Any]:
    return {
        "serviceDeploymentArn": _arn(service, deployment, "service-deployment"),
        "serviceArn": service.arn,
        "clusterArn": service.cluster_arn,
        "createdAt": deployment.created_at,
        "startedAt": deployment.created_at,
        "finishedAt": deployment.finished_at,
        "targetServiceRevisionArn": _revision_arn(service, deployment),
        "status": _status(service, deployment),
        "statusReason": deployment.reason,
    }


def _status(service: LocalService, deployment: Deployment) -> str:
    target = deployment.rolled_back_to
    if target is not None:
        done = target.rollout_state is RolloutState.COMPLETED
        return "ROLLBACK_SUCCESSFUL" if done else "ROLLBACK_IN_PROGRESS"
    if deployment.rollout_state is RolloutState.IN_PROGRESS and deployment is not service.history[0]:
        # The service is on its way back to this one, or a newer one has overtaken it.
        is_target = any(each.rolled_back_to is deployment for each in service.history)
        return "SUCCESSFUL" if is_target else "STOPPED"
    return _STATES[deployment.rollout_state]


def _rollback(service: LocalService, deployment: Deployment) -> dict[str, Any] | None:
    target = deployment.rolled_back_to
    if target is None:
        return None
    return {
        "reason": deployment.reason,
        "startedAt": deployment.finished_at,
        "serviceRevisionArn": _revision_arn(service, target),
    }


def _monitor(*, enabled: bool, deployment: Deployment) -> str:
    if not enabled:
        return "DISABLED"
    states = {RolloutState.IN_PROGRESS: "MONITORING", RolloutState.FAILED: "TRIGGERED"}
    return states.get(deployment.rollout_state, "MONITORING_COMPLETE")


def _revision_arn(service: LocalService, deployment: Deployment) -> str:
    return _arn(service, deployment, "service-revision")


def _arn(service: LocalService, deployment: Deployment, kind: str) -> str:
    base = f"arn:aws:ecs:{service.region_name}:{service._account_id}:{kind}"
    return f"{base}/{service.cluster_name}/{service.name}/{deployment.id.rsplit('/', 1)[1]}"
