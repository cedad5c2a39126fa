"""A run keeps its claim while it waits, and stops when it has lost it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from loop_parts import Shop

from ratchet.data import Claim, ClaimState
from ratchet.errors import ClaimLostError
from ratchet.loop.hold import Hold, hold_while_waiting
from ratchet.loop.ticket import Ticket
from ratchet.loop.watch import Look

TICKET = Ticket(True, "", "v" * 64, identity="i" * 64)
PAYLOAD = {"job": "j", "claim": {"dataset_version": "v" * 64, "identity": "i" * 64, "run_id": "r1"}}


@dataclass
class Claims:
    granted: bool = True
    lease: timedelta = timedelta(hours=24)
    renewed: list[tuple] = field(default_factory=list)

    def renew(self, key, *, holder, extra_seconds):
        self.renewed.append((key.pipeline, key.dataset_version, holder, extra_seconds))
        return Claim(self.granted, "r2", ClaimState.IN_PROGRESS, 2, "the claim has passed to run r2")


@dataclass
class Job:
    looks: int = 0
    cancelled: bool = False

    def look(self):
        self.looks += 1
        return Look(False, "training")

    def cancel(self):
        self.cancelled = True


def make_shop(**more):
    shop = Shop()
    shop.claims = Claims(**more)
    return shop


def test_a_job_of_26_hours_that_is_looked_at_every_minute_is_renewed_in_time_and_seldom():
    shop, job = make_shop(), Job()
    watch = hold_while_waiting(job, shop, PAYLOAD)
    for _ in range(26 * 60):
        assert watch.look().message == "training"
        shop.clock.sleep(60)
    assert job.looks == 26 * 60
    assert shop.claims.renewed == [("digits", "v" * 64, "r1", 0.0)] * 9


def test_a_run_that_lost_its_claim_stops_waiting_and_leaves_the_job_to_the_new_holder():
    job = Job()
    seen = hold_while_waiting(job, make_shop(granted=False), PAYLOAD).look()
    assert seen.done
    assert "passed to run r2" in seen.outcome["error"]
    assert (job.looks, job.cancelled) == (0, False)


def test_what_holds_no_claim_is_waited_for_as_it_is():
    job = Job()
    assert hold_while_waiting(job, make_shop(), {"job": "j"}) is job


def test_giving_up_reaches_the_job():
    job = Job()
    hold_while_waiting(job, make_shop(), PAYLOAD).cancel()
    assert job.cancelled


def test_a_step_does_not_begin_without_the_claim():
    with pytest.raises(ClaimLostError, match="run r1 must not go on"):
        Hold(make_shop(granted=False), TICKET, "r1").renew()
