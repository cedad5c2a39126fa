"""The strategies: the same seed proposes the same, what is known helps, and what falls behind is given up."""

import pytest

from localcloud.engines.sagemaker_tuning_range import read_ranges
from localcloud.engines.sagemaker_tuning_search import Observation, SearchPlan, make_search

X = read_ranges({"ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "10"}]})


def objective(values):
    return -((float(values["x"]) - 2) ** 2)


def run(plan, count):
    search = make_search(X, plan)
    proposed = []
    for number in range(count):
        values = search.propose()
        proposed.append(values)
        search.observe(number, objective(values) if number != 1 else None)
    return proposed


@pytest.mark.parametrize("strategy", ["Random", "Bayesian", "Hyperband"])
def test_the_same_seed_proposes_the_same(strategy):
    plan = SearchPlan(strategy, maximize=True, limit=12, seed=11)
    assert run(plan, 12) == run(plan, 12)
    other = SearchPlan(strategy, maximize=True, limit=12, seed=12)
    assert run(plan, 12) != run(other, 12)


def test_a_bayesian_search_comes_closer_than_a_random_one():
    def best(strategy, seed):
        return max(map(objective, run(SearchPlan(strategy, maximize=True, limit=25, seed=seed), 25)))

    seeds = range(8)
    assert sum(best("Bayesian", seed) for seed in seeds) > sum(best("Random", seed) for seed in seeds)


def test_a_search_that_knows_the_answer_begins_near_it():
    known = [Observation({"x": str(x)}, objective({"x": x})) for x in (2, 2.1, 1.9, 6, 7, 8, 9, 9.5, 5, 4)]
    known += [Observation({"x": "99"}, 1.0), Observation({"y": "1"}, 1.0), Observation({"x": "text"}, 1.0)]
    warm = run(SearchPlan("Bayesian", maximize=True, limit=8, seed=1, known=known), 6)
    assert sum(abs(float(values["x"]) - 2) < 1.5 for values in warm) >= 4


def test_a_grid_proposes_every_combination_once():
    choices = read_ranges(
        {"CategoricalParameterRanges": [{"Name": "a", "Values": ["1", "2"]}, {"Name": "b", "Values": ["x", "y"]}]}
    )
    grid = make_search(choices, SearchPlan("Grid", maximize=True, limit=4))
    proposed = [grid.propose() for _ in range(5)]
    assert [(found["a"], found["b"]) for found in proposed[:4]] == [("1", "x"), ("1", "y"), ("2", "x"), ("2", "y")]
    assert proposed[4] is None


def test_hyperband_gives_up_trials_that_fall_behind_and_keeps_the_best():
    search = make_search(X, SearchPlan("Hyperband", maximize=True, limit=12, seed=5, resources=(1, 9)))
    values = [search.propose() for _ in range(12)]
    scores = [objective(found) for found in values]
    given_up = set()
    for step in range(1, 10):
        for number in sorted(set(range(12)) - given_up):
            if search.gives_up(number, step, scores[number]):
                given_up.add(number)
    assert 3 <= len(given_up) < 12
    assert scores.index(max(scores)) not in given_up


def test_reports_after_the_end_change_nothing():
    search = make_search(X, SearchPlan("Hyperband", maximize=True, limit=2, seed=5, resources=(1, 9)))
    search.propose()
    search.observe(0, 1.0)
    assert not search.gives_up(0, 3, 0.0)
