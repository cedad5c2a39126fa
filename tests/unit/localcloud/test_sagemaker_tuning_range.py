"""The ranges of a tuning job: values stay inside, are written so that they can be read, and bad ranges are refused."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localcloud.engines.sagemaker_tuning_range import Number, Scaling, read_ranges
from localcloud.engines.sagemaker_tuning_search import SearchPlan, make_search


def continuous(low, high, scaling="Linear"):
    return {"Name": "x", "MinValue": str(low), "MaxValue": str(high), "ScalingType": scaling}


def draw(ranges, count=200):
    search = make_search(read_ranges(ranges), SearchPlan("Random", maximize=True, limit=count, seed=3))
    return [search.propose() for _ in range(count)]


@settings(deadline=None)  # the first example imports Optuna
@given(
    st.floats(1e-6, 0.5),
    st.floats(1e-6, 0.49),
    st.sampled_from(["Linear", "Logarithmic", "ReverseLogarithmic", "Auto"]),
)
def test_every_value_lies_in_its_range_and_can_be_read_back(low, width, scaling):
    ranges = {"ContinuousParameterRanges": [continuous(low, low + width, scaling)]}
    parameter = read_ranges(ranges)[0]
    for found in draw(ranges, 5):
        assert low <= float(found["x"]) <= low + width
        assert math.isfinite(parameter.read(found["x"]))


def test_whole_numbers_stay_whole_and_reach_both_ends():
    found = draw({"IntegerParameterRanges": [{"Name": "x", "MinValue": "1", "MaxValue": "3"}]})
    assert {value["x"] for value in found} == {"1", "2", "3"}


def test_a_logarithmic_range_gives_each_power_of_ten_its_share():
    values = [float(found["x"]) for found in draw({"ContinuousParameterRanges": [continuous(1e-4, 1, "Logarithmic")]})]
    assert 0.15 < sum(value < 1e-3 for value in values) / len(values) < 0.35


def test_a_reverse_logarithmic_range_looks_closest_near_one():
    ranges = {"ContinuousParameterRanges": [continuous(0, 0.9999, "ReverseLogarithmic")]}
    values = [float(found["x"]) for found in draw(ranges)]
    assert 0.15 < sum(value > 0.999 for value in values) / len(values) < 0.35


@pytest.mark.parametrize(
    ("low", "high", "chosen"),
    [("0.0001", "1", Scaling.LOGARITHMIC), ("0.1", "1", Scaling.LINEAR), ("-1", "1000", Scaling.LINEAR)],
)
def test_auto_searches_a_wide_range_by_its_powers(low, high, chosen):
    parameter = read_ranges({"ContinuousParameterRanges": [continuous(low, high, "Auto")]})[0]
    assert isinstance(parameter, Number)
    assert parameter.scaling is chosen


@pytest.mark.parametrize(
    ("ranges", "said"),
    [
        ({}, "nothing to tune"),
        ({"ContinuousParameterRanges": [continuous(2, 1)]}, "MinValue of x must not be greater"),
        ({"ContinuousParameterRanges": [continuous("nan", 1)]}, "MinValue of x"),
        ({"ContinuousParameterRanges": [continuous("low", 1)]}, "must be numbers"),
        ({"ContinuousParameterRanges": [continuous(0, 1, "Logarithmic")]}, "above 0"),
        ({"ContinuousParameterRanges": [continuous(0, 1, "ReverseLogarithmic")]}, "within 0 <= x < 1"),
        ({"IntegerParameterRanges": [continuous(0.5, 1)]}, "must be whole numbers"),
        ({"IntegerParameterRanges": [continuous(0, 0, "ReverseLogarithmic")]}, "only for continuous"),
        ({"CategoricalParameterRanges": [{"Name": "x", "Values": ["a", "a"]}]}, "must be unique"),
        ({"ContinuousParameterRanges": [continuous(0, 1), continuous(0, 1)]}, "more than one range"),
    ],
)
def test_refuses_a_range_and_says_which(ranges, said):
    with pytest.raises(ValueError, match=said):
        read_ranges(ranges)
