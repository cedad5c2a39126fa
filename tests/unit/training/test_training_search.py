"""What a study tries: the same for the same seed, within its ranges, and as localcloud's tuning jobs try it."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localcloud.engines.sagemaker_tuning_range import read_ranges
from localcloud.engines.sagemaker_tuning_search import SearchPlan, make_search
from ratchet.tuning.budget import Limits
from ratchet.tuning.space import read_values, study_order, tuning_config
from ratchet.tuning_spec import Tuning
from training.search import Search

RANGES = {
    "kind": {"type": "categorical", "values": ["a", 1, True]},
    "rate": {"type": "continuous", "min": 0.001, "max": 0.1, "scaling": "log"},
    "momentum": {"type": "continuous", "min": 0.5, "max": 0.99, "scaling": "reverse_log"},
    "width": {"type": "integer", "min": 8, "max": 64},
}
JOBS = 9


def make(strategy, seed=7, **changes):
    ranges = {
        name: {**found, "steps": 2} if found["type"] != "categorical" and strategy == "grid" else found
        for name, found in RANGES.items()
    }
    spec = {
        "strategy": strategy,
        "ranges": ranges,
        "budget": {} if strategy == "grid" else {"jobs": JOBS},
        "seed": seed,
    }
    return Tuning.model_validate({**spec, "hyperband": {"max": 9}} if strategy == "hyperband" else spec | changes)


def order(tuning):
    return study_order(tuning, Limits(tuning.budget.jobs, None), epochs=None)


def score(values):
    return -abs(float(values["width"]) - 20) / 44 - abs(float(values["rate"]) - 0.02)


def run(search, count, known=()):
    """Propose and tell, one after the other; what is known already is told and not asked about again."""
    found = []
    for number in range(count):
        values = search.propose()
        if values is None:
            break
        found.append(values)
        search.observe(number, known[number] if number < len(known) else score(values))
    return found


@pytest.mark.parametrize("strategy", ["grid", "random", "bayesian", "hyperband"])
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**31 - 1), cut=st.integers(0, JOBS))
def test_the_same_seed_tries_the_same_values_within_their_ranges_also_after_a_kill(strategy, seed, cut):
    tuning = make(strategy, seed)
    whole = run(Search(order(tuning)), JOBS)
    assert run(Search(order(tuning)), JOBS, known=[score(values) for values in whole[:cut]]) == whole
    for values in whole:
        assert 0.001 <= values["rate"] <= 0.1
        assert 0.5 <= values["momentum"] <= 0.99
        assert values["width"] in range(8, 65)
        assert values["kind"] in ("a", 1, True)


@pytest.mark.parametrize("strategy", ["grid", "random", "bayesian", "hyperband"])
def test_a_tuning_job_of_localcloud_tries_the_same(strategy):
    tuning = make(strategy)
    config = tuning_config(tuning, Limits(tuning.budget.jobs, None), epochs=None)
    rounds = (1, 9) if strategy == "hyperband" else (None, None)
    plan = SearchPlan(config["Strategy"], True, JOBS, config["RandomSeed"], rounds)
    theirs = make_search(read_ranges(config["ParameterRanges"]), plan)
    ours = Search(order(tuning))
    for number in range(JOBS):
        texts, values = theirs.propose(), ours.propose()
        assert read_values(texts) == values
        theirs.observe(number, score(values))
        ours.observe(number, score(values))


def test_a_grid_tries_every_combination_once():
    tuning = make("grid")
    tried = run(Search(order(tuning)), 100)
    points = [found.points for found in tuning.ranges.values()]
    assert [tuple(values.values()) for values in tried] == list(itertools.product(*points))


def test_hyperband_ends_what_falls_behind_and_the_median_rule_too():
    for changes in ({"strategy": "hyperband"}, {"strategy": "random", "early_stopping": True}):
        search = Search({**order(make("random")), "rounds": [1, 9], **changes})
        ended = 0
        for number in range(JOBS):
            search.propose()
            level = 1.0 if number < 4 else -1.0
            ended += any(search.gives_up(number, step, level) for step in range(1, 10))
            search.observe(number, level)
        assert 1 <= ended <= 5


def test_learns_from_what_is_known_and_passes_over_what_lies_outside():
    search = Search(order(make("bayesian")))
    good = {"kind": "a", "rate": 0.02, "momentum": 0.9, "width": 20}
    assert search.remember(good, 1.0)
    for wrong in ({**good, "width": 65}, {**good, "kind": "z"}, {"kind": "a"}, {**good, "rate": "fast"}):
        assert not search.remember(wrong, 1.0)
    assert json.dumps(search.propose())
