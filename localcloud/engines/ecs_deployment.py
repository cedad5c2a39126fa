"""One deployment of a service: a task definition, its tasks, and how far it has come."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from localcloud.engines.ecs_task import BEFORE_RUNNING, LocalTask, TaskStatus

_FEWEST_FAILURES, _MOST_FAILURES = 3, 200
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 60.0
_identifiers = random.SystemRandom()


class RolloutState(StrEnum):
    """How far a deployment has come."""

    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


@dataclass(frozen=True)
class CircuitBreaker:
    """When a deployment has failed, and whether the service then goes back."""

    enabled: bool = False
    rollback: bool = False
    reset_on_healthy: bool = True
    threshold_type: str = "BOUNDED_PERCENT"
    threshold_value: int = 50

    @classmethod
    def read(cls, configuration: Mapping[str, Any]) -> CircuitBreaker:
        """Read a service's deploymentConfiguration."""
        shape = configuration.get("deploymentCircuitBreaker") or {}
        threshold = shape.get("thresholdConfiguration") or {}
        return cls(
            enabled=_truth(shape.get("enable", False)),
            rollback=_truth(shape.get("rollback", False)),
            reset_on_healthy=_truth(shape.get("resetOnHealthyTask", True)),
            threshold_type=threshold.get("type", "BOUNDED_PERCENT"),
            threshold_value=int(threshold.get("value", 50)),
        )

    def threshold(self, desired: int) -> int:
        """Return the number of failed tasks that fails a deployment: by default half the tasks, 3 to 200."""
        if self.threshold_type == "COUNT":
            return self.threshold_value
        share = math.ceil(desired * self.threshold_value / 100)
        if self.threshold_type == "UNBOUNDED_PERCENT":
            return max(1, share)
        return min(_MOST_FAILURES, max(_FEWEST_FAILURES, share))


@dataclass(eq=False)
class Deployment:
    """A deployment. Changed under ECS's lock only."""

    definition: Any
    network: Mapping[str, Any]
    load_balancers: tuple[Mapping[str, Any], ...]
    rollout_state: RolloutState = RolloutState.IN_PROGRESS
    reason: str = ""
    failed_tasks: int = 0
    crashes: int = 0
    held_until_seconds: float = 0.0
    ended_at_seconds: float | None = None
    noted: set[str] = field(default_factory=set)
    tasks: list[LocalTask] = field(default_factory=list)
    id: str = field(default_factory=lambda: f"ecs-svc/{_identifiers.randrange(10**18, 10**19)}")
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    updated_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    finished_at: datetime | None = None
    rolled_back_to: Deployment | None = None
    # Alarms that rang when it began, once they were looked at; those that failed it; when its tasks were all there.
    unwatched_alarms: frozenset[str] | None = None
    triggered_alarms: tuple[str, ...] = ()
    complete_since_seconds: float | None = None

    def __post_init__(self) -> None:
        self.reason = self.reason or f"ECS deployment {self.id} in progress."

    def move(self, state: RolloutState, reason: str) -> None:
        """Enter a state."""
        self.rollout_state, self.reason = state, reason
        self.updated_at = datetime.now(UTC)
        self.finished_at = None if state is RolloutState.IN_PROGRESS else self.updated_at

    def note_crash(self, now_seconds: float) -> None:
        """Count a failed task, and hold back the next start for longer the more there were."""
        if self.rollout_state is RolloutState.IN_PROGRESS:
            self.failed_tasks += 1
        self.crashes += 1
        self.held_until_seconds = now_seconds + backoff_seconds(self.crashes)

    @property
    def live(self) -> list[LocalTask]:
        """Tasks that are not on their way out."""
        return [task for task in self.tasks if not task.is_ending]

    @property
    def running_count(self) -> int:
        """Tasks that run."""
        return sum(task.last_status == TaskStatus.RUNNING for task in self.tasks)

    @property
    def pending_count(self) -> int:
        """Tasks that are about to run."""
        return sum(task.last_status in BEFORE_RUNNING for task in self.tasks)

    def view(self, status: str, desired: int, launch: Mapping[str, Any]) -> dict[str, Any]:
        """Return the deployment as DescribeServices shows it."""
        return {
            "id": self.id,
            "status": status,
            "taskDefinition": self.definition.arn,
            "desiredCount": desired,
            "pendingCount": self.pending_count,
            "runningCount": self.running_count,
            "failedTasks": self.failed_tasks,
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
            "networkConfiguration": dict(self.network) or None,
            "rolloutState": self.rollout_state.value,
            "rolloutStateReason": self.reason,
            **launch,
        }


def backoff_seconds(crashes: int) -> float:
    """Return the pause before the next start after this many failures in a row: the first restart is immediate."""
    if crashes <= 1:
        return 0.0
    return min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** min(crashes - 2, 20))


def _truth(value: Any) -> bool:
    return value if isinstance(value, bool) else str(value).lower() == "true"
