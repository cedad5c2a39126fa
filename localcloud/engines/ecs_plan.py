"""How many tasks a service starts and stops next: ECS's rolling update as one pure function.

The two promises of a rolling update hold at every step: healthy tasks never fall below minimumHealthyPercent of the
desired count because of the scheduler, and tasks never exceed maximumPercent of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What the service asks for."""

    desired: int
    minimum_percent: int = 100
    maximum_percent: int = 200

    @property
    def fewest(self) -> int:
        """Healthy tasks that have to be there."""
        return math.ceil(self.desired * self.minimum_percent / 100)

    @property
    def leaves_no_room(self) -> bool:
        """Whether a full service can neither start nor stop a task: then no update gets anywhere."""
        return 0 < self.most == self.desired == self.fewest

    @property
    def most(self) -> int:
        """Tasks that may be there."""
        return math.floor(self.desired * self.maximum_percent / 100)


@dataclass(frozen=True)
class Census:
    """The tasks that are there and not on their way out; healthy ones are among all ones.

    `new` are the primary deployment's, `old` are those of all others.
    """

    new: int
    new_healthy: int
    old: int
    old_healthy: int


@dataclass(frozen=True)
class Step:
    """What to do now. Of those to stop, unhealthy ones go first."""

    start: int = 0
    stop_new: int = 0
    stop_old: int = 0


def plan_step(limits: Limits, census: Census, *, may_start: bool = True) -> Step:
    """Decide the next step.

    Parameters
    ----------
    limits
        What the service asks for.
    census
        What is there.
    may_start
        False while starts are held back (a back-off, a failed deployment): then old tasks make no room either.
    """
    wanted = max(0, limits.desired - census.new) if may_start else 0
    start = min(wanted, max(0, limits.most - census.new - census.old))
    stop_old = _replaced(limits, census)
    if wanted > start:
        stop_old = max(stop_old, _room(limits, census, wanted - start))
    return Step(start, max(0, census.new - limits.desired), min(census.old, stop_old))


def _replaced(limits: Limits, census: Census) -> int:
    """Old tasks that healthy new ones have made superfluous."""
    still_needed = max(0, limits.desired - census.new_healthy)
    return max(0, census.old - still_needed)


def _room(limits: Limits, census: Census, missing: int) -> int:
    """Old tasks to stop for new ones to start: sick ones at no cost, healthy ones as far as the minimum allows."""
    sick = census.old - census.old_healthy
    spare = max(0, census.new_healthy + census.old_healthy - limits.fewest)
    return min(missing, sick + spare)
