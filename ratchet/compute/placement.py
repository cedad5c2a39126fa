"""Which machine an order is tried on next: the policy's offers in turn, and why each one before was left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from ratchet.compute.order import JobOrder

_KEPT = 30  # placements that are remembered one by one


class Left(StrEnum):
    """Why a placement was left."""

    REFUSED = "refused"  # no job was made: AWS, or the account's quota, gave no machine
    NO_CAPACITY = "no capacity"  # its job ended because there was no machine
    FAILED = "failed"  # its job ended badly by itself, or was stopped


@dataclass(frozen=True)
class Offer:
    """A kind of machine that an order may run on."""

    compute: str
    instance_type: str
    spot: bool = False

    def fit(self, order: JobOrder) -> JobOrder:
        """The order, for this machine."""
        return replace(order, instance_type=self.instance_type, spot=self.spot)

    def __str__(self) -> str:
        """As a person names it."""
        return f"{self.instance_type} of {self.compute}" + (" (Spot)" if self.spot else "")


@dataclass(frozen=True)
class Placement:
    """One decision to run an order somewhere.

    Attributes
    ----------
    epoch
        Which of the jobs of this order on this machine it is.
    run_id
        The run that decided, and pays.
    because
        Why the placement before was left, in words; empty for the first one.
    """

    offer: Offer
    epoch: int
    job: str
    run_id: str
    because: str = ""


@dataclass(frozen=True)
class Placements:
    """Every placement of an order so far.

    Attributes
    ----------
    placements
        The newest ones, in order; the last one counts.
    jobs
        Jobs that were made and have ended badly.
    failures
        How many of them ended by their own fault.
    """

    placements: tuple[Placement, ...] = ()
    jobs: tuple[str, ...] = ()
    failures: int = 0

    @property
    def last(self) -> Placement:
        """The placement that counts."""
        return self.placements[-1]

    def begin(self, order: JobOrder, offer: Offer, run_id: str) -> Placements:
        """The first placement."""
        return self._add(order, offer, run_id, "")

    def leave(self, order: JobOrder, offers: Sequence[Offer], left: Left, *, run_id: str, because: str) -> Placements:
        """The placements after the last one was left.

        What had no machine goes to the next offer, and after the last offer to the first again. What failed by itself
        stays where it was: its checkpoints are there.
        """
        after = self
        if left is not Left.REFUSED:
            after = replace(after, jobs=(*self.jobs, self.last.job))
        if left is Left.FAILED:
            after = replace(after, failures=self.failures + 1)
        offer = self.last.offer if left is Left.FAILED else next_offer(offers, self.last.offer)
        return after._add(order, offer, run_id, f"{self.last.offer}: {because}")

    def _add(self, order: JobOrder, offer: Offer, run_id: str, because: str) -> Placements:
        mine = offer.fit(order)
        epoch = 0
        while mine.name(epoch) in self.jobs:
            epoch += 1
        added = Placement(offer, epoch, mine.name(epoch), run_id, because)
        return replace(self, placements=(*self.placements, added)[-_KEPT:])

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary, in lists and texts only."""
        placements = [asdict(placement) for placement in self.placements]
        return {"placements": placements, "jobs": list(self.jobs), "failures": self.failures}

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Placements:
        """Read what `to_json` wrote."""
        placements = tuple(Placement(**{**entry, "offer": Offer(**entry["offer"])}) for entry in raw["placements"])
        return cls(placements, tuple(raw["jobs"]), int(raw["failures"]))


def next_offer(offers: Sequence[Offer], tried: Offer) -> Offer:
    """The offer behind one that had no machine; the first one behind the last, and behind one that is no offer now."""
    place = list(offers).index(tried) if tried in offers else -1
    return offers[(place + 1) % len(offers)]
