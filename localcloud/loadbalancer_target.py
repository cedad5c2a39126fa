"""The targets of one target group: who is in, how each fares, and who gets the next request."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum

from localcloud.health import Health, HealthRecord


class TargetState(StrEnum):
    """ELBv2's states of a target."""

    INITIAL = "initial"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    DRAINING = "draining"
    UNUSED = "unused"


@dataclass(frozen=True)
class HealthCheck:
    """How targets are looked at.

    Attributes
    ----------
    path
        Path of the request.
    port
        Port to ask, or None for the target's own.
    codes
        Good status codes, such as `200` or `200-299,301`.
    """

    path: str = "/"
    port: int | None = None
    codes: str = "200"
    interval_seconds: float = 30.0
    timeout_seconds: float = 5.0
    healthy_threshold: int = 5
    unhealthy_threshold: int = 2
    enabled: bool = True

    def accepts(self, status: int) -> bool:
        """Whether a status code is a good answer."""
        for part in self.codes.split(","):
            low, _, high = part.partition("-")
            if int(low) <= status <= int(high or low):
                return True
        return False


@dataclass(frozen=True)
class TargetHealth:
    """What DescribeTargetHealth says of a target."""

    state: TargetState
    reason: str | None = None
    description: str | None = None


_STARTING = TargetHealth(TargetState.INITIAL, "Elb.InitialHealthChecking", "Initial health checks are in progress")
_DRAINING = TargetHealth(
    TargetState.DRAINING, "Target.DeregistrationInProgress", "Target deregistration is in progress"
)


@dataclass(eq=False)
class Target:
    """One server. Changed by its pool only."""

    host: str
    port: int
    record: HealthRecord
    health: TargetHealth = _STARTING
    in_flight: int = 0
    drained: threading.Event = field(default_factory=threading.Event)
    removed: threading.Event = field(default_factory=threading.Event)

    @property
    def key(self) -> tuple[str, int]:
        """Address that identifies the target in its group."""
        return self.host, self.port


class TargetPool:
    """The targets of one group. Safe to use from any thread.

    Parameters
    ----------
    check
        How targets are looked at.
    """

    def __init__(self, check: HealthCheck) -> None:
        self.check = check
        self.least_outstanding = False
        self._lock = threading.Lock()
        self._targets: dict[tuple[str, int], Target] = {}
        self._turn = 0

    def set_check(self, check: HealthCheck) -> None:
        """Look at the targets in another way from now on; what is known of them stays."""
        with self._lock:
            self.check = check
            for target in self._targets.values():
                target.record.interval_seconds = check.interval_seconds
                target.record.rise = check.healthy_threshold
                target.record.fall = check.unhealthy_threshold

    def add(self, host: str, port: int) -> Target | None:
        """Register a server; None when it is in already and not on its way out."""
        check = self.check
        record = HealthRecord(
            time.monotonic(), check.interval_seconds, check.healthy_threshold, check.unhealthy_threshold
        )
        target = Target(host, port, record)
        if not check.enabled:
            target.health = TargetHealth(TargetState.HEALTHY)
        with self._lock:
            present = self._targets.get(target.key)
            if present is not None and present.health.state is not TargetState.DRAINING:
                return None
            self._targets[target.key] = target
        return target

    def drain(self, host: str, port: int) -> Target | None:
        """Give a server no more requests; its `drained` event comes with the end of the last one it has."""
        with self._lock:
            target = self._targets.get((host, port))
            if target is None:
                return None
            target.health = _DRAINING
            if target.in_flight == 0:
                target.drained.set()
        return target

    def remove(self, target: Target) -> None:
        """Forget a server."""
        with self._lock:
            if self._targets.get(target.key) is target:
                del self._targets[target.key]
        target.removed.set()
        target.drained.set()

    def acquire(self, *, but: Collection[Target] = ()) -> Target | None:
        """Choose a server for one request and count the request as its own until `release`.

        Healthy ones take turns. When there is none, unhealthy ones do: a load balancer that fails open is what AWS
        documents. Servers that have not answered yet get nothing.
        """
        with self._lock:
            chosen = self._candidates(but)
            if not chosen:
                return None
            self._turn += 1
            target = chosen[self._turn % len(chosen)]
            if self.least_outstanding:
                target = min(chosen, key=lambda candidate: candidate.in_flight)
            target.in_flight += 1
            return target

    def release(self, target: Target) -> None:
        """End a request that `acquire` began."""
        with self._lock:
            target.in_flight -= 1
            if target.in_flight == 0 and target.health.state is TargetState.DRAINING:
                target.drained.set()

    def note(self, target: Target, failure: TargetHealth | None) -> None:
        """Take in one look at a server: None for a good answer, else what was wrong with it."""
        with self._lock:
            if target.health.state is TargetState.DRAINING:
                return
            health = target.record.note(good=failure is None, now_seconds=time.monotonic())
            if health is Health.HEALTHY:
                target.health = TargetHealth(TargetState.HEALTHY)
            elif health is Health.UNHEALTHY and failure is not None:
                target.health = failure

    def health(self, host: str, port: int) -> TargetHealth | None:
        """Return how a server fares; None when it is not in."""
        target = self._targets.get((host, port))
        return target.health if target is not None else None

    def targets(self) -> list[Target]:
        """Return the servers, draining ones included."""
        with self._lock:
            return list(self._targets.values())

    def _candidates(self, but: Collection[Target]) -> list[Target]:
        for state in (TargetState.HEALTHY, TargetState.UNHEALTHY):
            found = [each for each in self._targets.values() if each.health.state is state and each not in but]
            if found:
                return found
        return []
