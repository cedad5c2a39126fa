"""The EC2 backend: moto's, with instances that really run."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from moto.ec2.exceptions import (
    EC2ClientError,
    InvalidAMIIdError,
    InvalidInstanceTypeError,
    OperationDisableApiStopNotPermitted,
    OperationNotPermitted4,
)
from moto.ec2.models import EC2Backend
from moto.ec2.models.instances import Instance, InstanceState, Reservation

from localcloud.backend import every_backend
from localcloud.engines.ec2_image import add_images, resolve_image
from localcloud.engines.ec2_machine import Machine
from localcloud.engines.ec2_state import Cause, State
from localcloud.engines.ec2_token import TokenBook
from localcloud.lock import service_lock
from localcloud.machine_type import find_shape

_lock = service_lock("ec2")


class Backend(EC2Backend):  # type: ignore[misc]
    """EC2 of one account and region."""

    make_machine: ClassVar[Callable[[Any, str], Machine]]

    def __init__(self, region_name: str, account_id: str) -> None:
        self.machines: dict[str, Machine] = {}
        self.tokens = TokenBook()
        super().__init__(region_name, account_id)
        add_images(self)

    def resume(self) -> None:
        """Take up what an earlier localcloud left."""
        self.machines = {}
        for instance in self.all_instances():
            self.machines[instance.id] = type(self).make_machine(instance, self._image_name(instance.image_id))
            self.machines[instance.id].lose()

    def reset(self) -> None:
        """Forget everything; what runs is ended."""
        machines, self.machines = list(self.machines.values()), {}
        for machine in machines:
            machine.terminate(Cause.USER)
            machine.close()
        super().reset()

    def run_instances(
        self, image_id: str, count: int, user_data: Any, security_group_names: list[str], **kwargs: Any
    ) -> Reservation:
        """Make instances and begin to boot them, with all that a launch template says."""
        with _lock:
            template = self._get_template_from_args(kwargs["launch_template"]).data if _has_template(kwargs) else {}
            _complete(kwargs, template)
            image_id = resolve_image(self, image_id or template.get("ImageId", ""))
            name = self._image_name(image_id)
            self._check_type(kwargs, template)
            reservation = super().run_instances(image_id, count, user_data, security_group_names, **kwargs)
            for instance in reservation.instances:
                self._prepare(instance, reservation, kwargs)
            for instance in reservation.instances:
                self.machines[instance.id] = type(self).make_machine(instance, name)
                self.machines[instance.id].start()
        return reservation

    def associate_iam_instance_profile(self, instance_id: str, *names: Any, **named: Any) -> Any:
        """Give an instance its profile; the one that it has already is no error."""
        present = self.iam_instance_profile_associations.get(instance_id)
        wanted = {*names, *named.values()}
        if present is not None and wanted & {present.iam_instance_profile.name, present.iam_instance_profile.arn}:
            return present
        return super().associate_iam_instance_profile(instance_id, *names, **named)

    def start_instances(self, instance_ids: list[str]) -> list[tuple[Any, InstanceState]]:
        """Start stopped instances."""
        with _lock:
            found = self._before(instance_ids)
            for instance, before in found:
                if before.name in {State.STOPPED.value, State.PENDING.value, State.RUNNING.value}:
                    continue
                raise EC2ClientError(
                    "IncorrectInstanceState",
                    f"The instance '{instance.id}' is not in a state from which it can be started.",
                )
            for instance, before in found:
                if before.name == State.STOPPED.value:
                    Instance.start(instance)
                    self.machines[instance.id].start()
        return found

    def stop_instances(self, instance_ids: list[str]) -> list[tuple[Any, InstanceState]]:
        """Begin to stop instances."""
        with _lock:
            found = self._before(instance_ids)
            for instance, before in found:
                if instance.disable_api_stop is True:
                    raise OperationDisableApiStopNotPermitted(instance.id)
                if State(before.name).is_final:
                    raise EC2ClientError(
                        "IncorrectInstanceState",
                        f"This instance '{instance.id}' is not in a state from which it can be stopped.",
                    )
            for instance, _ in found:
                self.machines[instance.id].stop(Cause.USER)
        return found

    def terminate_instances(self, instance_ids: list[str]) -> list[tuple[Any, InstanceState]]:
        """Begin to terminate instances; those that are gone stay gone."""
        with _lock:
            if not instance_ids:
                raise EC2ClientError("InvalidParameterCombination", "No instances specified")
            found = self._before(instance_ids)
            for instance, _ in found:
                if instance.disable_api_termination is True:
                    raise OperationNotPermitted4(instance.id)
            for instance, _ in found:
                self.machines[instance.id].terminate(Cause.USER)
        return found

    def reboot_instances(self, instance_ids: list[str]) -> list[Any]:
        """End what runs on instances."""
        instances: list[Any] = self.get_multi_instances_by_id(instance_ids)
        for instance in instances:
            self.machines[instance.id].reboot()
        return instances

    def _before(self, instance_ids: list[str]) -> list[tuple[Any, InstanceState]]:
        found = self.get_multi_instances_by_id(instance_ids)
        return [(instance, InstanceState(instance.state, instance.state_code)) for instance in found]

    def _image_name(self, image_id: str) -> str:
        image = self.amis.get(image_id)
        if image is None:
            raise InvalidAMIIdError(image_id)
        return image.name or image_id

    def _check_type(self, kwargs: dict[str, Any], template: dict[str, Any]) -> None:
        asked = kwargs.get("instance_type") if not kwargs.get("is_instance_type_default") else None
        name = asked or template.get("InstanceType")
        if name and find_shape(name) is None:
            raise InvalidInstanceTypeError(name)

    def _prepare(self, instance: Any, reservation: Any, kwargs: dict[str, Any]) -> None:
        instance.reservation_id = reservation.id
        if instance.lifecycle == "spot":
            instance.spot_instance_request_id = f"sir-{secrets.token_hex(4)}"
        for key in ("iam_instance_profile_name", "iam_instance_profile_arn"):
            if kwargs.get(key):
                self.associate_iam_instance_profile(instance_id=instance.id, **{key: kwargs[key]})


def wrap_init(init: Callable[..., None]) -> Callable[..., None]:
    """Make moto's instances begin as pending: they are listed as soon as they are made."""

    def begin(self: Any, *arguments: Any, **named: Any) -> None:
        init(self, *arguments, **named)
        self._state = InstanceState(State.PENDING.value, State.PENDING.code)

    return begin


def machines_of(backends: Any) -> Iterator[Machine]:
    """Return every machine of every account and region."""
    for backend in every_backend(backends, Backend):
        yield from list(backend.machines.values())


def _has_template(kwargs: dict[str, Any]) -> bool:
    return bool(kwargs.get("launch_template"))


def _complete(kwargs: dict[str, Any], template: dict[str, Any]) -> None:
    """Take from a launch template, or configuration, what moto leaves there; the request's own words win."""
    profile = template.get("IamInstanceProfile") or {}
    market = (template.get("InstanceMarketOptions") or {}).get("MarketType")
    config = kwargs.get("launch_config")
    found = {
        "instance_initiated_shutdown_behavior": template.get("InstanceInitiatedShutdownBehavior"),
        "instance_market_options": market or getattr(config, "spot_price", None),
        "metadata_options": template.get("MetadataOptions"),
    }
    if not kwargs.get("iam_instance_profile_name") and not kwargs.get("iam_instance_profile_arn"):
        named = getattr(config, "instance_profile_name", None)
        is_arn = str(named or "").startswith("arn:")
        found["iam_instance_profile_name"] = profile.get("Name") or (None if is_arn else named)
        found["iam_instance_profile_arn"] = profile.get("Arn") or (named if is_arn else None)
    for key, value in found.items():
        if value and not kwargs.get(key):
            kwargs[key] = value
