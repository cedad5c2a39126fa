"""The hands of ECS: tasks start, join their target groups, drain and end; nothing here decides when."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from moto.elbv2.exceptions import ELBClientError
from moto.elbv2.models import elbv2_backends

from localcloud.engine import Host
from localcloud.engines import elbv2_backend
from localcloud.engines.ecs_check import watch_container
from localcloud.engines.ecs_launch import Launcher, LaunchError
from localcloud.engines.ecs_task import ADDRESS, LocalTask, StopCode, TaskContainer, TaskStatus, TaskTarget
from localcloud.health import Health
from localcloud.loadbalancer_target import TargetHealth
from localcloud.lock import service_lock

_DRAIN_MARGIN_SECONDS = 5.0
_EXITED = "Essential container in task exited"

_log = logging.getLogger(__name__)


class TaskRunner:
    """Starts and ends tasks.

    Parameters
    ----------
    host
        Supervisor, images, endpoint.
    keep
        Called with each new task, so that it can be listed.
    wake
        Called, from any thread, after a task has changed by itself.
    state_seconds
        How long each state on the way lasts at least, so that who looks sees it.
    """

    def __init__(
        self, host: Host, *, keep: Callable[[LocalTask], None], wake: Callable[[], None], state_seconds: float = 0.1
    ) -> None:
        self._host = host
        self._state_seconds = state_seconds
        self._launcher = Launcher(host)
        self._keep = keep
        self._wake = wake
        self._lock = service_lock("ecs")
        self._closed = threading.Event()
        self._ended: dict[str, threading.Event] = {}

    def admit(self, task: LocalTask) -> None:
        """List a task that is to be started, now or later."""
        with self._lock:
            self._keep(task)
            self._ended.setdefault(task.id, threading.Event())

    def start(self, task: LocalTask) -> None:
        """Begin to start a task; one that cannot be started ends, with the reason."""
        self.admit(task)
        threading.Thread(target=self._begin, args=(task,), name=f"begin-{task.id[:8]}", daemon=True).start()

    def _begin(self, task: LocalTask) -> None:
        """Walk from PROVISIONING to RUNNING, each state long enough to be seen."""
        steps = ((TaskStatus.PENDING, self._launch), (TaskStatus.ACTIVATING, self._activate))
        for status, step in steps:
            self._closed.wait(self._state_seconds)
            with self._lock:
                if self._closed.is_set() or not task.move(status):
                    return
                try:
                    step(task)
                except LaunchError as error:
                    self._fail(task, StopCode.FAILED_TO_START, str(error))
                    return
                except ELBClientError as error:
                    self._fail(task, StopCode.FAILED_TO_START, f"Unable to register targets: {error}")
                    return
        self._closed.wait(self._state_seconds)
        with self._lock:
            if not self._closed.is_set() and not task.is_ending:
                task.run()
        self._wake()

    def _launch(self, task: LocalTask) -> None:
        self._launcher.prepare(task)
        for container in task.containers:
            self._launcher.start(task, container, partial(self._on_exit, task, container))
        task.note_start()

    def _activate(self, task: LocalTask) -> None:
        self._join_groups(task)
        for container in task.containers:
            self._watch(task, container)

    def stop(self, task: LocalTask, code: StopCode, reason: str) -> None:
        """Begin to end a task: leave the target groups, drain, SIGTERM, SIGKILL."""
        with self._lock:
            if task.begin_end(code, reason):
                self._in_background(task, drain=True)

    def fail(self, task: LocalTask, reason: str) -> None:
        """Stop a task that has failed its health checks."""
        with self._lock:
            task.failed = True
            self.stop(task, StopCode.SCHEDULER, reason)

    def target_health(self, task: LocalTask, target: TaskTarget) -> TargetHealth | None:
        """Say how a task fares in a target group; None when the group or the place in it is gone."""
        backend = _elbv2(task)
        return backend.target_health(target.group_arn, ADDRESS, target.port) if backend is not None else None

    def forget(self, task: LocalTask) -> None:
        """Take a task that died with an earlier localcloud out of its target groups."""
        backend = _elbv2(task)
        for target in task.targets if backend is not None else ():
            backend.forget_target(target.group_arn, ADDRESS, target.port)

    def close(self) -> None:
        """Start and restart nothing any more; the processes are the supervisor's to end."""
        self._closed.set()
        for ended in list(self._ended.values()):
            ended.set()

    def _join_groups(self, task: LocalTask) -> None:
        backend = _elbv2(task)
        for balancer in task.request.load_balancers if backend is not None else ():
            container = next(each for each in task.containers if each.name == balancer["containerName"])
            bindings = {each["containerPort"]: each["hostPort"] for each in container.network_bindings}
            target = TaskTarget(balancer["targetGroupArn"], bindings[int(balancer["containerPort"])])
            task.targets.append(target)
            backend.register_targets(target.group_arn, [{"Id": ADDRESS, "Port": target.port}])

    def _watch(self, task: LocalTask, container: TaskContainer) -> None:
        if container.plan is None:
            return

        def tell(health: Health) -> None:
            with self._lock:
                container.health_status = health.value
            self._wake()

        folder = self._launcher.folder(task)
        watch_container(container.plan, folder, self._host.supervisor, ended=self._ended[task.id], tell=tell)

    def _on_exit(self, task: LocalTask, container: TaskContainer, code: int) -> None:
        with self._lock:
            container.end(code, container.child.killed_for if container.child is not None else None)
            essential = container.plan is None or container.plan.essential
            if essential and not self._closed.is_set() and not task.is_ending:
                self._fail(task, StopCode.CONTAINER_EXITED, _EXITED)

    def _fail(self, task: LocalTask, code: StopCode, reason: str) -> None:
        _log.info("task %s ends: %s", task.id, reason)
        task.failed = True
        if task.begin_end(code, reason):
            self._in_background(task, drain=False)

    def _in_background(self, task: LocalTask, *, drain: bool) -> None:
        threading.Thread(target=self._end, args=(task, drain), name=f"end-{task.id[:8]}", daemon=True).start()

    def _end(self, task: LocalTask, drain: bool) -> None:
        self._ended[task.id].set()
        self._closed.wait(self._state_seconds)
        self._leave_groups(task, wait=drain)
        with self._lock:
            task.last_status = TaskStatus.STOPPING.value
        self._end_containers(task)
        with self._lock:
            task.last_status = TaskStatus.DEPROVISIONING.value
        self._closed.wait(self._state_seconds)
        with self._lock:
            task.end()
            self._ended.pop(task.id, None)
        self._launcher.release(task)
        self._wake()

    def _end_containers(self, task: LocalTask) -> None:
        for container in reversed(task.containers):
            if container.child is not None and container.plan is not None:
                code = container.child.stop(container.plan.stop_timeout_seconds)
                with self._lock:
                    container.end(code, container.child.killed_for)

    def _leave_groups(self, task: LocalTask, *, wait: bool) -> None:
        backend = _elbv2(task)
        if backend is None:
            return
        left = [(target, backend.drain_target(target.group_arn, ADDRESS, target.port)) for target in task.targets]
        for target, gone in left:
            group = backend.target_groups.get(target.group_arn)
            if wait and gone is not None and group is not None:
                delay = float(group.attributes["deregistration_delay.timeout_seconds"])
                gone.wait(delay + _DRAIN_MARGIN_SECONDS)


def _elbv2(task: LocalTask) -> Any:
    # None while localcloud ends: then the load balancers may be gone before the tasks are.
    backend = elbv2_backends[task.request.account][task.region_name]
    return backend if isinstance(backend, elbv2_backend.Backend) else None
