"""The ECS service behind its load balancer: a new task definition, a rolling update, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ratchet.aws import Aws, Deployment, translate_errors
from ratchet.errors import NotFoundError
from ratchet.rollout.answer import judge_answer
from ratchet.rollout.environment import describe_environment, model_environment
from ratchet.rollout.example import Example
from ratchet.rollout.machine import Observed, Outcome
from ratchet.rollout.plan import Candidate, Verb
from ratchet.rollout.probe import ask_service
from ratchet.rollout.targets import Shift, Target

IAM_ACTIONS = (
    "ecs:DescribeServices",
    "ecs:DescribeTaskDefinition",
    "ecs:ListTaskDefinitions",
    "ecs:RegisterTaskDefinition",
    "ecs:UpdateService",
    "elasticloadbalancing:DescribeTargetHealth",
    "iam:PassRole",
)
_RECENT_REVISIONS = 10
_NO_MODEL = {"model_version": "", "digest": ""}
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
    "ephemeralStorage",
    "runtimePlatform",
    "proxyConfiguration",
    "pidMode",
    "ipcMode",
)


def make_target(aws: Aws, deployment: Deployment) -> Target:
    """Build the target; found by this file's name."""
    return EcsTarget(aws, deployment)


class EcsTarget:
    """The stack's service."""

    splits_traffic = False
    calls: Mapping[str, str] = {
        Verb.PREPARE: "ecs:RegisterTaskDefinition with the model's four variables, unless there is one",
        Verb.SHIFT: "ecs:UpdateService with that task definition, then wait for its tasks and their health",
        Verb.CHECK: "POST /predict at the load balancer",
        Verb.CONFIRM: "ecs:DescribeServices",
    }

    def __init__(self, aws: Aws, deployment: Deployment) -> None:
        self._ecs: Any = aws.client("ecs")
        self._ecs_once: Any = aws.client("ecs", once=True)
        self._balancer: Any = aws.client("elbv2")
        self._deployment = deployment

    @property
    def resource(self) -> str:
        """`cluster/service`."""
        return f"{self._deployment.cluster_name}/{self._deployment.service_name}"

    def observe(self) -> dict[str, Any]:
        """What the service runs now; without tasks it serves no model, whatever its definition names."""
        service = self._service()
        definition = self._definition(service["taskDefinition"])
        model = describe_environment(_environment(definition)) if service["desiredCount"] else _NO_MODEL
        return {"task_definition": service["taskDefinition"], "desired_count": service["desiredCount"], **model}

    def inspect(self) -> dict[str, Any]:
        """Counts, health and the address."""
        service = self._service()
        return {
            "running": service["runningCount"],
            "healthy": self._healthy_targets(),
            "rollout": _primary(service).get("rolloutState", ""),
            "url": self._deployment.service_url,
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
            # A second registration would be a second revision: when the answer is lost, the next look finds the first.
            made = self._ecs_once.register_task_definition(**wanted)["taskDefinition"]
        arn = str(made["taskDefinitionArn"])
        return Outcome(Observed.DONE, f"registered {_name(arn)}", arn)

    def try_out(self, candidate: Candidate, revision: str, examples: Sequence[Example]) -> Outcome:
        """A service has no address of its own for a revision without traffic; `check` asks after the shift."""
        return Outcome(Observed.DONE)

    def shift(self, shift: Shift) -> Outcome:
        """Update the service, then wait for the new tasks' health and the old ones' end."""
        service = self._service()
        count = max(shift.tasks, int(shift.before["desired_count"]))
        if service["taskDefinition"] == shift.revision:
            if shift.asked:
                count = int(service["desiredCount"])  # an autoscaler may have changed it since
            if int(service["desiredCount"]) == count:
                return self._settled(service, shift.revision, count)
        elif shift.asked:
            return Outcome(Observed.FAILED, f"ECS gave up on {_name(shift.revision)}: {_newest_event(service)}")
        return self._update(shift.revision, count)

    def check(self, candidate: Candidate, shift: Shift, examples: Sequence[Example]) -> Outcome:
        """Send each example to the load balancer."""
        for example in examples:
            answer = ask_service(self._deployment.service_url, example.question)
            outcome = judge_answer(answer, candidate, example.expected_label)
            if outcome.observed is not Observed.DONE:
                return Outcome(outcome.observed, f"the service {outcome.message}")
        return Outcome(Observed.DONE, f"{len(examples)} predictions as in evaluation")

    def restore(self, before: Mapping[str, Any]) -> Outcome:
        """Put the observed task definition and count back."""
        service, definition = self._service(), str(before["task_definition"])
        count = int(before["desired_count"])
        if (service["taskDefinition"], service["desiredCount"]) != (definition, count):
            return self._update(definition, count)
        return self._settled(service, definition, count)

    def _update(self, definition: str, count: int) -> Outcome:
        with translate_errors("update the service"):
            self._ecs.update_service(
                cluster=self._deployment.cluster_name,
                service=self._deployment.service_name,
                taskDefinition=definition,
                desiredCount=count,
            )
        return Outcome(Observed.WAITING, f"the service is to run {count} x {_name(definition)}", asked=True)

    def _settled(self, service: Mapping[str, Any], definition: str, count: int) -> Outcome:
        primary = _primary(service)
        if primary.get("rolloutState") == "FAILED":
            return Outcome(Observed.FAILED, f"ECS says: {primary.get('rolloutStateReason') or _newest_event(service)}")
        running = f"{primary.get('runningCount', 0)} of {count} tasks of {_name(definition)} run"
        others = [entry for entry in service["deployments"] if entry is not primary and _has_tasks(entry)]
        if others or service["runningCount"] != count or service["pendingCount"]:
            return Outcome(Observed.WAITING, running)
        if primary.get("rolloutState", "COMPLETED") != "COMPLETED":
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
    return wanted | {"containerDefinitions": [{**first, "environment": _pairs(environment)}, *others]}


def _registered(definition: Mapping[str, Any]) -> dict[str, Any]:
    """What a definition was registered with; the serving container's variables sorted, so that two compare."""
    kept = {key: definition[key] for key in _REGISTERED_KEYS if definition.get(key)}
    first, *others = kept["containerDefinitions"]
    return kept | {"containerDefinitions": [{**first, "environment": _pairs(_environment(definition))}, *others]}


def _pairs(environment: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in sorted(environment.items())]


def _environment(definition: Mapping[str, Any]) -> dict[str, str]:
    pairs = definition["containerDefinitions"][0].get("environment", [])
    return {pair["name"]: pair["value"] for pair in pairs}


def _primary(service: Mapping[str, Any]) -> Mapping[str, Any]:
    found: list[Mapping[str, Any]] = [entry for entry in service["deployments"] if entry["status"] == "PRIMARY"]
    return found[0] if found else {}


def _has_tasks(deployment: Mapping[str, Any]) -> bool:
    return bool(deployment.get("runningCount") or deployment.get("pendingCount"))


def _newest_event(service: Mapping[str, Any]) -> str:
    events = service.get("events") or [{"message": "no event tells why"}]
    return str(events[0]["message"])


def _name(arn: str) -> str:
    return arn.rsplit("/", 1)[-1]
