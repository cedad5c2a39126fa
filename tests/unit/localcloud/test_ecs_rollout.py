"""The scheduler's decisions on one service, with hands that only take notes."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.engines.ecs_deployment import CircuitBreaker, RolloutState, backoff_seconds
from localcloud.engines.ecs_rollout import ServiceScheduler
from localcloud.engines.ecs_service import LocalService
from localcloud.engines.ecs_task import LocalTask, StopCode, TaskStatus, TaskTarget
from localcloud.loadbalancer_target import TargetHealth, TargetState


@dataclass
class Hands:
    """Starts tasks as they are told to turn out, and ends them at once."""

    broken: set[str] = field(default_factory=set)
    started: list[LocalTask] = field(default_factory=list)
    healths: dict[str, TargetState] = field(default_factory=dict)

    def start(self, task: LocalTask) -> None:
        self.started.append(task)
        if task.definition.arn in self.broken:
            task.failed = True
            task.begin_end(StopCode.FAILED_TO_START, "CannotPullContainerError: no such image")
            task.end()
            return
        task.run()
        task.targets.append(TaskTarget("group", 1))
        self.healths[task.id] = TargetState.INITIAL

    def stop(self, task: LocalTask, code: StopCode, reason: str) -> None:
        if task.begin_end(code, reason):
            task.end()

    def fail(self, task: LocalTask, reason: str) -> None:
        task.failed = True
        self.stop(task, StopCode.SCHEDULER, reason)

    def target_health(self, task: LocalTask, target: TaskTarget) -> TargetHealth:
        return TargetHealth(self.healths[task.id], description="Request timed out")

    def heal(self) -> None:
        self.healths = dict.fromkeys(self.healths, TargetState.HEALTHY)


def definition(revision: int) -> SimpleNamespace:
    shape = {"name": "server", "image": "tiny"}
    return SimpleNamespace(
        arn=f"models:{revision}", cpu="256", memory="512", tags=[], network_mode="awsvpc", container_definitions=[shape]
    )


def service(desired: int = 2, **breaker: bool) -> LocalService:
    backend = SimpleNamespace(account_id="123456789012", region_name="us-east-1")
    cluster = SimpleNamespace(name="serving", arn="arn:aws:ecs:us-east-1:123456789012:cluster/serving")
    configuration = {"deploymentCircuitBreaker": {"enable": True, "rollback": True, **breaker}}
    request = {"serviceName": "models", "desiredCount": desired, "deploymentConfiguration": configuration}
    return LocalService(backend, cluster, definition(1), request)


def run(made: LocalService, hands: Hands, *, seconds: float = 60.0, pace: float = 0.25) -> None:
    scheduler = ServiceScheduler(hands)
    for step in range(int(seconds / pace)):
        scheduler.reconcile(made, step * pace)


def completed(hands: Hands, desired: int = 2, **breaker: bool) -> LocalService:
    made = service(desired, **breaker)
    run(made, hands, seconds=1)
    hands.heal()
    run(made, hands, seconds=1)
    assert made.primary.rollout_state is RolloutState.COMPLETED
    return made


def messages(made: LocalService) -> list[str]:
    return [event["message"] for event in made.events]


def test_a_deployment_completes_when_its_tasks_are_healthy_and_alone():
    hands = Hands()
    made = service()
    run(made, hands, seconds=1)
    assert made.primary.rollout_state is RolloutState.IN_PROGRESS
    hands.heal()
    run(made, hands, seconds=1)
    assert made.primary.reason == f"ECS deployment {made.primary.id} completed."
    assert messages(made)[0] == "(service models) has reached a steady state."
    assert messages(made).count(messages(made)[0]) == 1


def test_old_tasks_serve_until_new_ones_are_healthy():
    hands = Hands()
    made = completed(hands)
    old = made.primary
    made.deploy(definition(2))
    run(made, hands, seconds=1)
    assert (len(made.primary.live), len(old.live)) == (2, 2)
    hands.healths[made.primary.live[0].id] = TargetState.HEALTHY
    run(made, hands, seconds=1)
    assert (len(made.primary.live), len(old.live)) == (2, 1)
    hands.heal()
    run(made, hands, seconds=1)
    assert [deployment.definition.arn for deployment in made.rollouts] == ["models:2"]


def test_three_failed_tasks_fail_the_deployment_and_bring_the_old_one_back():
    hands = Hands(broken={"models:2"})
    made = completed(hands)
    good = made.primary
    bad = made.deploy(definition(2))
    run(made, hands)
    assert bad.rollout_state is RolloutState.FAILED
    assert bad.failed_tasks == 4  # two start at a time
    assert made.primary is good
    assert good.rollout_state is RolloutState.COMPLETED
    assert len(good.live) == 2
    assert made.rollouts == [good]


def test_a_failed_deployment_without_rollback_starts_nothing_more_and_stops_nothing():
    hands = Hands(broken={"models:2"})
    made = completed(hands, rollback=False)
    good, bad = made.primary, made.deploy(definition(2))
    run(made, hands)
    starts = len(hands.started)
    run(made, hands)
    assert made.rollouts == [bad, good]
    assert len(good.live) == 2
    assert len(hands.started) == starts


def test_limits_that_leave_no_room_are_told_once():
    hands = Hands()
    made = completed(hands, 1)
    made.configure({"minimumHealthyPercent": 50, "maximumPercent": 150})
    made.deploy(definition(2))
    run(made, hands)
    told = [message for message in messages(made) if "was unable to stop or start tasks during a deployment" in message]
    assert len(told) == 1
    assert len(hands.started) == 1


def test_a_first_deployment_that_fails_has_nothing_to_go_back_to():
    hands = Hands(broken={"models:1"})
    made = service()
    run(made, hands)
    assert made.primary.rollout_state is RolloutState.FAILED
    assert made.primary.reason == "ECS deployment circuit breaker: tasks failed to start."


def test_without_a_circuit_breaker_starts_go_on_with_growing_pauses():
    hands = Hands(broken={"models:1"})
    made = service(1, enable=False)
    run(made, hands, seconds=60)
    first_minute = len(hands.started)
    assert made.primary.rollout_state is RolloutState.IN_PROGRESS
    assert 5 <= first_minute <= 12


def test_a_task_in_its_grace_period_is_left_alone():
    hands = Hands()
    made = service(1)
    made.health_check_grace_period_seconds = 3600
    run(made, hands, seconds=1)
    hands.healths = dict.fromkeys(hands.healths, TargetState.UNHEALTHY)
    run(made, hands, seconds=1)
    assert len(hands.started) == 1
    made.health_check_grace_period_seconds = 0
    run(made, hands, seconds=1)
    assert hands.started[0].stopped_reason == "Task failed ELB health checks in (target-group group)"
    assert "is unhealthy in (target-group group) due to (reason Request timed out)." in " ".join(messages(made))


def test_a_deleted_service_is_inactive_when_its_last_task_has_ended():
    hands = Hands()
    made = completed(hands)
    made.status, made.desired_count = "DRAINING", 0
    run(made, hands, seconds=1)
    assert made.status == "INACTIVE"
    assert made.deployments == []
    assert all(task.last_status == TaskStatus.STOPPED for task in hands.started)


@pytest.mark.parametrize(
    ("shape", "desired", "threshold"),
    [
        ({}, 1, 3),
        ({}, 25, 13),
        ({}, 1000, 200),
        ({"thresholdConfiguration": {"type": "COUNT", "value": 1}}, 50, 1),
        ({"thresholdConfiguration": {"type": "BOUNDED_PERCENT", "value": 10}}, 10, 3),
        ({"thresholdConfiguration": {"type": "UNBOUNDED_PERCENT", "value": 10}}, 10, 1),
    ],
)
def test_the_circuit_breaker_waits_for_as_many_failures_as_aws_documents(shape, desired, threshold):
    breaker = CircuitBreaker.read({"deploymentCircuitBreaker": {"enable": True, "rollback": True, **shape}})
    assert breaker.threshold(desired) == threshold


@given(st.integers(0, 10_000))
def test_pauses_between_starts_grow_to_a_minute_and_no_further(crashes):
    assert 0.0 <= backoff_seconds(crashes) <= backoff_seconds(crashes + 1) <= 60.0


@given(st.lists(st.sampled_from(["heal", "crash", "update", "scale"]), max_size=12))
def test_whatever_happens_the_service_ends_with_what_it_asks_for(moves):
    hands = Hands()
    made = service(2, enable=False)
    revision = 1
    for move in moves:
        run(made, hands, seconds=0.5)
        live = [task for deployment in made.rollouts for task in deployment.live]
        assert len(live) <= 4
        if move == "heal":
            hands.heal()
        elif move == "crash" and live:
            hands.fail(live[0], "Essential container in task exited")
        elif move == "update":
            revision += 1
            made.deploy(definition(revision))
        elif move == "scale":
            made.desired_count = 3 - made.desired_count
    for _ in range(3):
        run(made, hands, seconds=120, pace=5)
        hands.heal()
    run(made, hands, seconds=1)
    assert [deployment.definition.arn for deployment in made.rollouts] == [f"models:{revision}"]
    assert len(made.primary.live) == made.desired_count
    assert made.primary.rollout_state is RolloutState.COMPLETED


@dataclass
class Bells:
    """Alarms that ring when they are told to."""

    ringing_now: frozenset[str] = frozenset()
    bake: float = 0.0

    def ringing(self, _region: object, names: tuple[str, ...]) -> frozenset[str]:
        return self.ringing_now & frozenset(names)

    def bake_seconds(self, _region: object, names: tuple[str, ...]) -> float:
        return self.bake if names else 0.0


def watched(hands: Hands, **alarms: bool) -> LocalService:
    made = completed(hands)
    made.configure({"alarms": {"alarmNames": ["errors"], "enable": True, "rollback": True, **alarms}})
    made.deploy(definition(2))
    return made


def reconcile(made: LocalService, hands: Hands, bells: Bells, *moments: float) -> None:
    for moment in moments:
        ServiceScheduler(hands, bells).reconcile(made, moment)
        hands.heal()


def test_an_alarm_fails_the_deployment_and_brings_the_old_one_back():
    hands, bells = Hands(), Bells(bake=60)
    made = watched(hands)
    bad, good = made.rollouts
    reconcile(made, hands, bells, 0, 1, 2, 3)
    bells.ringing_now = frozenset({"errors"})
    reconcile(made, hands, bells, 4, 5, 6, 7, 8)
    assert bad.rollout_state is RolloutState.FAILED
    assert bad.triggered_alarms == ("errors",)
    assert made.primary.definition is good.definition
    assert made.primary.rollout_state is RolloutState.COMPLETED


def test_a_deployment_is_watched_until_its_alarms_have_had_their_time():
    hands, bells = Hands(), Bells(bake=60)
    made = watched(hands)
    reconcile(made, hands, bells, 0, 1, 2, 3, 60)
    assert made.primary.rollout_state is RolloutState.IN_PROGRESS
    reconcile(made, hands, bells, 64)
    assert made.primary.rollout_state is RolloutState.COMPLETED


def test_an_alarm_that_rang_before_does_not_stop_a_fix():
    hands, bells = Hands(), Bells(frozenset({"errors"}), bake=60)
    made = watched(hands)
    reconcile(made, hands, bells, 0, 1, 2, 3, 4)
    assert made.primary.definition.arn == "models:2"
    assert made.primary.rollout_state is RolloutState.COMPLETED


def test_alarms_that_are_not_enabled_are_not_heard():
    hands, bells = Hands(), Bells(bake=60)
    made = watched(hands, enable=False)
    reconcile(made, hands, bells, 0)
    bells.ringing_now = frozenset({"errors"})
    reconcile(made, hands, bells, 1, 2, 3)
    assert made.primary.rollout_state is RolloutState.COMPLETED


def test_without_rollback_an_alarm_only_fails_the_deployment():
    hands, bells = Hands(), Bells(bake=60)
    made = watched(hands, rollback=False)
    bad = made.primary
    reconcile(made, hands, bells, 0, 1, 2)
    bells.ringing_now = frozenset({"errors"})
    reconcile(made, hands, bells, 3, 4)
    assert (made.primary, bad.rollout_state) == (bad, RolloutState.FAILED)
