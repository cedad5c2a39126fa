"""Jobs as tasks on the stack's pool of GPU machines: placed by CPU, memory and GPUs, the pool grows for them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ratchet.aws import Aws, Deployment, translate_errors
from ratchet.aws.failure import error_code
from ratchet.compute.order import Backend
from ratchet.compute.rented.backend import IAM_ACTIONS as SHARED_ACTIONS
from ratchet.compute.rented.backend import MachineBackend
from ratchet.compute.rented.fleet import Presence, Rental, Sighting
from ratchet.compute.rented.share import Share, read_share
from ratchet.errors import CapacityError, NotFoundError
from ratchet.naming import STACK_TAG, machine_type, short
from ratchet.settings import Settings

IAM_ACTIONS = (
    *SHARED_ACTIONS,
    "ecs:RunTask",
    "ecs:TagResource",
    "ecs:DescribeTasks",
    "ecs:ListTasks",
    "ecs:StopTask",
    "ecs:DescribeTaskDefinition",
    "ecs:RegisterTaskDefinition",
    "ec2:DescribeInstanceTypes",
)
_CONTAINER = "training"
_WAITING = frozenset({"PROVISIONING", "PENDING", "ACTIVATING"})
_DESCRIBED_AT_ONCE = 100
# What a definition is copied with; the rest is ECS's own.
_COPIED = (
    "taskRoleArn",
    "executionRoleArn",
    "networkMode",
    "containerDefinitions",
    "volumes",
    "placementConstraints",
    "requiresCompatibilities",
)


def make_backend(aws: Aws, deployment: Deployment, settings: Settings) -> Backend:
    """Build the backend; found by this file's name."""
    fleet = EcsFleet(aws, deployment, settings)
    return MachineBackend("ecs", fleet, aws=aws, deployment=deployment, settings=settings)


class EcsFleet:
    """Tasks of the stack's cluster on its capacity provider."""

    def __init__(self, aws: Aws, deployment: Deployment, settings: Settings) -> None:
        self._client: Any = aws.client("ecs")
        self._ec2: Any = aws.client("ec2")
        self._cluster = deployment.cluster_name
        self._pool = deployment.training_pool
        self._family = deployment.training_task_family
        self._settings = settings

    def rent(self, rental: Rental) -> str:
        """Run the rental's task, or find the one that runs; it waits in PROVISIONING until the pool has grown."""
        found = self.look(rental.job, attempt=rental.attempt)
        if found.machine:
            return found.machine
        request = self._request(rental, self._define(rental.image_uri))
        with translate_errors(f"run the task of job {rental.job}"):
            answer = self._client.run_task(**request)
        if not answer["tasks"]:
            reasons = ", ".join(sorted({str(failure.get("reason")) for failure in answer["failures"]}))
            raise CapacityError(
                f"the pool {self._pool} takes no task of a {rental.order.instance_type} now: {reasons or 'no reason'}. "
                "Try again later, or raise the stack's PoolMaximum"
            )
        return str(answer["tasks"][0]["taskArn"])

    def look(self, job: str, *, attempt: int, machine: str = "") -> Sighting:
        """Look at a task by its ARN, or by the name of the job that started it."""
        arns = [machine] if machine else list(self._list(startedBy=_starter(job, attempt)))
        task = next(self._describe(arns), None)
        if task is None:
            return Sighting(Presence.GONE)
        presence = Presence.ALIVE
        if task["desiredStatus"] == "STOPPED":
            presence = Presence.GONE if task["lastStatus"] == "STOPPED" else Presence.LEAVING
        return Sighting(
            presence,
            str(task["taskArn"]),
            waits=task["lastStatus"] in _WAITING,
            reason=_reason(task),
            no_room=_lacked_room(task),
        )

    def give_back(self, machine: str, reason: str) -> None:
        """Stop a task; one that has stopped, or is forgotten already, is no error."""
        with translate_errors(f"stop the task {machine}"):
            try:
                self._client.stop_task(cluster=self._cluster, task=machine, reason=reason[:255])
            except self._client.exceptions.ClientError as error:
                if error_code(error) != "InvalidParameterException" or "not found" not in str(error).lower():
                    raise

    def living(self) -> Iterator[tuple[str, Mapping[str, str]]]:
        """Every task of this stack's jobs that is not to stop."""
        for task in self._describe(list(self._list())):
            tags = {tag["key"]: tag["value"] for tag in task.get("tags", [])}
            if tags.get(STACK_TAG) == self._settings.stack:
                yield str(task["taskArn"]), tags

    def link(self, job: str) -> str:
        """URL of the console's list of the cluster's tasks."""
        settings = self._settings
        page = f"{settings.console_url}/ecs/v2/clusters/{self._cluster}/tasks"
        return f"{page}?region={settings.region}&startedBy={quote(_starter(job, 1))}"

    def _list(self, **which: str) -> Iterator[str]:
        with translate_errors("list tasks"):
            while True:
                answer = self._client.list_tasks(cluster=self._cluster, **which)
                yield from answer["taskArns"]
                if not answer.get("nextToken"):
                    return
                which["nextToken"] = answer["nextToken"]

    def _describe(self, arns: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        for start in range(0, len(arns), _DESCRIBED_AT_ONCE):
            some = list(arns[start : start + _DESCRIBED_AT_ONCE])
            with translate_errors("look at tasks"):
                answer = self._client.describe_tasks(cluster=self._cluster, tasks=some, include=["TAGS"])
            yield from answer["tasks"]

    def _define(self, image_uri: str) -> str:
        """The task definition of an image: a copy of the stack's own, registered when there is none yet."""
        family = f"{self._family}-{short(hashlib.sha256(image_uri.encode()).hexdigest())}"
        base = self._find_definition(self._family)
        if base is None:
            raise NotFoundError(f"the stack's task definition {self._family} is missing: update the stack")
        wanted = {name: base[name] for name in _COPIED if base.get(name)}
        wanted["containerDefinitions"] = [{**shape, "image": image_uri} for shape in base["containerDefinitions"]]
        known = self._find_definition(family)
        if known is not None and all(known.get(name) == value for name, value in wanted.items()):
            return str(known["taskDefinitionArn"])
        with translate_errors(f"register the task definition {family}"):
            made = self._client.register_task_definition(family=family, **wanted)
        return str(made["taskDefinition"]["taskDefinitionArn"])

    def _find_definition(self, family: str) -> Mapping[str, Any] | None:
        with translate_errors(f"look at the task definition {family}"):
            try:
                answer = self._client.describe_task_definition(taskDefinition=family)
            except self._client.exceptions.ClientException:  # ECS has no code of its own for "there is none"
                return None
        found: Mapping[str, Any] = answer["taskDefinition"]
        return found

    def _request(self, rental: Rental, definition: str) -> dict[str, Any]:
        share = self._share(rental.order.instance_type)
        region = self._settings.region
        container: dict[str, Any] = {
            "name": _CONTAINER,
            "command": list(rental.command),
            "cpu": share.cpu_units,
            "memory": share.memory_mib,
            "environment": [{"name": name, "value": region} for name in ("AWS_REGION", "AWS_DEFAULT_REGION")],
        }
        if share.gpus:
            container["resourceRequirements"] = [{"type": "GPU", "value": str(share.gpus)}]
        return {
            "cluster": self._cluster,
            "taskDefinition": definition,
            "capacityProviderStrategy": [{"capacityProvider": self._pool, "weight": 1}],
            "placementStrategy": [{"type": "binpack", "field": "memory"}],
            "count": 1,
            "startedBy": _starter(rental.job, rental.attempt),
            "clientToken": _token(rental),
            "overrides": {"containerOverrides": [container]},
            "tags": [{"key": key, "value": value} for key, value in rental.tags.items()],
        }

    def _share(self, instance_type: str) -> Share:
        name = machine_type("ecs", instance_type)
        with translate_errors(f"look at the machine {name}", "Correct training.instance_type."):
            answer = self._ec2.describe_instance_types(InstanceTypes=[name])
        return read_share(answer["InstanceTypes"][0])


def _starter(job: str, attempt: int) -> str:
    return f"{job}/{attempt}"


def _token(rental: Rental) -> str:
    """The same rental is one task, however often it is asked for."""
    return hashlib.sha256(rental.token.encode()).hexdigest()[:64]


def _lacked_room(task: Mapping[str, Any]) -> bool:
    return "capacity" in str(task.get("stoppedReason") or "").lower() and not task.get("containerInstanceArn")


def _reason(task: Mapping[str, Any]) -> str:
    """Why a task stopped, with what ECS says about its container."""
    of_container = [str(each["reason"]) for each in task.get("containers", []) if each.get("reason")]
    return "; ".join(filter(None, [str(task.get("stoppedReason") or ""), *of_container]))
