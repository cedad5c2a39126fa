"""What a study found: the order of merit, what each hyperparameter says, and the page."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.errors import ArtefactError
from ratchet.tuning.importance import rate_parameters
from ratchet.tuning.page import draw_study
from ratchet.tuning.study import Study, Trial, TrialState

STUDY = Study("digits-tune-1", "digits", "i" * 64, "random", "accuracy", maximize=True, by_jobs=True, limit=9)


def trial(number, objective, state=TrialState.COMPLETED, **parameters):
    return Trial(number, state, parameters or {"rate": 0.1 * number}, objective)


def test_the_best_is_the_first_of_the_best_completed_ones():
    trials = (
        trial(1, 0.8),
        trial(2, 0.9),
        trial(3, 0.9),
        trial(4, 0.99, TrialState.STOPPED),  # it left no model
        trial(5, None, TrialState.FAILED),
        trial(6, None, TrialState.RUNNING),
    )
    study = replace(STUDY, trials=trials)
    assert study.best.number == 2
    assert replace(study, maximize=False).best.number == 1
    assert study.course() == [(1, 0.8), (2, 0.9), (3, 0.9)]
    assert study.tell() == "5 of 9 trials done, 1 running, 1 failed, best accuracy 0.9 (trial 2: rate 0.2)"


def test_a_study_is_read_back_as_it_was_written():
    study = replace(STUDY, trials=(trial(1, 0.5), trial(2, None, TrialState.FAILED)), parents=("a",), usd=1.5)
    assert Study.from_json(study.to_json()) == study
    assert study.to_json()["best"] == 1
    with pytest.raises(ArtefactError, match="format 99"):
        Study.from_json({**study.to_json(), "format": 99})


def test_a_study_says_something_to_one_with_the_same_objective_and_hyperparameters():
    study = replace(STUDY, trials=(trial(1, 0.5),), hyperparameters=("epochs", "rate"))
    assert study.is_usable_for(replace(study, trials=()))
    assert not study.is_usable_for(replace(study, metric="loss"))
    assert not study.is_usable_for(replace(study, maximize=False))
    assert not study.is_usable_for(replace(study, hyperparameters=("epochs",)))
    assert not replace(study, trials=()).is_usable_for(study)


def test_what_decides_is_rated_above_what_does_not():
    trials = [
        trial(n, rate + 0.01 * (n % 2), rate=rate, width=n % 3, kind="ab"[n % 2])
        for n, rate in enumerate([0.1, 0.9, 0.3, 0.5, 0.7, 0.2, 0.8, 0.4, 0.6, 0.05, 0.95, 0.35], 1)
    ]
    rated = rate_parameters(trials)
    assert next(iter(rated)) == "rate"
    assert rated["rate"] > 0.7
    assert rated["kind"] < 0.2
    assert rate_parameters(trials[:3]) == {}


objectives = st.floats(-1e6, 1e6)
values = st.one_of(st.floats(1e-6, 1e6), st.integers(-5, 5), st.sampled_from(["a<b", "c&d"]), st.booleans())


@given(st.lists(st.tuples(values, st.floats(0.1, 0.9), objectives, st.sampled_from(TrialState)), max_size=12))
def test_any_study_has_a_page_of_its_own_and_nothing_from_elsewhere(rows):
    trials = tuple(
        Trial(n, state, {"mixed": value, "rate": rate}, objective, message="<script>")
        for n, (value, rate, objective, state) in enumerate(rows, 1)
    )
    page = draw_study(replace(STUDY, trials=trials))
    assert page.count("<tr") == len(rows) + 1
    assert "<script" not in page
    assert "http" not in page
    assert "nan" not in re.sub(r"<title>.*?</title>", "", page)
    assert sum(rate_parameters(trials).values()) >= 0
