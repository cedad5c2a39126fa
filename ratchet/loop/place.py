"""Carries a policy of machines out: the first offer that has one gets the job, and no two of them at once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ratchet.compute.order import Backend, JobOrder, JobState, JobStatus
from ratchet.compute.placement import Left, Offer, Placement, Placements
from ratchet.compute.placement_book import PlacementBook
from ratchet.errors import CapacityError, ConflictError, JobError, NotFoundError, UnavailableError
from ratchet.loop.workshop import Workshop

_MOST_STEPS = 100
_REASON_TAG = "ratchet:because"
_TAG_LIMIT = 256
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Placed:
    """A job that runs or has succeeded, where it was placed and why there.

    Attributes
    ----------
    order
        For exactly that machine.
    more_offers
        How many offers come behind this one in the policy.
    """

    status: JobStatus
    placement: Placement
    order: JobOrder
    more_offers: int


@dataclass(frozen=True)
class _Fate:
    left: Left
    because: str
    tried_now: bool  # else the job had ended before this call


def place(workshop: Workshop, order: JobOrder, offers: Sequence[Offer], *, run_id: str) -> Placed:
    """Start an order's job on the policy's first machine that there is, or find the job that runs or has succeeded.

    Parameters
    ----------
    order
        As it is for the first offer.
    offers
        At least one, in the order in which they are tried.

    Raises
    ------
    CapacityError
        When no offer has a machine now; the next call begins with the offer behind the last one.
    JobError
        When `order.attempts` jobs have failed by their own fault.
    """
    book = PlacementBook(workshop.aws, workshop.deployment, offers[0].fit(order))
    refusals: dict[Offer, str] = {}
    for _ in range(_MOST_STEPS):
        known = book.read()
        try:
            if not known.placements:
                book.write(known.begin(order, offers[0], run_id))
                continue
            found = _carry_out(workshop, order, known)
            if isinstance(found, _Fate):
                if found.tried_now:
                    refusals[known.last.offer] = found.because
                _move_on(book, known.leave(order, offers, found.left, run_id=run_id, because=found.because), refusals)
            elif book.read().last.job == found.name:
                return _placed(found, order, known, offers)
            else:
                # We came late: a successor was refused this machine and went on to another.
                workshop.backend_of(known.last.offer.compute).stop(found.name)
        except ConflictError as error:
            _log.info("another process placed the job meanwhile, looking again: %s", error)
    raise UnavailableError(f"the placements of {order.pipeline}: {order.step} do not come to rest; try again")


def _carry_out(workshop: Workshop, order: JobOrder, known: Placements) -> JobStatus | _Fate:
    """Do what the last placement says; return its job, or why it is no good."""
    last = known.last
    status = _find(workshop.backend_of(last.offer.compute), last.job)
    fresh = status is None
    if status is None:
        _require_ended(workshop, known)
        short = workshop.quotas.find_shortfall(last.offer, order.instance_count)
        if short:
            return _Fate(Left.REFUSED, short, fresh)
        try:
            status = _start(workshop, order, last)
        except (CapacityError, JobError) as error:
            status = _find(workshop.backend_of(last.offer.compute), last.job)  # made, and ended at once?
            if status is None and isinstance(error, CapacityError):
                return _Fate(Left.REFUSED, str(error), fresh)
            if status is None:
                raise
    if status.state not in (JobState.FAILED, JobState.STOPPED):
        return status
    if not status.no_capacity and known.failures + 1 >= order.attempts:
        return _start(workshop, order, last)  # there is no further attempt, and the backend says why
    left = Left.NO_CAPACITY if status.no_capacity else Left.FAILED
    return _Fate(left, f"job {status.name}: {status.message}", fresh and status.no_capacity)


def _move_on(book: PlacementBook, after: Placements, refusals: dict[Offer, str]) -> None:
    before, last = after.placements[-2], after.last
    _log.warning("trying %s next, since %s", last.offer, last.because)
    if before.job != last.job or before.offer != last.offer:  # else nothing has changed
        book.write(after)
    if last.offer in refusals:
        reasons = "; ".join(f"{offer}: {because}" for offer, because in refusals.items())
        raise CapacityError(
            f"there is no machine: {reasons}. It is tried again later; another training.fallback widens the choice"
        )


def _start(workshop: Workshop, order: JobOrder, placement: Placement) -> JobStatus:
    """Start the job of a placement; when that has ended badly the backend says why."""
    mine = placement.offer.fit(order)
    tags = {**mine.tags, **({_REASON_TAG: placement.because[:_TAG_LIMIT]} if placement.because else {})}
    backend = workshop.backend_of(placement.offer.compute)
    return backend.start(replace(mine, attempts=placement.epoch + 1, tags=tags))


def _require_ended(workshop: Workshop, known: Placements) -> None:
    """Let nothing of this order run elsewhere: a refusal may have been a lost answer, or a zombie's job late."""
    for earlier in known.placements[:-1]:
        if earlier.job == known.last.job or earlier.job in known.jobs:
            continue
        backend = workshop.backend_of(earlier.offer.compute)
        status = _find(backend, earlier.job)
        if status is not None and not status.state.ended:
            backend.stop(earlier.job)
            raise UnavailableError(f"job {earlier.job} runs although it was refused; it is stopped first, then go on")


def _find(backend: Backend, name: str) -> JobStatus | None:
    try:
        return backend.poll(name)
    except NotFoundError:
        return None


def _placed(status: JobStatus, order: JobOrder, known: Placements, offers: Sequence[Offer]) -> Placed:
    offer = known.last.offer
    behind = len(offers) - 1 - list(offers).index(offer) if offer in offers else 0
    return Placed(status, known.last, offer.fit(order), behind)
