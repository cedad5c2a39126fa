"""A job of 26 hours needs no setting: what bounds there are, with a clock that is moved by hand."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

from domain_world import DEPLOYMENT

from ratchet.compute.order import JobState, JobStatus, LogPage
from ratchet.data import ClaimKey
from ratchet.loop.hold import hold_while_waiting
from ratchet.loop.watch import JobWatch
from ratchet.settings import Settings
from ratchet.spec import Training

LONG = timedelta(hours=26)
KEY = ClaimKey("digits", "d" * 64, "i" * 64)


class Patient:
    """A backend with one job that takes its time."""

    def __init__(self, clock):
        self.clock, self.start = clock, clock.now()

    def poll(self, name):
        ended = self.clock.now() - self.start >= LONG
        return JobStatus(name, JobState.SUCCEEDED if ended else JobState.RUNNING, "Training", started_at=self.start)

    def read_log(self, name, cursor=""):
        return LogPage((), "")


def test_the_claim_is_kept_for_as_long_as_somebody_waits(world):
    assert world.claims.take(KEY, holder="r1").granted
    training, patient = Training(), Patient(world.clock)
    shop = SimpleNamespace(
        pipeline=SimpleNamespace(name="digits", training=training),
        claims=world.claims,
        clock=world.clock,
        settings=Settings(),
        aws=world.door,
        deployment=DEPLOYMENT,
        backend_of=lambda compute: patient,
    )
    claim = {"dataset_version": KEY.dataset_version, "identity": KEY.identity_digest, "run_id": "r1"}
    watch = hold_while_waiting(JobWatch(shop, {"job": "j", "epochs": 10, "claim": claim}), shop, {"claim": claim})
    began, looks = world.clock.now(), 0
    while not (seen := watch.look()).done:
        world.clock.pass_by(minutes=20)
        looks += 1
        assert not world.claims.take(KEY, holder="r2").granted
    assert seen.outcome["state"] == "succeeded"
    assert world.clock.now() - began >= LONG > world.claims.lease
    # SageMaker ends a job, and Airflow a deferral, at this limit and a little later.
    assert timedelta(seconds=training.max_runtime_seconds) > LONG


def test_a_claim_that_nobody_keeps_falls_in_the_end(world):
    assert world.claims.take(KEY, holder="r1").granted
    world.clock.pass_by(hours=25)
    assert world.claims.take(KEY, holder="r2").granted
