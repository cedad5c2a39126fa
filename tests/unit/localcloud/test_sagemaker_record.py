"""The record of a processing or transform job: a stop is kept, the end is the end, a description is a copy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.sagemaker.exceptions import AWSValidationException, ResourceInUseException

from localcloud.engines.sagemaker_lookup import add_record, drop_record, find_record, stop_record
from localcloud.engines.sagemaker_processing_request import PROCESSING
from localcloud.engines.sagemaker_record import JobRecord, Outcome, Status

MOVES = {
    "begin": lambda job: job.begin(),
    "stop": lambda job: job.request_stop(),
    "complete": lambda job: job.finish(Outcome(Status.COMPLETED, more={"ExitMessage": "fine"})),
    "fail": lambda job: job.finish(Outcome(Status.FAILED, "AlgorithmError: , exit code: 1")),
}


def make_job(name: str = "count") -> JobRecord:
    return JobRecord(PROCESSING, {"ProcessingJobName": name, "Environment": {"A": "1"}}, f"arn:{name}")


@given(st.lists(st.sampled_from(sorted(MOVES)), max_size=8))
def test_whatever_happens_status_and_times_agree(moves):
    job = make_job()
    for move in moves:
        status = job.status
        MOVES[move](job)
        if status in (Status.COMPLETED, Status.FAILED, Status.STOPPED):
            assert job.status is status, "the end is the end"
        if status is Status.STOPPING:
            assert job.status is not Status.IN_PROGRESS
            assert job.status is not Status.COMPLETED
    described = job.describe()
    assert ("ProcessingEndTime" in described) == job.ended
    assert ("FailureReason" in described) == (job.status is Status.FAILED)
    assert described["CreationTime"] <= described["LastModifiedTime"]


def test_a_description_is_a_copy():
    job = make_job()
    job.describe()["Environment"]["A"] = "2"
    assert job.describe()["Environment"] == {"A": "1"}


def test_a_stop_wakes_whoever_carries_the_job_out():
    job = make_job()
    stop_record(job)
    assert job.wake.is_set()
    assert job.status is Status.STOPPING


def test_a_name_is_taken_until_the_job_is_forgotten():
    jobs: dict[str, JobRecord] = {}
    add_record(jobs, make_job())
    with pytest.raises(ResourceInUseException):
        add_record(jobs, make_job())
    job = find_record(jobs, "count")
    with pytest.raises(ResourceInUseException):
        drop_record(jobs, job)
    job.finish(Outcome(Status.COMPLETED))
    with pytest.raises(AWSValidationException):
        stop_record(job)
    drop_record(jobs, job)
    with pytest.raises(AWSValidationException):
        find_record(jobs, "count")
