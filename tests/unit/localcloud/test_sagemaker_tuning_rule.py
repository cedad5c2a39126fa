"""The rules by which a tuning job stops a training job, or itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.engines.sagemaker_tuning_rule import (
    count_not_improving,
    find_best,
    is_done,
    is_falling_behind,
    is_hopeless,
)

EARLIER = [[1.0, 2.0, 3.0], [1.0, 4.0, 7.0], [1.0, 6.0, 11.0]]  # averages up to the second report: 1.5, 2.5, 3.5


@pytest.mark.parametrize(("value", "behind"), [(2.4, True), (2.5, False), (2.6, False)])
def test_the_latest_value_is_held_against_the_median_of_averages(value, behind):
    assert is_falling_behind([9.0, value], EARLIER, maximize=True) is behind


def test_smaller_is_better_when_minimizing():
    assert is_falling_behind([0.0, 2.6], EARLIER, maximize=False)
    assert not is_falling_behind([9.0, 2.4], EARLIER, maximize=False)


def test_too_few_earlier_jobs_say_nothing():
    assert not is_falling_behind([0.0], EARLIER[:2], maximize=True)
    assert not is_falling_behind([0.0] * 4, EARLIER, maximize=True), "none of them came this far"
    assert not is_falling_behind([], EARLIER, maximize=True)


@given(st.lists(st.none() | st.floats(-10, 10), max_size=12), st.booleans())
def test_the_best_is_the_first_of_the_best(values, maximize):
    best = find_best(values, maximize=maximize)
    found = [value for value in values if value is not None]
    if best is None:
        assert not found
    else:
        assert values[best] == (max(found) if maximize else min(found))
        assert values[best] not in values[:best]
        assert count_not_improving(values, maximize=maximize) == len(values) - 1 - best


@pytest.mark.parametrize(
    ("criteria", "values", "done"),
    [
        ({}, [1.0], False),
        ({"TargetObjectiveMetricValue": 0.9}, [None, 0.8], False),
        ({"TargetObjectiveMetricValue": 0.9}, [0.9, None], True),
        ({"TargetObjectiveMetricValue": 0.0}, [None], False),
        ({"BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 3}}, [1.0, 0.0, None], False),
        ({"BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 3}}, [1.0, 0.0, None, 0.5], True),
        ({"BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 3}}, [None] * 4, False),
    ],
)
def test_knows_when_the_criteria_are_met(criteria, values, done):
    assert is_done(criteria, values, maximize=True) is done


@pytest.mark.parametrize(("values", "hopeless"), [([None] * 4, False), ([None] * 5, True), ([None] * 5 + [1.0], False)])
def test_five_failures_and_nothing_else_are_hopeless(values, hopeless):
    assert is_hopeless(values) is hopeless
