"""A search space in SageMaker's words and in those of `tune.py`, and the limits that keep a budget."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.compute.cost import Price
from ratchet.errors import SpecError
from ratchet.tuning.budget import LEAST_SECONDS, Limits, set_limits
from ratchet.tuning.space import read_values, study_order, tuning_config
from ratchet.tuning_spec import Budget, Tuning

RANGES = {
    "augment": {"type": "categorical", "values": ["none", "light"]},
    "width": {"type": "integer", "min": 8, "max": 64, "scaling": "log"},
    "rate": {"type": "continuous", "min": 0.001, "max": 0.1, "scaling": "log"},
    "momentum": {"type": "continuous", "min": 0.5, "max": 0.99, "scaling": "reverse_log"},
}


def tuning(**changes):
    return Tuning.model_validate({"ranges": RANGES, "budget": {"jobs": 8}, "seed": 7, **changes})


def test_a_search_in_sagemaker_s_words():
    config = tuning_config(tuning(parallel=2, early_stopping=True), Limits(8, 3600), epochs=12)
    assert config == {
        "Strategy": "Bayesian",
        "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "validation_accuracy"},
        "ResourceLimits": {"MaxParallelTrainingJobs": 2, "MaxNumberOfTrainingJobs": 8, "MaxRuntimeInSeconds": 3600},
        "ParameterRanges": {
            "ContinuousParameterRanges": [
                {"Name": "rate", "MinValue": "0.001", "MaxValue": "0.1", "ScalingType": "Logarithmic"},
                {"Name": "momentum", "MinValue": "0.5", "MaxValue": "0.99", "ScalingType": "ReverseLogarithmic"},
            ],
            "IntegerParameterRanges": [
                {"Name": "width", "MinValue": "8", "MaxValue": "64", "ScalingType": "Logarithmic"}
            ],
            "CategoricalParameterRanges": [{"Name": "augment", "Values": ['"none"', '"light"']}],
        },
        "TrainingJobEarlyStoppingType": "Auto",
        "RandomSeed": 7,
    }


def test_a_grid_becomes_categories_and_leaves_the_number_of_trials_to_sagemaker():
    ranges = {"rate": {"type": "continuous", "min": 0.01, "max": 1, "scaling": "log", "steps": 3}}
    spec = tuning(strategy="grid", ranges=ranges, budget={})
    config = tuning_config(spec, Limits(None, None), epochs=None)
    assert config["ParameterRanges"] == {
        "CategoricalParameterRanges": [{"Name": "rate", "Values": ["0.01", "0.1", "1.0"]}]
    }
    assert "MaxNumberOfTrainingJobs" not in config["ResourceLimits"]
    assert study_order(spec, Limits(None, None), epochs=None)["jobs"] == 3


@pytest.mark.parametrize(("given", "epochs", "found"), [({}, 12, [1, 12]), ({"min": 2, "max": 9}, 12, [2, 9])])
def test_hyperband_knows_how_long_a_trial_may_be(given, epochs, found):
    spec = tuning(strategy="hyperband", hyperband=given)
    rounds = tuning_config(spec, Limits(8, None), epochs=epochs)["StrategyConfig"]["HyperbandStrategyConfig"]
    assert [rounds["MinResource"], rounds["MaxResource"]] == found
    assert study_order(spec, Limits(8, None), epochs=epochs)["rounds"] == found


def test_values_come_back_as_they_were_given():
    texts = {"a": '"none"', "b": "8", "c": "0.125", "d": "true", "e": "plain"}
    assert read_values(texts) == {"a": "none", "b": 8, "c": 0.125, "d": True, "e": "plain"}


def test_a_budget_in_money_without_a_price_is_refused():
    with pytest.raises(SpecError, match="no price of the machine"):
        set_limits(Budget(usd=5), usd_per_hour=None, at_once=1)


def test_a_budget_that_buys_less_than_a_study_takes_is_refused():
    with pytest.raises(SpecError, match=r"allows 36 s.*120 s or more"):
        set_limits(Budget(jobs=4, usd=0.01), usd_per_hour=1.0, at_once=1)


@given(
    st.one_of(st.none(), st.floats(0.1, 600)),
    st.one_of(st.none(), st.floats(1, 10_000)),
    st.floats(0.05, 40),
    st.integers(1, 100),
)
def test_as_many_machines_as_may_run_at_once_never_cost_more_than_the_budget(hours, usd, price, at_once):
    try:
        limits = set_limits(Budget(jobs=5, hours=hours, usd=usd), usd_per_hour=price, at_once=at_once)
    except SpecError:
        assert usd is not None
        assert usd / (price * at_once) * 3600 < LEAST_SECONDS
        return
    assert limits.jobs == 5
    assert (limits.seconds is None) == (hours is None and usd is None)
    if limits.seconds is not None:
        assert limits.seconds <= (hours or 1e9) * 3600
        spent = Price(price, "").cost_usd(limits.seconds, at_once)
        assert spent <= (usd or 1e9) * (1 + 1e-9)
