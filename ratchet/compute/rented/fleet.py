"""What EC2 and ECS do each in their own way: rent a machine for a job, look at it, give it back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from ratchet.compute.order import JobOrder


class Presence(Enum):
    """Where a machine is."""

    ALIVE = "alive"  # waiting for capacity, starting, or running: it costs, or will
    LEAVING = "leaving"  # it is being ended and costs nothing more, but the agent may still write
    GONE = "gone"  # it has ended, or there never was one


@dataclass(frozen=True)
class Sighting:
    """What a look at a job's machine saw.

    Attributes
    ----------
    machine
        Its id; empty when none was found, be it that AWS shows none yet, or none any more.
    waits
        Whether it has not started yet, for want of room.
    reason
        Why it ended, in AWS's words.
    taken_back
        Whether it ended because Spot capacity was taken back.
    no_room
        Whether it never started, for want of capacity.
    """

    presence: Presence
    machine: str = ""
    waits: bool = False
    reason: str = ""
    taken_back: bool = False
    no_room: bool = False


@dataclass(frozen=True)
class Rental:
    """Which machine is wanted, for what.

    Attributes
    ----------
    job, attempt
        Whose machine it is.
    command
        What its container runs.
    lifetime_seconds
        When the machine ends itself at the latest, whatever its programs do.
    tags
        Whose it is and until when.
    market
        `spot` or `on-demand`.
    token
        What makes two orders of the same rental one.
    """

    job: str
    attempt: int
    order: JobOrder
    image_uri: str
    command: tuple[str, ...]
    lifetime_seconds: int
    tags: Mapping[str, str]
    market: str
    token: str


class Fleet(Protocol):
    """Four verbs; each may be repeated."""

    def rent(self, rental: Rental) -> str:
        """Order a machine, or find the one that an earlier try ordered; return its id.

        Raises
        ------
        CapacityError
            When there is none to be had now.
        """
        ...

    def look(self, job: str, *, attempt: int, machine: str = "") -> Sighting:
        """Look at the machine of an attempt, by its id or, when nobody wrote that down, by what it was ordered for."""
        ...

    def give_back(self, machine: str, reason: str) -> None:
        """End a machine; one that has ended is no error."""
        ...

    def living(self) -> Iterable[tuple[str, Mapping[str, str]]]:
        """Every machine of this deployment that costs something now: its id and its tags."""
        ...

    def link(self, job: str) -> str:
        """URL of a page where a person can look at the job's machine."""
        ...
