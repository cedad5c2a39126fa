"""One instance under way: its processes, its metadata service, and its walk through EC2's states."""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from moto.ec2.models.instances import InstanceState, StateReason

from localcloud.engine import Host
from localcloud.engines.ec2_console import Console
from localcloud.engines.ec2_docker import write_docker
from localcloud.engines.ec2_facts import FactFinder
from localcloud.engines.ec2_folder import INIT, InstanceFolder
from localcloud.engines.ec2_metadata import MetadataService
from localcloud.engines.ec2_power import PowerSwitch
from localcloud.engines.ec2_state import Cause, Power, State
from localcloud.engines.ec2_user_data import decode_user_data, read_user_data
from localcloud.lock import service_lock
from localcloud.machine_type import find_shape
from localcloud.process import Child, Command, base_environment
from localcloud.runtime import Runtime

_CLOSE_SECONDS = 10.0
_KEPT = ("_reason", "state_reason", "iam_instance_profile")
_lock = service_lock("ec2")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MachineSettings:
    """How long things take.

    Attributes
    ----------
    boot_seconds
        How long an instance is pending.
    halt_seconds
        How long it is shutting down or stopping at least, so that who looks sees it.
    grace_seconds
        Between SIGTERM and SIGKILL when it ends.
    spot_notice_seconds
        Between the notice of an interruption and the interruption; 120 on AWS.
    """

    boot_seconds: float = 0.5
    halt_seconds: float = 0.3
    grace_seconds: float = 30.0
    spot_notice_seconds: float = 120.0


@dataclass(frozen=True)
class Hooks:
    """Who is told, outside of EC2's lock: that an instance's scripts have ended, that it ends, and that it has gone."""

    booted: Callable[[Any, InstanceFolder], None]
    leaving: Callable[[Any], None]
    gone: Callable[[Any, Cause], None]


class Machine:
    """What runs behind one of moto's instances; what it does is done in order, on a thread of its own.

    Parameters
    ----------
    instance
        moto's record; its state is changed under EC2's lock.
    runtime
        What stands in for its image.
    """

    def __init__(self, instance: Any, runtime: Runtime, host: Host, *, settings: MachineSettings, hooks: Hooks) -> None:
        self.instance = instance
        self.console = Console()
        self.folder = InstanceFolder(host.home / "ec2" / instance.id)
        self.facts = FactFinder(instance)
        self._runtime = runtime
        self._host = host
        self._settings = settings
        self._hooks = hooks
        self._has_booted = False
        self._child: Child | None = None
        self._metadata: MetadataService | None = None
        self._switch: PowerSwitch | None = None
        self._interruption: threading.Timer | None = None
        self._closing = threading.Event()
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=instance.id, daemon=True)
        self._thread.start()

    @property
    def state(self) -> State:
        """Where it is."""
        return State(self.instance.state)

    def start(self) -> None:
        """Begin to boot."""
        with _lock:
            self._set(State.PENDING, None)
        self._work.put(self._boot)

    def lose(self) -> None:
        """Note that the processes died with an earlier localcloud: what was going has gone, what ran has stopped."""
        with _lock:
            self._has_booted = self.state is not State.PENDING
            if self.state in {State.STOPPED, State.TERMINATED}:
                return
            gone = self.state is State.SHUTTING_DOWN or self.instance.lifecycle == "spot"
            self._set(State.TERMINATED if gone else State.STOPPED, Cause.LOST)

    def stop(self, cause: Cause) -> None:
        """Begin to stop, unless it has stopped or gone."""
        with _lock:
            if self.state not in {State.PENDING, State.RUNNING}:
                return
            self._set(State.STOPPING, cause)
        self._work.put(partial(self._halt, State.STOPPED, cause))

    def terminate(self, cause: Cause) -> None:
        """Begin to go, unless it is gone or going."""
        with _lock:
            if self.state.is_final:
                return
            self._set(State.SHUTTING_DOWN, cause)
        self._work.put(partial(self._halt, State.TERMINATED, cause))

    def reboot(self) -> None:
        """End what runs; the instance stays."""
        self._work.put(self._end_processes)

    def warn(self, action: str, notice_seconds: float | None = None) -> dict[str, str]:
        """Give notice of an interruption, and carry it out when the time has come; return the notice."""
        seconds = self._settings.spot_notice_seconds if notice_seconds is None else notice_seconds
        end = partial(self.stop, Cause.SPOT_STOP) if action == "stop" else partial(self.terminate, Cause.SPOT)
        with _lock:
            self._forget_interruption()
            self._interruption = threading.Timer(seconds, end)
            self._interruption.daemon = True
            self._interruption.start()
            return self.facts.warn(action, seconds)

    def close(self) -> None:
        """End the threads and the services; the processes are the supervisor's."""
        self._closing.set()
        self._work.put(None)
        self._thread.join(_CLOSE_SECONDS)
        self._close_services()

    def _run(self) -> None:
        for step in iter(self._work.get, None):
            try:
                step()
            except Exception:  # noqa: BLE001 - the edge of this thread; the instance must still be able to go
                _log.exception("instance %s failed", self.instance.id)

    def _set(self, state: State, cause: Cause | None) -> None:
        self.instance._state = InstanceState(state.value, state.code)
        reason = cause.value if cause is not None else None
        self.instance._reason = reason.transition(datetime.now(UTC)) if reason else ""
        self.instance.state_reason = StateReason(reason.message, reason.code) if reason else StateReason()

    def _boot(self) -> None:
        self._closing.wait(self._settings.boot_seconds)
        if self._closing.is_set() or self.state is not State.PENDING:
            return
        self.folder.make()
        write_docker(
            self.folder.bin / "docker", self.folder.root / "etc" / "docker" / "images.json", self._host.runtimes
        )
        self._metadata = MetadataService(self.facts.find, self.facts.needs_token)
        self._switch = PowerSwitch(self.folder.switch, self._obey, self._note_boot)
        with _lock:
            if self.instance.state != State.PENDING:  # somebody has stopped or terminated it meanwhile
                return
            self._set(State.RUNNING, None)
        if not self._has_booted:  # cloud-init runs user data once in an instance's life
            self._has_booted = True
            self._run_user_data(self._metadata.url)

    def _run_user_data(self, metadata_url: str) -> None:
        user_data = read_user_data(decode_user_data(self.facts.user_data()))
        for note in user_data.notes:
            self.console.write(note)
        scripts = [str(path) for path in self.folder.write_scripts(user_data)]
        if not scripts:
            self._note_boot(0)
            return
        shape = find_shape(self.instance.instance_type)
        command = Command(
            ("/bin/sh", "-c", INIT, str(self.folder.switch), *scripts),
            self._environment(metadata_url),
            self.folder.home,
            memory_mib=shape.memory_mib if shape else None,
            cpus=shape.cpus if shape else None,
            lingers=True,
        )
        self._child = self._host.supervisor.start(command, on_line=self.console.write)

    def _environment(self, metadata_url: str) -> dict[str, str]:
        base = base_environment()
        path = os.pathsep.join((str(self.folder.bin), str(self._runtime.python.parent), base["PATH"]))
        return {
            **base,
            **self._runtime.environment(),
            "PATH": path,
            "HOME": str(self.folder.home),
            "TMPDIR": str(self.folder.root / "tmp"),
            "AWS_ENDPOINT_URL": self._host.endpoint_url,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata_url,
        }

    def _note_boot(self, code: int) -> None:
        if code:
            self.console.write(f"cloud-init: a script of the user data ended with {code}")
        self.console.write("cloud-init: finished")
        self._hooks.booted(self.instance, self.folder)

    def _obey(self, power: Power) -> None:
        self.console.write(f"the instance asks for {power.value}")
        if power is Power.REBOOT:
            self.reboot()
        elif self.instance.instance_initiated_shutdown_behavior == "terminate":
            self.terminate(Cause.INSTANCE)
        else:
            self.stop(Cause.INSTANCE)

    def _halt(self, last: State, cause: Cause) -> None:
        self._forget_interruption()
        self._hooks.leaving(self.instance)
        self._end_processes()
        self._closing.wait(self._settings.halt_seconds)
        self._close_services()
        with _lock:
            if self._closing.is_set() or (last is State.STOPPED and self.state is not State.STOPPING):
                return  # somebody has terminated it meanwhile: that is the next step
            # moto takes volumes and network interfaces away, and more, and gives a reason of its own.
            kept = {name: getattr(self.instance, name) for name in _KEPT}
            if last is State.TERMINATED:
                self.instance.terminate()
            else:
                self.instance.stop()
            vars(self.instance).update(kept)
        if last is State.TERMINATED:
            self.folder.remove()
        self._hooks.gone(self.instance, cause)
        if last is State.TERMINATED:
            self._work.put(None)

    def _end_processes(self) -> None:
        if self._child is not None:
            self._child.stop(self._settings.grace_seconds)
            self._child = None

    def _forget_interruption(self) -> None:
        if self._interruption is not None:
            self._interruption.cancel()
        self._interruption = None

    def _close_services(self) -> None:
        self.facts.forget_warning()
        for service in (self._switch, self._metadata):
            if service is not None:
                service.close()
        self._switch = self._metadata = None
