"""The record of a training job: its phases, its status, and that the end is the end."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.engines.sagemaker_job import Ending, Phase, TrainingJob
from localcloud.engines.sagemaker_record import Status, now

_MOVES: dict[str, Callable[[TrainingJob], object]] = {
    **{phase.name: lambda job, phase=phase: job.move(phase) for phase in list(Phase)[:6]},
    "stop": lambda job: job.request_stop(),
    "complete": lambda job: job.finish(Ending(Phase.COMPLETED, model_uri="s3://jobs/model.tar.gz")),
    "fail": lambda job: job.finish(Ending(Phase.FAILED, "AlgorithmError: , exit code: 1")),
    "time out": lambda job: job.finish(Ending(Phase.MAX_RUNTIME_EXCEEDED)),
}
_STATUSES = {
    "Stopping": {Status.STOPPING},
    "Uploading": {Status.IN_PROGRESS, Status.STOPPING},
    "Completed": {Status.COMPLETED},
    "Failed": {Status.FAILED},
    "Stopped": {Status.STOPPED},
    "MaxRuntimeExceeded": {Status.STOPPED},
}


@pytest.fixture
def job() -> TrainingJob:
    return make_job()


def make_job() -> TrainingJob:
    request = {"TrainingJobName": "digits", "OutputDataConfig": {"S3OutputPath": "s3://jobs"}, "Tags": []}
    return TrainingJob(request, "arn:aws:sagemaker:us-east-1:123456789012:training-job/digits")


@given(st.lists(st.sampled_from(sorted(_MOVES)), max_size=12))
def test_whatever_happens_the_history_has_no_gap_and_status_and_phase_agree(moves):
    job = make_job()
    for move in moves:
        ended, before = job.ended, job.describe()
        _MOVES[move](job)
        if ended:
            assert job.describe() == before
    described = job.describe()
    transitions = described["SecondaryStatusTransitions"]
    assert all(earlier["EndTime"] == later["StartTime"] for earlier, later in pairwise(transitions))
    assert ("EndTime" in transitions[-1]) == job.ended == ("TrainingEndTime" in described)
    assert described["SecondaryStatus"] == transitions[-1]["Status"]
    assert job.status in _STATUSES.get(job.phase.value, {Status.IN_PROGRESS})
    assert described["LastModifiedTime"] == transitions[-1]["StartTime"]


def test_a_stop_before_the_end_turns_success_into_stopped(job):
    job.move(Phase.DOWNLOADING)
    assert job.request_stop()
    job.finish(Ending(Phase.COMPLETED))
    assert (job.status, job.phase) == (Status.STOPPED, Phase.STOPPED)


def test_a_stop_does_not_hide_why_a_job_failed(job):
    assert job.request_stop()
    job.finish(Ending(Phase.FAILED, "ClientError: no"))
    assert job.describe()["FailureReason"] == "ClientError: no"


def test_a_stopping_job_never_goes_back_to_training(job):
    job.request_stop()
    job.move(Phase.TRAINING)
    assert job.phase is Phase.STOPPING


def test_asking_an_ended_job_to_stop_is_refused(job):
    job.finish(Ending(Phase.COMPLETED))
    assert not job.request_stop()


def test_a_stop_wakes_whoever_carries_the_job_out(job):
    assert not job.wake.is_set()
    job.request_stop()
    assert job.wake.is_set()


def test_a_metric_has_its_latest_value(job):
    job.record_metric("loss", 2.0, now())
    job.record_metric("loss", 1.0, now())
    assert [(found["MetricName"], found["Value"]) for found in job.describe()["FinalMetricDataList"]] == [("loss", 1.0)]


def test_a_description_is_a_copy(job):
    job.describe()["SecondaryStatusTransitions"].clear()
    job.describe()["OutputDataConfig"]["S3OutputPath"] = "s3://elsewhere"
    assert job.describe()["OutputDataConfig"]["S3OutputPath"] == "s3://jobs"
    assert len(job.describe()["SecondaryStatusTransitions"]) == 1


def test_a_job_that_never_reached_its_instance_is_not_billed(job):
    job.finish(Ending(Phase.STOPPED))
    assert not {"TrainingStartTime", "BillableTimeInSeconds"} & set(job.describe())


def make_spot_job() -> TrainingJob:
    request = {"TrainingJobName": "spot", "EnableManagedSpotTraining": True}
    return TrainingJob(request, "arn:aws:sagemaker:us-east-1:123456789012:training-job/spot")


@pytest.mark.parametrize(
    ("phase", "heard"), [(Phase.STARTING, False), (Phase.DOWNLOADING, True), (Phase.TRAINING, True)]
)
def test_only_a_job_that_holds_capacity_hears_a_notice(phase, heard):
    job = make_spot_job()
    job.move(phase)
    assert job.notify_spot(3.0) is heard
    assert job.notice_seconds == (3.0 if heard else None)


def test_a_job_on_demand_hears_no_notice(job):
    job.move(Phase.TRAINING)
    assert not job.notify_spot(0.0)


def test_waiting_for_capacity_is_neither_trained_nor_billed():
    job = make_spot_job()
    for phase in (Phase.DOWNLOADING, Phase.INTERRUPTED, Phase.STARTING):
        job.move(phase)
    job.finish(Ending(Phase.MAX_WAIT_TIME_EXCEEDED))
    described = job.describe()
    assert described["TrainingJobStatus"] == "Stopped"
    assert described["BillableTimeInSeconds"] < described["TrainingTimeInSeconds"] == 1
