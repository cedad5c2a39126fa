"""What a run waits for, one look at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace

import pytest
from botocore.exceptions import EndpointConnectionError
from loop_parts import DIGITS, START, Shop, change

from ratchet.compute.order import JobState, JobStatus, LogPage
from ratchet.contract import METRIC_NAMES, metric_line
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
    pages: list[list[str]] = field(default_factory=list)
    calls: list[tuple] = field(default_factory=list)

    def poll(self, name):
        self.calls.append(("poll", name))
        return self.states.pop(0)

    def read_log(self, name, cursor):
        self.calls.append(("log", cursor))
        lines = self.pages.pop(0) if self.pages else [f"line after {cursor or 'the start'}"]
        return LogPage(lines, f"c{len(self.calls)}")

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
    shop.datasets = Prefix(Observation(newest_change=newest, fingerprint="1-abc"))
    shop.clock.moment = now
    return QuietWatch(shop, {"since_epoch_seconds": since.timestamp()}).look()


def test_a_prefix_that_still_changes_is_waited_for():
    seen = quiet(START + timedelta(seconds=95))
    assert not seen.done
    assert "waiting until it has been still for 30 s" in seen.message


def test_a_still_prefix_is_frozen_with_the_reason():
    seen = quiet(START)
    assert seen.done
    assert seen.outcome == {"reason": seen.message, "fingerprint": "1-abc"}
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


@dataclass
class Shelf:
    """S3 that keeps what is put there, or does not answer."""

    pages: dict[str, str] = field(default_factory=dict)
    away: bool = False

    def client(self, service):
        return self

    def put_object(self, **request):
        if self.away:
            raise EndpointConnectionError(endpoint_url="http://s3")
        self.pages[request["Key"]] = request["Body"].decode()


def training(epoch_lines, **changes):
    """A watch of a training that wrote these lines by its two looks."""
    running = JobStatus("j", JobState.RUNNING, "Training", started_at=START, instance_type="ml.m5.large", **changes)
    backend = Backend([running, running], pages=[list(lines) for lines in epoch_lines])
    shop = Shop(backend=backend, aws=Shelf(), deployment=SimpleNamespace(jobs_bucket="jobs"))
    return JobWatch(shop, {"job": "j", "epochs": 4}), shop


def epoch_line(number, accuracy):
    return metric_line(dict(zip(METRIC_NAMES, (number, 0.5, 0.8, 0.6, accuracy, 900.0), strict=True)))


def test_a_training_tells_its_epoch_the_time_that_is_left_and_what_it_has_cost():
    watch, shop = training([[epoch_line(1, 0.7)], [epoch_line(2, 0.81)]])
    shop.clock.moment = START + timedelta(seconds=600)
    watch.look()
    shop.clock.moment += timedelta(seconds=300)
    message = watch.look().message
    assert "epoch 2 of 4, validation_accuracy 0.8100" in message
    assert "at most 10 min left" in message
    assert "$0.03 so far" in message


def test_the_learning_curve_is_drawn_anew_at_every_epoch():
    watch, shop = training([[epoch_line(1, 0.7)], [epoch_line(2, 0.81)]])
    watch.look()
    watch.look()
    page = shop.aws.pages["curves/j.html"]
    assert "validation, epoch 1: 0.7<" in page
    assert "validation, epoch 2: 0.81<" in page


def test_a_curve_that_cannot_be_written_now_is_written_at_the_next_look():
    watch, shop = training([[epoch_line(1, 0.7)], []])
    shop.aws.away = True
    assert watch.look().lines
    shop.aws.away = False
    watch.look()
    assert "curves/j.html" in shop.aws.pages


def test_a_job_that_writes_no_metrics_has_no_curve():
    watch, shop = training([["installing"], ["done"]])
    assert watch.look().message == "j: Training"
    assert shop.aws.pages == {}


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.STOPPED])
def test_a_job_that_ended_badly_ends_the_wait(state):
    seen = JobWatch(Shop(backend=Backend([JobStatus("j", state, "Ended", "why")])), {"job": "j"}).look()
    assert seen.done
    assert seen.outcome["state"] == state.value


def ended(lines, **changes):
    """The last look at a training that printed these lines."""
    status = JobStatus("j", JobState.SUCCEEDED, "Completed", instance_type="ml.m5.large", **changes)
    shop = Shop(backend=Backend([status], pages=[lines]), aws=Shelf(), deployment=SimpleNamespace(jobs_bucket="jobs"))
    return JobWatch(shop, {"job": "j", "epochs": 4}).look().message


def test_at_its_end_a_training_tells_what_it_cost_and_what_spare_machines_saved():
    assert ended([epoch_line(4, 0.9)], billable_seconds=3600).endswith("it cost $0.12")
    told = ended([epoch_line(4, 0.9)], billable_seconds=3600, training_seconds=10_800)
    assert told.endswith("it cost $0.12, and Spot saved $0.23")


def test_a_training_that_printed_no_metric_is_told_how_to():
    assert "printed no metric" in ended(["done"], billable_seconds=3600)


def test_a_job_without_a_machine_says_whether_the_policy_has_another():
    status = JobStatus("j", JobState.FAILED, "Failed", "CapacityError: none", no_capacity=True)
    watch = JobWatch(Shop(backend=Backend([status])), {"job": "j", "more_offers": 2})
    outcome = watch.look().outcome
    assert (outcome["state"], outcome["no_capacity"], outcome["more_offers"]) == ("failed", True, 2)


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
    assert set(WATCHES) == {"quiet", "job", "study", "release"}
