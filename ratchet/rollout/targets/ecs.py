"""The ECS service behind its load balancer: a new task definition, a rolling update, and back."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

from ratchet.aws import Aws, Deployment, translate_errors
from ratchet.errors import NotFoundError
from ratchet.rollout.machine import Observed, Outcome
from ratchet.rollout.plan import Candidate
from ratchet.rollout.targets import Example, Shift, Target
from ratchet.rollout.targets.answer import find_fault
from ratchet.rollout.targets.environment import describe_environment, model_environment

IAM_ACTIONS = (
    "ecs:DescribeServices",
    "ecs:DescribeTaskDefinition",
    "ecs:ListTaskDefinitions",
    "ecs:RegisterTaskDefinition",
    "ecs:TagResource",
    "ecs:UpdateService",
    "elasticloadbalancing:DescribeTargetHealth",
    "iam:PassRole",
)
_ANSWER_TIMEOUT_SECONDS = 15
_RECENT_REVISIONS = 10
# What RegisterTaskDefinition takes of what DescribeTaskDefinition gives.
_REGISTERED_KEYS = (
    "family",
    "taskRoleArn",
    "executionRoleArn",
    "networkMode",
    "containerDefinitions",
    "volumes",
    "placementConstraints",
    "requiresCompatibilities",
    "cpu",
    "memory",
    "runtimePlatform",
)


def make_target(aws: Aws, deployment: Deployment) -> Target:
    """Build the target; found by this file's name."""
    return EcsTarget(aws, deployment)


class EcsTarget:
    """The stack's service."""

    splits_traffic = False

    def __init__(self, aws: Aws, deployment: Deployment) -> None:
        self._ecs: Any = aws.client("ecs")
        self._balancer: Any = aws.client("elbv2")
        self._deployment = deployment

    def observe(self) -> dict[str, Any]:
        """What the service runs now."""
        service = self._service()
        definition = self._definition(service["taskDefinition"])
        return {
            "task_definition": service["taskDefinition"],
            "desired_count": service["desiredCount"],
            **describe_environment(_environment(definition)),
        }

    def prepare(self, candidate: Candidate) -> Outcome:
        """Register a task definition that differs from the running one in its model alone, or find it."""
        current = self._definition(self._service()["taskDefinition"])
        wanted = _with_model(current, candidate)
        with translate_errors("look for the task definition"):
            arns = self._ecs.list_task_definitions(
                familyPrefix=self._deployment.service_task_family, sort="DESC", maxResults=_RECENT_REVISIONS
            )["taskDefinitionArns"]
        for arn in arns:
            if _registered(self._definition(arn)) == wanted:
                return Outcome(Observed.DONE, f"found {_name(arn)}", arn)
        with translate_errors("register the task definition"):
            made = self._ecs.register_task_definition(**wanted)["taskDefinition"]
        arn = str(made["taskDefinitionArn"])
        return Outcome(Observed.DONE, f"registered {_name(arn)}", arn)

    def try_out(self, candidate: Candidate, revision: str, examples: Sequence[Example]) -> Outcome:
        """A service has no address of its own for a revision without traffic; `check` asks after the shift."""
        return Outcome(Observed.DONE)

    def shift(self, shift: Shift) -> Outcome:
        """Update the service, then wait for the new tasks' health and the old ones' end."""
        return self._update(shift.revision, shift.tasks, may_be_replaced=True)

    def check(self, candidate: Candidate, shift: Shift, examples: Sequence[Example]) -> Outcome:
        """Send each example to the load balancer."""
        for example in examples:
            fault = find_fault(self._ask(example.image), candidate, example.expected_label)
            if fault:
                return Outcome(Observed.FAILED, f"the service {fault}")
        return Outcome(Observed.DONE, f"{len(examples)} predictions as in evaluation")

    def restore(self, before: Mapping[str, Any]) -> Outcome:
        """Put the observed task definition and count back."""
        return self._update(str(before["task_definition"]), int(before["desired_count"]), may_be_replaced=False)

    def _update(self, definition: str, count: int, *, may_be_replaced: bool) -> Outcome:
        """Ask for the state and look how far it is.

        `may_be_replaced` is for the way forward: there a service that was updated and shows another definition has
        been sent back by its own circuit breaker, and asking again would only start that over.
        """
        service = self._service()
        if service["taskDefinition"] != definition or service["desiredCount"] != count:
            if may_be_replaced and _was_deployed(service, definition):
                return Outcome(Observed.FAILED, f"ECS gave up on {_name(definition)}: {_newest_event(service)}")
            with translate_errors("update the service"):
                self._ecs.update_service(
                    cluster=self._deployment.cluster_name,
                    service=self._deployment.service_name,
                    taskDefinition=definition,
                    desiredCount=count,
                )
            return Outcome(Observed.WAITING, f"the service is to run {count} x {_name(definition)}")
        return self._settled(service, definition, count)

    def _settled(self, service: Mapping[str, Any], definition: str, count: int) -> Outcome:
        primary = next(entry for entry in service["deployments"] if entry["status"] == "PRIMARY")
        if primary.get("rolloutState") == "FAILED":
            return Outcome(Observed.FAILED, f"ECS says: {primary.get('rolloutStateReason') or _newest_event(service)}")
        running = f"{primary['runningCount']} of {count} tasks of {_name(definition)} run"
        if len(service["deployments"]) > 1 or service["runningCount"] != count or service["pendingCount"]:
            return Outcome(Observed.WAITING, running)
        healthy = self._healthy_targets()
        if healthy < count:
            return Outcome(Observed.WAITING, f"{running}, {healthy} healthy")
        return Outcome(Observed.DONE, running)

    def _healthy_targets(self) -> int:
        with translate_errors("look at the targets' health"):
            answer = self._balancer.describe_target_health(TargetGroupArn=self._deployment.target_group_arn)
        states = [entry["TargetHealth"]["State"] for entry in answer["TargetHealthDescriptions"]]
        return states.count("healthy")

    def _ask(self, image: bytes) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 - the stack's own output
            f"{self._deployment.service_url}/predict",
            data=image,
            headers={"Content-Type": "application/octet-stream"},
        )
        try:
            with urllib.request.urlopen(request, timeout=_ANSWER_TIMEOUT_SECONDS) as answer:  # noqa: S310 - see above
                return dict(json.loads(answer.read()))
        except urllib.error.HTTPError as error:
            return {"error": f"{error.code} {error.reason}"}
        except (OSError, ValueError) as error:
            return {"error": f"nothing that can be read: {error}"}

    def _service(self) -> dict[str, Any]:
        name = self._deployment.service_name
        with translate_errors(f"look at the service {name}"):
            found = self._ecs.describe_services(cluster=self._deployment.cluster_name, services=[name])["services"]
        if not found or found[0]["status"] != "ACTIVE":
            raise NotFoundError(f"there is no active ECS service {name}: update the stack with infra/ratchet.yaml")
        return dict(found[0])

    def _definition(self, arn: str) -> dict[str, Any]:
        with translate_errors(f"look at {_name(arn)}"):
            return dict(self._ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"])


def _with_model(definition: Mapping[str, Any], candidate: Candidate) -> dict[str, Any]:
    """The registration of the same task with another model: only the first container serves."""
    wanted = _registered(definition)
    first, *others = wanted["containerDefinitions"]
    environment = _environment(definition) | model_environment(candidate)
    pairs = [{"name": name, "value": value} for name, value in sorted(environment.items())]
    return wanted | {"containerDefinitions": [{**first, "environment": pairs}, *others]}


def _registered(definition: Mapping[str, Any]) -> dict[str, Any]:
    return {key: definition[key] for key in _REGISTERED_KEYS if definition.get(key)}


def _environment(definition: Mapping[str, Any]) -> dict[str, str]:
    pairs = definition["containerDefinitions"][0].get("environment", [])
    return {pair["name"]: pair["value"] for pair in pairs}


def _was_deployed(service: Mapping[str, Any], definition: str) -> bool:
    return any(
        entry["taskDefinition"] == definition and entry.get("rolloutState") == "FAILED"
        for entry in service["deployments"]
    )


def _newest_event(service: Mapping[str, Any]) -> str:
    events = service.get("events") or [{"message": "no event tells why"}]
    return str(events[0]["message"])


def _name(arn: str) -> str:
    return arn.rsplit("/", 1)[-1]
