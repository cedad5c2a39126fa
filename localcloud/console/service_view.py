"""ECS services: deployments, tasks, who gets how much of the traffic, and what the load balancer counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from localcloud.console.gateway import Gateway
from localcloud.console.metric_view import Line, Wanted, read_lines

_SERVICES_PER_CALL = 10
_CHART = timedelta(hours=1)
_BALANCER = "AWS/ApplicationELB"
_SHOWN_EVENTS = 20


def list_services(gateway: Gateway, _query: Mapping[str, str]) -> dict[str, Any]:
    """Return the services of every cluster."""
    return {"services": [_brief(service) for service in _services(gateway)]}


def show_service(gateway: Gateway, path: tuple[str, ...], _query: Mapping[str, str]) -> dict[str, Any]:
    """Return all about one service.

    Raises
    ------
    LookupError
        When there is none of the name in the cluster.
    """
    cluster, name = path
    found = gateway.client("ecs").describe_services(cluster=cluster, services=[name])["services"]
    if not found:
        raise LookupError(f"there is no service {name} in {cluster}")
    service = found[0]
    groups = [each["targetGroupArn"] for each in service.get("loadBalancers", []) if "targetGroupArn" in each]
    return {
        **_brief(service),
        "deployments": [_deployment(each) for each in service["deployments"]],
        "events": [{"at": each["createdAt"], "message": each["message"]} for each in service["events"][:_SHOWN_EVENTS]],
        "tasks": _tasks(gateway, cluster, name),
        "targets": [target for arn in groups for target in _targets(gateway, arn)],
        "weights": [weight for arn in groups for weight in _weights(gateway, arn)],
        "metrics": _metrics(gateway, cluster, name, groups),
        "alarms": (service.get("deploymentConfiguration") or {}).get("alarms", {}).get("alarmNames", []),
    }


def _services(gateway: Gateway) -> Iterator[dict[str, Any]]:
    ecs = gateway.client("ecs")
    for cluster in ecs.list_clusters()["clusterArns"]:
        arns = [
            arn for page in ecs.get_paginator("list_services").paginate(cluster=cluster) for arn in page["serviceArns"]
        ]
        for start in range(0, len(arns), _SERVICES_PER_CALL):
            part = arns[start : start + _SERVICES_PER_CALL]
            yield from ecs.describe_services(cluster=cluster, services=part)["services"]


def _brief(service: Mapping[str, Any]) -> dict[str, Any]:
    primary = service["deployments"][0] if service["deployments"] else {}
    return {
        "cluster": service["clusterArn"].rpartition("/")[2],
        "name": service["serviceName"],
        "status": service["status"],
        "rollout": primary.get("rolloutState", ""),
        "reason": primary.get("rolloutStateReason", ""),
        "definition": service["taskDefinition"].rpartition("/")[2],
        "desired": service["desiredCount"],
        "running": service["runningCount"],
        "pending": service["pendingCount"],
    }


def _deployment(deployment: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": deployment["id"],
        "status": deployment["status"],
        "rollout": deployment.get("rolloutState", ""),
        "reason": deployment.get("rolloutStateReason", ""),
        "definition": deployment["taskDefinition"].rpartition("/")[2],
        "desired": deployment["desiredCount"],
        "running": deployment["runningCount"],
        "failed": deployment.get("failedTasks", 0),
        "created": deployment["createdAt"],
    }


def _tasks(gateway: Gateway, cluster: str, name: str) -> list[dict[str, Any]]:
    ecs = gateway.client("ecs")
    arns = [
        arn
        for status in ("RUNNING", "STOPPED")
        for arn in ecs.list_tasks(cluster=cluster, serviceName=name, desiredStatus=status)["taskArns"]
    ]
    tasks = ecs.describe_tasks(cluster=cluster, tasks=arns[:100])["tasks"] if arns else []
    return [
        {
            "id": task["taskArn"].rpartition("/")[2],
            "status": task["lastStatus"],
            "health": task.get("healthStatus", "UNKNOWN"),
            "definition": task["taskDefinitionArn"].rpartition("/")[2],
            "created": task["createdAt"],
            "reason": task.get("stoppedReason", ""),
            "ports": [
                binding["hostPort"] for each in task["containers"] for binding in each.get("networkBindings", [])
            ],
        }
        for task in tasks
    ]


def _targets(gateway: Gateway, arn: str) -> list[dict[str, Any]]:
    found = gateway.client("elbv2").describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
    return [
        {
            "group": arn.split("/")[-2],
            "address": f"{each['Target']['Id']}:{each['Target']['Port']}",
            "state": each["TargetHealth"]["State"],
            "reason": each["TargetHealth"].get("Description", ""),
        }
        for each in found
    ]


def _weights(gateway: Gateway, group_arn: str) -> list[dict[str, Any]]:
    elb = gateway.client("elbv2")
    group = elb.describe_target_groups(TargetGroupArns=[group_arn])["TargetGroups"][0]
    found = []
    for balancer in group["LoadBalancerArns"]:
        for listener in elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"]:
            for rule in elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]:
                found += [_weight(listener, rule, share) for share in _shares(rule["Actions"], group_arn)]
    return found


def _weight(listener: Mapping[str, Any], rule: Mapping[str, Any], share: tuple[str, float]) -> dict[str, Any]:
    name, percent = share
    return {"port": listener["Port"], "rule": rule["Priority"], "group": name, "percent": percent}


def _shares(actions: list[Mapping[str, Any]], group_arn: str) -> list[tuple[str, float]]:
    """Names of the target groups of a rule that uses a group, each with its share in percent."""
    for action in actions:
        groups = (action.get("ForwardConfig") or {}).get("TargetGroups") or [action]
        weights = {
            each["TargetGroupArn"]: float(each.get("Weight", 1)) for each in groups if each.get("TargetGroupArn")
        }
        total = sum(weights.values())
        if group_arn in weights:
            return [(arn.split("/")[-2], 100 * weight / total if total else 0.0) for arn, weight in weights.items()]
    return []


def _metrics(gateway: Gateway, cluster: str, name: str, groups: list[str]) -> list[Line]:
    service = {"ClusterName": cluster, "ServiceName": name}
    wanted = [
        Wanted(title, "AWS/ECS", title, service, "Average", "%") for title in ("CPUUtilization", "MemoryUtilization")
    ]
    for arn in groups:
        for balancer in gateway.client("elbv2").describe_target_groups(TargetGroupArns=[arn])["TargetGroups"][0][
            "LoadBalancerArns"
        ]:
            named = {"LoadBalancer": balancer.partition(":loadbalancer/")[2], "TargetGroup": arn.rpartition(":")[2]}
            wanted += [
                Wanted("Requests", _BALANCER, "RequestCount", named, "Sum"),
                Wanted("5xx answers", _BALANCER, "HTTPCode_Target_5XX_Count", named, "Sum"),
                Wanted("Response time, p95", _BALANCER, "TargetResponseTime", named, "p95", "s"),
            ]
    now = datetime.now(UTC)
    return read_lines(gateway, wanted, start=now - _CHART, end=now)
