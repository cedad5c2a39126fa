"""Batch's rules for retries and arrays."""

import pytest

from localcloud.engines.batch_rule import AttemptEnd, Status, array_status, may_retry, substitute

HOST_GONE = {"onStatusReason": "Host EC2*", "action": "RETRY"}
ELSE_EXIT = {"onReason": "*", "action": "EXIT"}


@pytest.mark.parametrize(
    ("strategy", "attempts", "end", "again"),
    [
        ({}, 1, AttemptEnd(1, "exited"), False),
        ({"attempts": 3}, 2, AttemptEnd(1, "exited"), True),
        ({"attempts": 3}, 3, AttemptEnd(1, "exited"), False),
        ({"attempts": 3}, 1, AttemptEnd(143, "enough", is_retryable=False), False),
        ({"attempts": 3, "evaluateOnExit": [HOST_GONE, ELSE_EXIT]}, 1, AttemptEnd(1, "host ec2 (i-1) gone."), True),
        ({"attempts": 3, "evaluateOnExit": [HOST_GONE, ELSE_EXIT]}, 1, AttemptEnd(1, "exited", "bad"), False),
        ({"attempts": 3, "evaluateOnExit": [{"onExitCode": "13*", "action": "exit"}]}, 1, AttemptEnd(137, "x"), False),
        ({"attempts": 3, "evaluateOnExit": [{"onExitCode": "[1", "action": "exit"}]}, 1, AttemptEnd(1, "x"), True),
        (
            {"attempts": 3, "evaluateOnExit": [{"onExitCode": "1", "onReason": "b*", "action": "EXIT"}]},
            1,
            AttemptEnd(1, "x", "a"),
            True,
        ),
    ],
)
def test_the_first_rule_that_matches_decides(strategy: dict, attempts: int, end: AttemptEnd, again: bool) -> None:
    assert may_retry(strategy, attempts, end) is again


def test_an_array_waits_for_all_of_its_children() -> None:
    assert array_status([Status.FAILED, Status.RUNNING]) is Status.PENDING
    assert array_status([Status.FAILED, Status.SUCCEEDED]) is Status.FAILED
    assert array_status([Status.SUCCEEDED] * 2) is Status.SUCCEEDED


def test_the_longest_name_of_a_parameter_is_meant() -> None:
    assert substitute(["Ref::in", "Ref::input"], {"in": "1", "input": "2"}) == ["1", "2"]
