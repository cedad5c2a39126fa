"""What is tried again, and when: a machine that nobody had, later and later; an algorithm's error never."""

from __future__ import annotations

from datetime import timedelta

import pytest
from airflow.sdk.definitions.retry_policy import RetryAction
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from operators.base import airflow_errors
from operators.job import RunJobOperator
from operators.retry import CapacityRetryPolicy, NoCapacityException
from ratchet.errors import CapacityError, JobError, UnavailableError

POLICY = CapacityRetryPolicy(60)


def test_a_machine_that_nobody_had_is_asked_for_later_and_later():
    delays = [POLICY.evaluate(NoCapacityException("none"), number, 50).retry_delay for number in range(1, 9)]
    assert delays == [timedelta(minutes=minutes) for minutes in (1, 2, 4, 8, 16, 32, 32, 32)]


def test_every_other_failure_is_airflows_own_business():
    assert POLICY.evaluate(AirflowException("away"), 1, 5).action is RetryAction.DEFAULT


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (CapacityError("no machine"), NoCapacityException),
        (UnavailableError("away"), AirflowException),
        (JobError("no gradient"), AirflowFailException),
    ],
)
def test_errors_become_what_airflow_does_about_them(error, raised):
    with pytest.raises(raised) as caught, airflow_errors():
        raise error
    assert type(caught.value) is raised


class Train(RunJobOperator):
    """Notes that it is asked to start again."""

    def execute(self, context):
        return "the next machine"


def resume(**event):
    task = Train(task_id="train", step="train", pipeline="digits")
    return task.resume({}, {"job": "j", "state": "failed", "message": "CapacityError: none", **event})


def test_a_job_without_a_machine_goes_on_to_the_next_one_of_the_policy_at_once():
    assert resume(no_capacity=True, more_offers=1) == "the next machine"


def test_behind_the_last_machine_airflow_tries_again_later():
    with pytest.raises(NoCapacityException, match="tried again later"):
        resume(no_capacity=True, more_offers=0)


def test_an_algorithms_error_is_not_tried_again():
    with pytest.raises(AirflowFailException, match="developer acts"):
        resume(message="AlgorithmError: no gradient")


def test_waiting_for_a_job_has_no_time_limit_of_airflows_own():
    assert RunJobOperator(task_id="train", step="train", pipeline="digits").execution_timeout is None
