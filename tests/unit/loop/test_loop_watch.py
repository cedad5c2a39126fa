"""What a run waits for, one look at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from loop_parts import DIGITS, START, Shop, change

from ratchet.compute.order import JobState, JobStatus, LogPage
from ratchet.data import Observation
from ratchet.loop.watch import WATCHES, JobWatch, QuietWatch, ReleaseWatch


@dataclass
class Prefix:
    seen: Observation

    def observe(self, dataset):
        return self.seen


@dataclass
class Backend:
    states: list[JobStatus]
    calls: list[tuple] = field(default_factory=list)

    def poll(self, name):
        self.calls.append(("poll", name))
        return self.states.pop(0)

    def read_log(self, name, cursor):
        self.calls.append(("log", cursor))
        return LogPage([f"line after {cursor or 'the start'}"], f"c{len(self.calls)}")

    def stop(self, name):
        self.calls.append(("stop", name))


@dataclass
class Progress:
    phase: str
    step: str
    message: str
    done: bool


@dataclass
class Rollouts:
    """Stands for all releases and for the one that was opened."""

    progress: Progress
    calls: list[tuple] = field(default_factory=list)

    def open(self, model, version):
        self.calls.append(("open", model, version))
        return self

    def advance(self):
        return self.progress

    def abort(self, reason):
        self.calls.append(("abort", reason))


def quiet(newest, now=START + timedelta(seconds=100), since=START):
    shop = Shop(change(DIGITS, "data", quiet_seconds=30.0, max_wait_seconds=600.0))
    shop.datasets = Prefix(Observation(newest_change=newest))
    shop.clock.moment = now
    return QuietWatch(shop, {"since_epoch_seconds": since.timestamp()}).look()


def test_a_prefix_that_still_changes_is_waited_for():
    seen = quiet(START + timedelta(seconds=95))
    assert not seen.done
    assert "waiting until it has been still for 30 s" in seen.message


def test_a_still_prefix_is_frozen_with_the_reason():
    seen = quiet(START)
    assert seen.done
    assert seen.outcome == {"reason": seen.message}
    assert "still for 100 s" in seen.message


def test_a_prefix_that_never_rests_is_frozen_in_the_end():
    late = START + timedelta(seconds=601)
    assert quiet(late, now=late).done


def test_a_job_s_state_is_read_before_its_log_and_the_log_where_it_ended():
    running = JobStatus("j", JobState.RUNNING, "Training", "epoch 1")
    ended = JobStatus("j", JobState.SUCCEEDED, "Completed", archive_uri="s3://secret")
    backend = Backend([running, ended])
    watch = JobWatch(Shop(backend=backend), {"job": "j"})
    first, last = watch.look(), watch.look()
    assert backend.calls == [("poll", "j"), ("log", ""), ("poll", "j"), ("log", "c2")]
    assert (first.done, first.message) == (False, "j: Training - epoch 1")
    assert (last.done, last.message) == (True, "j: Completed")
    assert last.lines == ("line after c2",)
    assert last.outcome == {"job": "j", "state": "succeeded", "message": ""}


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.STOPPED])
def test_a_job_that_ended_badly_ends_the_wait(state):
    seen = JobWatch(Shop(backend=Backend([JobStatus("j", state, "Ended", "why")])), {"job": "j"}).look()
    assert seen.done
    assert seen.outcome["state"] == state.value


def test_giving_up_on_a_job_stops_it():
    backend = Backend([])
    JobWatch(Shop(backend=backend), {"job": "j"}).cancel()
    assert backend.calls == [("stop", "j")]


@pytest.mark.parametrize(("phase", "done"), [("Progressing", False), ("Healthy", True), ("Degraded", True)])
def test_a_release_goes_one_step_at_each_look(phase, done):
    shop = Shop(releases=Rollouts(Progress(phase, "shift 10 %", "fine", done)))
    seen = ReleaseWatch(shop, {"version": "3"}).look()
    assert (seen.done, seen.message) == (done, f"{phase}: shift 10 % - fine")
    assert seen.outcome == {"phase": phase, "message": "fine", "version": 3}
    assert shop.releases.calls == [("open", "digits", 3)]


def test_giving_up_on_a_release_sends_it_back():
    shop = Shop(releases=Rollouts(Progress("Progressing", "", "", False)))
    ReleaseWatch(shop, {"version": 3}).cancel()
    assert shop.releases.calls[-1] == ("abort", "stopped by a person")


def test_every_kind_that_an_operator_may_name_has_its_watch():
    assert set(WATCHES) == {"quiet", "job", "release"}
