"""EC2 whose instances run their user data; docs/localcloud/ec2.md says what differs from AWS."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from moto.autoscaling.models import autoscaling_backends
from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.models.instances import Instance
from moto.ecs.models import ecs_backends

from localcloud.backend import every_backend
from localcloud.engine import Engine, Host
from localcloud.engines.ec2_backend import Backend, machines_of, wrap_init
from localcloud.engines.ec2_folder import InstanceFolder
from localcloud.engines.ec2_image import add_parameters
from localcloud.engines.ec2_machine import Hooks, Machine, MachineSettings
from localcloud.engines.ec2_responses import replace_answers
from localcloud.engines.ec2_state import Cause, State
from localcloud.engines.ecs_backend import Backend as EcsBackend
from localcloud.environment import read_seconds
from localcloud.machine_type import complete_types
from localcloud.patch import change_classes
from localcloud.spot import SpotRefused

_log = logging.getLogger(__name__)

_SPOT_MEMBER = "InstanceId"


class Ec2Engine:
    """Hooks into moto's EC2."""

    name = "ec2"

    def __init__(self, settings: MachineSettings) -> None:
        self._settings = settings
        self._undo: list[Callable[[], None]] = []

    def install(self, host: Host) -> None:
        """Replace moto's backend and answers, and complete its tables of types and images."""
        complete_types()
        hooks = Hooks(_booted, _leaving, _gone)

        def make_machine(instance: Any, image_name: str) -> Machine:
            runtime = host.runtimes.resolve_ami(image_name)
            return Machine(instance, runtime, host, settings=self._settings, hooks=hooks)

        host.spot.register(_SPOT_MEMBER, _warn)
        ec2_backends.clear()
        ec2_backends.backend = type(
            "EC2Backend", (Backend,), {"make_machine": staticmethod(make_machine), "__module__": EC2Backend.__module__}
        )
        self._undo = [
            change_classes([(Instance, "__init__", wrap_init(Instance.__init__))]),
            replace_answers(),
            add_parameters(),
            partial(host.spot.forget, _SPOT_MEMBER),
            _restore_backend,
            _close_machines,
        ]

    def resume(self) -> None:
        """Tell that the instances' machine was lost: Spot ones are gone, the others have stopped."""
        for backend in every_backend(ec2_backends, Backend):
            backend.resume()

    def close(self) -> None:
        """End every instance's threads and undo what `install` changed; the processes are the supervisor's."""
        while self._undo:
            self._undo.pop()()


def engine() -> Engine:
    """Return the engine, set up by LOCALCLOUD_EC2_* variables."""
    return Ec2Engine(read_settings(os.environ))


def read_settings(environment: Mapping[str, str]) -> MachineSettings:
    """Read how long things take; `ValueError` names a variable that is no number of seconds."""
    default = MachineSettings()
    return MachineSettings(
        boot_seconds=read_seconds(environment, "LOCALCLOUD_EC2_BOOT_SECONDS", default.boot_seconds),
        halt_seconds=default.halt_seconds,
        grace_seconds=read_seconds(environment, "LOCALCLOUD_EC2_STOP_GRACE_SECONDS", default.grace_seconds),
        spot_notice_seconds=read_seconds(
            environment, "LOCALCLOUD_EC2_SPOT_NOTICE_SECONDS", default.spot_notice_seconds
        ),
    )


def _booted(instance: Any, folder: InstanceFolder) -> None:
    """Let the instance's ECS agent join the cluster that user data has written down."""
    name, backend = folder.read_cluster(), ecs_backends[instance.owner_id][instance.region_name]
    if name is None:
        return
    if name in backend.clusters:
        backend.register_container_instance(name, instance.id)
    else:
        _log.warning("instance %s cannot join the cluster %s: there is none", instance.id, name)


def _leaving(instance: Any) -> None:
    backend = ecs_backends[instance.owner_id][instance.region_name]
    if isinstance(backend, EcsBackend):
        backend.lose_instance(instance.id)


def _gone(instance: Any, cause: Cause) -> None:
    """Let the instance's Auto Scaling group replace what has gone by itself; for users' calls moto does."""
    if cause is not Cause.USER:
        autoscaling_backends[instance.owner_id][instance.region_name].notify_terminate_instances([instance.id])


def _warn(notice: Mapping[str, Any]) -> None:
    instance_id, seconds = notice[_SPOT_MEMBER], notice.get("Seconds")
    if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, int | float)):
        raise SpotRefused("Seconds, from the notice to the interruption, is a number")
    if notice.get("Action", "terminate") not in {"terminate", "stop"}:
        raise SpotRefused("Action is terminate or stop")
    for machine in machines_of(ec2_backends):
        if machine.instance.id == instance_id:
            if machine.instance.lifecycle != "spot" or machine.state is not State.RUNNING:
                raise SpotRefused(f"the instance {instance_id} is no running Spot instance")
            machine.warn(notice.get("Action", "terminate"), seconds)
            return
    raise SpotRefused(f"there is no instance {instance_id}")


def _close_machines() -> None:
    for machine in machines_of(ec2_backends):
        machine.close()


def _restore_backend() -> None:
    ec2_backends.backend = EC2Backend
    ec2_backends.clear()
