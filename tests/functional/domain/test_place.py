"""A policy of machines over a real ledger: the next one when there is none, and never two for the same work."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest
from domain_world import DEPLOYMENT

from ratchet.compute.order import Channel, JobOrder, JobState, JobStatus
from ratchet.compute.placement import Offer
from ratchet.errors import CapacityError, JobError, NotFoundError, UnavailableError
from ratchet.loop.place import place

BIG, SPARE, SMALL = Offer("sagemaker", "ml.big"), Offer("sagemaker", "ml.big", spot=True), Offer("ec2", "small")
ORDER = JobOrder(
    pipeline="digits",
    step="train",
    program="train.py",
    code_uri="s3://jobs/code/c.tar.gz",
    instance_type="ml.big",
    channels=(Channel("prepared", "s3://jobs/p"),),
    hyperparameters={},
)
ENDED_BADLY = (JobState.FAILED, JobState.STOPPED)


@dataclass
class Yard:
    """A backend in memory: types that it refuses, and jobs that a test ends."""

    full: set[str] = field(default_factory=set)
    jobs: dict[str, JobStatus] = field(default_factory=dict)
    orders: list[JobOrder] = field(default_factory=list)
    born: dict[str, Any] = field(default_factory=dict)
    before_make: Callable[[], None] = lambda: None

    def poll(self, name):
        if name not in self.jobs:
            raise NotFoundError(name)
        return self.jobs[name]

    def start(self, order):
        for epoch in range(order.attempts):
            status = self.jobs.get(order.name(epoch)) or self._make(order, order.name(epoch))
            if status.state not in ENDED_BADLY:
                return status
        raise JobError(f"failed {order.attempts} times: {status.message}")

    def stop(self, name):
        self.end(name, JobState.STOPPED)

    def end(self, name, state=JobState.FAILED, message="no gradient", *, no_capacity=False):
        self.jobs[name] = replace(self.jobs[name], state=state, message=message, no_capacity=no_capacity)

    def force(self, order):
        self.jobs[order.name(0)] = JobStatus(order.name(0), JobState.RUNNING, "Starting")
        return order.name(0)

    def _make(self, order, name):
        self.before_make()
        if order.instance_type in self.full:
            raise CapacityError(f"{order.instance_type} is sold out")
        self.orders.append(order)
        self.jobs[name] = replace(JobStatus(name, JobState.RUNNING, "Starting"), **self.born)
        return self.jobs[name]

    @property
    def running(self):
        return [name for name, status in self.jobs.items() if not status.state.ended]


class Quotas:
    def __init__(self):
        self.short = {}

    def find_shortfall(self, offer, count):
        return self.short.get(offer.instance_type, "")


@pytest.fixture
def shop(world):
    yards = {"sagemaker": Yard(), "ec2": Yard()}
    return SimpleNamespace(
        aws=world.door, deployment=DEPLOYMENT, quotas=Quotas(), yards=yards, backend_of=lambda compute: yards[compute]
    )


def put(shop, *offers, order=ORDER, run_id="r1"):
    return place(shop, order, offers or (BIG, SMALL), run_id=run_id)


def test_the_first_machine_gets_the_job_and_whoever_asks_again_finds_it(shop):
    first = put(shop)
    assert (first.placement.offer, first.placement.because, first.more_offers) == (BIG, "", 1)
    again = put(shop, run_id="r2")
    assert again.status.name == first.status.name == ORDER.name(0)
    assert again.placement.run_id == "r1"
    assert len(shop.yards["sagemaker"].orders) == 1


def test_a_machine_that_is_refused_gives_way_to_the_next_and_the_reason_is_kept(shop):
    shop.yards["sagemaker"].full.add("ml.big")
    placed = put(shop)
    assert (placed.placement.offer, placed.more_offers) == (SMALL, 0)
    assert placed.placement.because == "ml.big of sagemaker: ml.big is sold out"
    assert placed.order.instance_type == "small"
    assert shop.yards["ec2"].orders[0].tags["ratchet:because"] == placed.placement.because


def test_a_job_that_found_no_machine_gives_way_too_and_its_place_is_kept_when_there_is_one_again(shop):
    shop.yards["sagemaker"].end(put(shop).status.name, message="CapacityError: none", no_capacity=True)
    second = put(shop)
    assert second.placement.offer == SMALL
    assert "CapacityError: none" in second.placement.because
    assert put(shop).status.name == second.status.name
    shop.yards["ec2"].end(second.status.name, message="none either", no_capacity=True)
    third = put(shop)
    assert (third.placement.offer, third.status.name) == (BIG, ORDER.name(1))


def test_a_machine_that_is_taken_back_at_once_is_asked_for_once_a_try(shop):
    sagemaker = shop.yards["sagemaker"]
    sagemaker.born = {"state": JobState.FAILED, "message": "CapacityError: none", "no_capacity": True}
    for tries in (1, 2, 3):
        with pytest.raises(CapacityError, match="CapacityError: none"):
            put(shop, BIG)
        assert len(sagemaker.orders) == tries


def test_spare_machines_give_way_to_the_same_type_on_demand_with_the_same_checkpoints(shop):
    waited = put(shop, SPARE, BIG).status.name
    assert shop.yards["sagemaker"].orders[0].spot
    shop.yards["sagemaker"].end(waited, JobState.STOPPED, "waited too long", no_capacity=True)
    placed = put(shop, SPARE, BIG)
    assert (placed.order.spot, placed.order.digest) == (False, ORDER.digest)
    assert placed.status.name == ORDER.name(1)


def test_a_quota_that_is_too_small_is_a_refusal_before_anything_is_asked_for(shop):
    shop.quotas.short["ml.big"] = "the quota is 0, ask for 1"
    assert put(shop).placement.because.endswith("the quota is 0, ask for 1")
    assert shop.yards["sagemaker"].orders == []


def test_when_no_machine_is_left_every_reason_is_told_and_the_next_try_begins_with_the_first(shop):
    for yard, kind in (("sagemaker", "ml.big"), ("ec2", "small")):
        shop.yards[yard].full.add(kind)
    for _ in range(3):
        with pytest.raises(CapacityError, match=r"ml\.big is sold out; .*small is sold out.*training\.fallback"):
            put(shop)
    shop.yards["sagemaker"].full.clear()
    assert put(shop).placement.offer == BIG


def test_one_machine_alone_that_is_refused_for_ever_leaves_a_short_record(shop):
    shop.yards["sagemaker"].full.add("ml.big")
    for _ in range(5):
        with pytest.raises(CapacityError):
            put(shop, BIG)
    shop.yards["sagemaker"].full.clear()
    placed = put(shop, BIG)
    assert (placed.status.name, placed.placement.because) == (ORDER.name(0), "")


def test_an_algorithms_error_is_bought_again_on_the_same_machine_until_the_attempts_are_used_up(shop):
    shop.yards["sagemaker"].full.add("ml.big")
    ec2 = shop.yards["ec2"]
    ec2.end(put(shop).status.name)
    shop.yards["sagemaker"].full.clear()
    second = put(shop)
    assert (second.placement.offer, len(ec2.orders)) == (SMALL, 2)
    ec2.end(second.status.name)
    for _ in range(2):
        with pytest.raises(JobError, match="no gradient"):
            put(shop)
    assert put(shop, order=replace(ORDER, attempts=3)).status.name not in (second.status.name,)
    assert shop.yards["sagemaker"].orders == []


def test_a_job_whose_refusal_was_wrong_is_stopped_before_another_is_started(shop):
    """The refusal was a lost answer, or a zombie got the machine after its successor had been refused."""
    sagemaker, ec2 = shop.yards["sagemaker"], shop.yards["ec2"]
    sagemaker.full.add("ml.big")
    ec2.before_make = lambda: fail_once(ec2)
    with pytest.raises(UnavailableError, match="cut"):
        put(shop)
    late = sagemaker.force(ORDER)
    with pytest.raises(UnavailableError, match=f"{late} runs although it was refused"):
        put(shop)
    assert (sagemaker.running, ec2.running) == ([], [])
    assert put(shop).placement.offer == SMALL


def fail_once(yard):
    yard.before_make = lambda: None
    raise UnavailableError("the line was cut")


def test_a_zombie_that_gets_its_machine_too_late_gives_it_back_and_takes_its_successors_job(shop):
    sagemaker, ec2 = shop.yards["sagemaker"], shop.yards["ec2"]

    def overtake():
        sagemaker.before_make = lambda: None
        sagemaker.full.add("ml.big")
        assert put(shop, run_id="r1").placement.offer == SMALL
        sagemaker.full.clear()

    sagemaker.before_make = overtake
    placed = put(shop, run_id="r1")
    assert (placed.placement.offer, sagemaker.running) == (SMALL, [])
    assert ec2.running == [placed.status.name]


def test_whatever_machines_come_and_go_no_two_jobs_of_one_work_ever_run(shop):
    chance, offers = random.Random(3), (SPARE, BIG, SMALL)
    for _ in range(12):
        for yard in shop.yards.values():
            yard.full = {kind for kind in ("ml.big", "small") if chance.random() < 0.4}
        try:
            placed = put(shop, *offers, order=replace(ORDER, attempts=100), run_id=f"r{chance.random()}")
        except CapacityError:
            continue
        running = [name for yard in shop.yards.values() for name in yard.running]
        assert running == [placed.status.name]
        if chance.random() < 0.6:
            lacked = chance.random() < 0.5
            shop.backend_of(placed.placement.offer.compute).end(placed.status.name, no_capacity=lacked)
