"""Jobs on EC2 instances, one for each attempt: the instance runs the training image, and ends itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from ratchet.aws import Aws, Deployment, translate_errors
from ratchet.aws.failure import error_code
from ratchet.compute.order import Backend
from ratchet.compute.rented.backend import IAM_ACTIONS as SHARED_ACTIONS
from ratchet.compute.rented.backend import MachineBackend
from ratchet.compute.rented.boot import write_user_data
from ratchet.compute.rented.fleet import Presence, Rental, Sighting
from ratchet.compute.rented.record import MARKET_SPOT
from ratchet.errors import CapacityError
from ratchet.naming import JOB_TAG, STACK_TAG, machine_type
from ratchet.settings import Settings

IAM_ACTIONS = (
    *SHARED_ACTIONS,
    "ec2:RunInstances",
    "ec2:CreateTags",
    "ec2:DescribeInstances",
    "ec2:TerminateInstances",
)
_IMAGE_GIB = 100  # of the root volume: what the machine image and the container image take
_ROOT_DEVICE = "/dev/xvda"
_PRESENCE: Mapping[str, Presence] = {
    "pending": Presence.ALIVE,
    "running": Presence.ALIVE,
    "stopping": Presence.ALIVE,  # by somebody's hand: its volumes cost on
    "stopped": Presence.ALIVE,
    "shutting-down": Presence.LEAVING,
    "terminated": Presence.GONE,
}
_ATTEMPT_TAG = "ratchet:attempt"
_TAKEN_BACK = "Server.SpotInstanceTermination"


def make_backend(aws: Aws, deployment: Deployment, settings: Settings) -> Backend:
    """Build the backend; found by this file's name."""
    fleet = Ec2Fleet(aws, deployment, settings)
    return MachineBackend("ec2", fleet, aws=aws, deployment=deployment, settings=settings)


class Ec2Fleet:
    """Instances from the deployment's launch template."""

    def __init__(self, aws: Aws, deployment: Deployment, settings: Settings) -> None:
        self._client: Any = aws.client("ec2")
        self._template = deployment.training_launch_template
        self._subnets = tuple(deployment.training_subnets.split(","))
        self._settings = settings

    def rent(self, rental: Rental) -> str:
        """Start an instance in the first subnet whose zone has one, or find the one that was started."""
        found = self.look(rental.job, attempt=rental.attempt)
        if found.machine:
            return found.machine
        refusals = []
        for subnet in self._subnets:
            try:
                with translate_errors(f"start an instance for job {rental.job}"):
                    answer = self._client.run_instances(**self._request(rental, subnet))
            except CapacityError as error:
                refusals.append(str(error))
                continue
            return str(answer["Instances"][0]["InstanceId"])
        raise CapacityError(
            f"EC2 has no {rental.market} {_type_of(rental)} in any subnet of the stack now: {refusals[-1]} "
            "Try again later, or choose another training.instance_type"
        )

    def look(self, job: str, *, attempt: int, machine: str = "") -> Sighting:
        """Look at an instance by its id, or by the job's tag; of several that still run, the first."""
        instances = list(self._describe(**self._which(job, attempt, machine)))
        if not instances:
            return Sighting(Presence.GONE)
        found = min(instances, key=lambda each: list(_PRESENCE).index(each["State"]["Name"]))
        reason = found.get("StateReason") or {}
        return Sighting(
            _PRESENCE[found["State"]["Name"]],
            str(found["InstanceId"]),
            reason=str(reason.get("Message") or found.get("StateTransitionReason") or ""),
            taken_back=reason.get("Code") == _TAKEN_BACK,
        )

    def give_back(self, machine: str, reason: str) -> None:
        """Terminate an instance; one that is gone is no error. EC2 keeps no reason of its caller's."""
        with translate_errors(f"terminate the instance {machine}"):
            try:
                self._client.terminate_instances(InstanceIds=[machine])
            except self._client.exceptions.ClientError as error:
                if error_code(error) != "InvalidInstanceID.NotFound":
                    raise

    def living(self) -> Iterator[tuple[str, Mapping[str, str]]]:
        """Every instance of this stack's jobs that has not begun to go."""
        states = [name for name, presence in _PRESENCE.items() if presence is Presence.ALIVE]
        filters = [_filter(f"tag:{STACK_TAG}", self._settings.stack), {"Name": "instance-state-name", "Values": states}]
        for instance in self._describe(Filters=filters):
            yield str(instance["InstanceId"]), {tag["Key"]: tag["Value"] for tag in instance.get("Tags", [])}

    def link(self, job: str) -> str:
        """URL of the console's list of a job's instances."""
        settings = self._settings
        return f"{settings.console_url}/ec2/home?region={settings.region}#Instances:tag:{JOB_TAG}={job}"

    def _which(self, job: str, attempt: int, machine: str) -> dict[str, Any]:
        if machine:
            return {"Filters": [_filter("instance-id", machine)]}
        tags = {JOB_TAG: job, STACK_TAG: self._settings.stack, _ATTEMPT_TAG: str(attempt)}
        return {"Filters": [_filter(f"tag:{key}", value) for key, value in tags.items()]}

    def _describe(self, **request: Any) -> Iterator[Mapping[str, Any]]:
        with translate_errors("look for instances"):
            while True:
                answer = self._client.describe_instances(**request)
                for reservation in answer["Reservations"]:
                    yield from reservation["Instances"]
                if not answer.get("NextToken"):
                    return
                request["NextToken"] = answer["NextToken"]

    def _request(self, rental: Rental, subnet: str) -> dict[str, Any]:
        tags = [{"Key": key, "Value": value} for key, value in _tags(rental).items()]
        request: dict[str, Any] = {
            "ClientToken": _token(rental, subnet),
            "LaunchTemplate": {"LaunchTemplateId": self._template, "Version": "$Latest"},
            "InstanceType": _type_of(rental),
            "SubnetId": subnet,
            "MinCount": 1,
            "MaxCount": 1,
            "UserData": write_user_data(rental, self._settings.region),
            "InstanceInitiatedShutdownBehavior": "terminate",
            "BlockDeviceMappings": [
                {
                    "DeviceName": _ROOT_DEVICE,
                    "Ebs": {
                        "VolumeSize": rental.order.volume_gib + _IMAGE_GIB,
                        "VolumeType": "gp3",
                        "Encrypted": True,
                        "DeleteOnTermination": True,
                    },
                }
            ],
            "TagSpecifications": [{"ResourceType": kind, "Tags": tags} for kind in ("instance", "volume")],
        }
        if rental.market == MARKET_SPOT:
            request["InstanceMarketOptions"] = {
                "MarketType": "spot",
                "SpotOptions": {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"},
            }
        return request


def _tags(rental: Rental) -> dict[str, str]:
    return {**rental.tags, _ATTEMPT_TAG: str(rental.attempt), "Name": rental.job}


def _token(rental: Rental, subnet: str) -> str:
    """The same rental in the same place is one instance, however often it is asked for; 64 letters at most."""
    told = f"{rental.token} {rental.market} {subnet}"
    return f"ratchet-{hashlib.sha256(told.encode()).hexdigest()[:40]}"


def _type_of(rental: Rental) -> str:
    return machine_type("ec2", rental.order.instance_type)


def _filter(name: str, value: str) -> dict[str, Any]:
    return {"Name": name, "Values": [value]}
