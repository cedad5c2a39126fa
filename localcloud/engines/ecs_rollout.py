"""The service scheduler: looks at one service, takes one safe step towards what it asks for, and writes down why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from localcloud.engines.ecs_alarm import AlarmConfiguration, Alarms, CloudWatchAlarms
from localcloud.engines.ecs_deployment import Deployment, RolloutState
from localcloud.engines.ecs_plan import Census, plan_step
from localcloud.engines.ecs_service import LocalService
from localcloud.engines.ecs_task import LocalTask, StopCode, TaskRequest, TaskStatus, TaskTarget
from localcloud.health import Health
from localcloud.loadbalancer_target import TargetHealth, TargetState
from localcloud.metric import Region

_SETTLED_SECONDS = 10.0  # a task that has been healthy for so long does not count as crashing any more
_UNCHECKED_SECONDS = 2.0  # nobody asks a task without health checks: it counts when it has stayed alive
_FAILED_SHOWN_SECONDS = 5.0  # so long at least DescribeServices shows what has failed
_UNSTEADY = (
    "is unable to consistently start tasks successfully. For more information, see the Troubleshooting section of the "
    "Amazon ECS Developer Guide."
)
_NO_ROOM = (
    "was unable to stop or start tasks during a deployment because of the service deployment configuration. Update "
    "the minimumHealthyPercent or maximumPercent value and try again."
)


class Hands(Protocol):
    """What the scheduler can do to tasks."""

    def start(self, task: LocalTask) -> None:
        """Start a task."""

    def stop(self, task: LocalTask, code: StopCode, reason: str) -> None:
        """Drain and stop a task."""

    def fail(self, task: LocalTask, reason: str) -> None:
        """Stop a task that is not well."""

    def target_health(self, task: LocalTask, target: TaskTarget) -> TargetHealth | None:
        """Say how a task fares in a target group."""


class ServiceScheduler:
    """Reconciles services. Holds nothing of its own between two steps.

    Parameters
    ----------
    hands
        Carries out what is decided.
    alarms
        Says which alarms ring.
    """

    def __init__(self, hands: Hands, alarms: Alarms | None = None) -> None:
        self._hands = hands
        self._alarms = alarms or CloudWatchAlarms()

    def reconcile(self, service: LocalService, now_seconds: float) -> None:
        """Take one step."""
        if service.status == "INACTIVE":
            return
        for deployment in service.rollouts:
            self._judge(service, deployment, now_seconds)
        self._trip_breaker(service, now_seconds)
        self._heed_alarms(service, now_seconds)
        self._step(service, now_seconds)
        self._forget(service, now_seconds)
        self._settle(service, now_seconds)

    def is_healthy(self, task: LocalTask) -> bool:
        """Whether a task counts: it runs, its own checks pass, and its load balancers send it requests."""
        if task.last_status != TaskStatus.RUNNING:
            return False
        if not task.targets and not task.is_checked:
            return task.age_seconds >= _UNCHECKED_SECONDS
        if task.is_checked and task.health_status != Health.HEALTHY:
            return False
        found = [self._hands.target_health(task, target) for target in task.targets]
        return all(health is not None and health.state is TargetState.HEALTHY for health in found)

    def _judge(self, service: LocalService, deployment: Deployment, now_seconds: float) -> None:
        for task in deployment.live:
            if self.is_healthy(task):
                self._note_healthy(service, deployment, task)
            else:
                self._end_if_sick(service, task)
        for task in deployment.tasks:
            if task.failed and not task.failure_counted:
                task.failure_counted = True
                deployment.note_crash(now_seconds)
                if deployment.crashes > 2:
                    service.note_once(deployment, _UNSTEADY)
        deployment.tasks = [task for task in deployment.tasks if task.last_status != TaskStatus.STOPPED]

    def _note_healthy(self, service: LocalService, deployment: Deployment, task: LocalTask) -> None:
        if deployment.rollout_state is RolloutState.IN_PROGRESS and service.breaker.reset_on_healthy:
            deployment.failed_tasks = 0
        if task.age_seconds > _SETTLED_SECONDS:
            deployment.crashes = 0

    def _end_if_sick(self, service: LocalService, task: LocalTask) -> None:
        if task.health_status == Health.UNHEALTHY:
            self._hands.fail(task, "Task failed container health checks")
            return
        if task.age_seconds <= service.health_check_grace_period_seconds:
            return
        for target in task.targets:
            health = self._hands.target_health(task, target)
            if health is not None and health.state is TargetState.UNHEALTHY:
                service.note(
                    f"(port {target.port}) is unhealthy in (target-group {target.group_arn}) "
                    f"due to (reason {health.description})."
                )
                self._hands.fail(task, f"Task failed ELB health checks in (target-group {target.group_arn})")
                return

    def _trip_breaker(self, service: LocalService, now_seconds: float) -> None:
        primary, breaker = service.primary, service.breaker
        if not breaker.enabled or primary.rollout_state is not RolloutState.IN_PROGRESS:
            return
        if primary.failed_tasks < breaker.threshold(service.desired_count):
            return
        fail_deployment(service, "ECS deployment circuit breaker: tasks failed to start.", now_seconds)
        service.note(f"(deployment {primary.id}) deployment failed: tasks failed to start.")
        if breaker.rollback:
            roll_back(service, "ECS deployment circuit breaker")

    def _heed_alarms(self, service: LocalService, now_seconds: float) -> None:
        primary, asked = service.primary, AlarmConfiguration.read(service.deployment_configuration)
        if not asked.enabled or primary.rollout_state is not RolloutState.IN_PROGRESS:
            return
        ringing = self._alarms.ringing(_region(service), asked.names)
        if primary.unwatched_alarms is None:
            primary.unwatched_alarms = ringing
        heard = ringing - primary.unwatched_alarms
        if not heard:
            return
        primary.triggered_alarms = tuple(sorted(heard))
        fail_deployment(service, f"ECS deployment alarm: {', '.join(primary.triggered_alarms)} detected.", now_seconds)
        service.note(f"(deployment {primary.id}) deployment failed: alarm detected.")
        if asked.rollback:
            roll_back(service, "ECS deployment alarm")

    def _step(self, service: LocalService, now_seconds: float) -> None:
        primary = service.primary
        old = [task for deployment in service.rollouts[1:] for task in deployment.live]
        new = primary.live
        census = Census(len(new), sum(map(self.is_healthy, new)), len(old), sum(map(self.is_healthy, old)))
        may_start = (
            service.status == "ACTIVE"
            and primary.rollout_state is not RolloutState.FAILED
            and now_seconds >= primary.held_until_seconds
        )
        if census.old and service.limits.leaves_no_room:
            service.note_once(primary, _NO_ROOM)
        step = plan_step(service.limits, census, may_start=may_start)
        failed = primary.rollout_state is RolloutState.FAILED
        self._stop(service, new, step.stop_new)
        # What a failed deployment was to replace goes on serving.
        self._stop(service, old, max(0, len(old) - service.desired_count) if failed else step.stop_old)
        self._start(service, primary, step.start)

    def _start(self, service: LocalService, deployment: Deployment, count: int) -> None:
        started = [LocalTask(_request(service, deployment), deployment.definition) for _ in range(count)]
        for task in started:
            deployment.tasks.append(task)
            self._hands.start(task)
        if started:
            names = " ".join(f"(task {task.id})" for task in started)
            service.note(f"has started {count} tasks: {names}.")
            for target in (target for task in started for target in task.targets):
                service.note(f"registered 1 targets in (target-group {target.group_arn})")

    def _stop(self, service: LocalService, tasks: Sequence[LocalTask], count: int) -> None:
        if count == 0:
            return
        chosen = sorted(tasks, key=self.is_healthy)[:count]
        for task in chosen:
            reason = f"Scaling activity initiated by (deployment {service.primary.id})"
            self._hands.stop(task, StopCode.SCHEDULER, reason)
        if any(task.targets for task in chosen):
            service.note(f"has begun draining connections on {count} tasks.")
        service.note(f"has stopped {count} running tasks: {' '.join(f'(task {task.id})' for task in chosen)}.")

    def _forget(self, service: LocalService, now_seconds: float) -> None:
        def is_shown(deployment: Deployment) -> bool:
            recent = now_seconds - (deployment.ended_at_seconds or -_FAILED_SHOWN_SECONDS) < _FAILED_SHOWN_SECONDS
            failed = deployment.rollout_state is RolloutState.FAILED
            return deployment is service.primary or bool(deployment.tasks) or (failed and recent)

        service.rollouts = [deployment for deployment in service.rollouts if is_shown(deployment)]

    def _bakes(self, service: LocalService, now_seconds: float) -> bool:
        """Whether a rollout whose tasks are all there is still watched."""
        primary, asked = service.primary, AlarmConfiguration.read(service.deployment_configuration)
        if primary.rollout_state is not RolloutState.IN_PROGRESS or not asked.enabled:
            return False
        if primary.complete_since_seconds is None:
            primary.complete_since_seconds = now_seconds
        watched = tuple(name for name in asked.names if name not in (primary.unwatched_alarms or ()))
        return now_seconds - primary.complete_since_seconds < self._alarms.bake_seconds(_region(service), watched)

    def _settle(self, service: LocalService, now_seconds: float) -> None:
        primary = service.primary
        healthy = sum(map(self.is_healthy, primary.live))
        alone = not any(deployment.tasks for deployment in service.rollouts[1:])
        done = len(primary.tasks) == healthy == service.desired_count and alone
        if service.status == "DRAINING" and done:
            service.status = "INACTIVE"
            service.rollouts = []
            return
        if not done or primary.rollout_state is RolloutState.FAILED:
            service.steady = False
            primary.complete_since_seconds = None
            return
        if self._bakes(service, now_seconds):
            return
        if primary.rollout_state is RolloutState.IN_PROGRESS:
            primary.move(RolloutState.COMPLETED, f"ECS deployment {primary.id} completed.")
            service.last_completed = primary
            service.note(f"(deployment {primary.id}) deployment completed.")
        if not service.steady:
            service.steady = True
            service.note("has reached a steady state.")


def fail_deployment(service: LocalService, reason: str, now_seconds: float) -> None:
    """Declare the primary deployment failed: it starts nothing any more."""
    service.primary.move(RolloutState.FAILED, reason)
    service.primary.ended_at_seconds = now_seconds
    service.steady = False


def roll_back(service: LocalService, cause: str) -> None:
    """Make the last completed deployment the primary one again; nothing happens when there is none."""
    failed, last = service.primary, service.last_completed
    if last is None:
        return
    service.load_balancers, service.network_configuration = list(last.load_balancers), dict(last.network)
    if last in service.rollouts:
        service.rollouts.remove(last)
        service.rollouts.insert(0, last)
        target = last
    else:
        target = service.deploy(last.definition)
    target.failed_tasks = target.crashes = 0
    target.unwatched_alarms = target.complete_since_seconds = None
    target.held_until_seconds = 0.0
    failed.rolled_back_to = target
    target.move(RolloutState.IN_PROGRESS, f"{cause}: rolling back to deploymentId {target.id}.")
    service.note(f"rolling back to deployment {target.id}.")


def _region(service: LocalService) -> Region:
    return Region(service._account_id, service.region_name)


def _request(service: LocalService, deployment: Deployment) -> TaskRequest:
    tags = {
        "SERVICE": service.tags,
        "TASK_DEFINITION": deployment.definition.tags,
    }.get(service.propagate_tags, [])
    return TaskRequest(
        account=service._account_id,
        region=service.region_name,
        cluster_name=service.cluster_name,
        cluster_arn=service.cluster_arn,
        group=f"service:{service.name}",
        started_by=deployment.id,
        launch_type=service.launch_type,
        platform_version=None if service.platform_version == "LATEST" else service.platform_version,
        network=deployment.network,
        load_balancers=deployment.load_balancers,
        tags=tuple(tags or ()),
    )
