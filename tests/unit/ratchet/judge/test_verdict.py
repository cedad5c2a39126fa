"""The gates: what passes, what is blocked, and that the reason is told."""

from __future__ import annotations

import math

import pytest
from evaluations import LABELS, hits, measure, raw_report
from hypothesis import given
from hypothesis import strategies as st

from ratchet.judge import judge, read_report
from ratchet.spec import Bound, Gates, Slice


def verdict_of(challenger, champion=None, **gates):
    return judge(read_report(raw_report(challenger, champion)), Gates(**gates))


def test_passes_a_challenger_that_is_better():
    verdict = verdict_of(measure(hits(85, 5)), measure(hits(80, 10)))
    assert verdict.passed
    assert verdict.reasons == ("all 2 gates passed",)


def test_blocks_a_challenger_that_is_worse_and_says_by_how_much():
    verdict = verdict_of(measure(hits(80, 10)), measure(hits(85, 5)))
    assert not verdict.passed
    assert verdict.reasons == ("change of accuracy is -0.0556, allowed is at least +0",)


def test_a_margin_lets_a_slightly_worse_challenger_pass():
    verdict = verdict_of(measure(hits(80, 20)), measure(hits(90, 10)), change={"accuracy": Bound(min=-0.1)})
    assert verdict.passed


def test_the_first_model_ever_is_held_against_the_thresholds_only():
    good = verdict_of(measure(hits(60, 30)), thresholds={"accuracy": Bound(min=0.6)})
    bad = verdict_of(measure(hits(50, 40)), thresholds={"accuracy": Bound(min=0.6)})
    assert (good.passed, bad.passed) == (True, False)
    assert good.significance is None
    assert "no champion to compare with" in good.reasons[0]


def test_blocks_a_model_trained_on_shuffled_labels():
    # Ten classes learnt at random are right one time in ten, whatever the champion does.
    shuffled = measure(hits(9, 81))
    assert not verdict_of(shuffled).passed
    assert not verdict_of(shuffled, measure(hits(80, 10))).passed


def test_a_better_average_does_not_hide_a_class_that_became_worse():
    protected = (Slice(label="2", max_recall_drop=0.05),)
    verdict = verdict_of(measure(hits(85, 5), {"2": 0.6}), measure(hits(80, 10), {"2": 0.9}), slices=protected)
    assert not verdict.passed
    assert verdict.reasons == ("drop in recall of 2 is +0.3000, allowed is at most +0.05",)


def test_a_star_protects_every_class():
    verdict = verdict_of(measure(hits(85, 5), {"1": 0.2, "2": 0.1}), slices=(Slice(label="*", min_recall=0.5),))
    assert [check.name for check in verdict.checks if not check.passed] == ["recall of 1", "recall of 2"]


@pytest.mark.parametrize(("label", "passes"), [("2", False), ("unknown", False), ("*", True)])
def test_a_class_protected_by_name_must_be_measured(label, passes):
    challenger = measure(hits(85, 5))
    challenger["per_class"]["2"] = {"precision": None, "recall": None, "f1": None, "support": 0}
    assert verdict_of(challenger, slices=(Slice(label=label, min_recall=0.5),)).passed is passes


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None])
@pytest.mark.parametrize("bound", [Bound(min=0.0), Bound(max=1.0)])
def test_a_figure_that_is_no_number_passes_no_gate(value, bound):
    assert not verdict_of(measure(hits(85, 5), log_loss=value), thresholds={"log_loss": bound}).passed


def test_rounding_does_not_block_an_equal_model():
    verdict = verdict_of(measure(hits(90, 10)), measure(hits(80, 20)), change={"accuracy": Bound(min=0.1, max=0.1)})
    assert verdict.passed


def test_shows_every_metric_and_class_of_both_models():
    verdict = verdict_of(measure(hits(85, 5)), measure(hits(80, 10)))
    assert [row.metric for row in verdict.comparisons] == ["accuracy", "top5_accuracy", "log_loss"]
    assert verdict.comparisons[0].difference == pytest.approx(5 / 90)
    assert [row.label for row in verdict.recalls] == list(LABELS)


marks = st.lists(st.integers(0, 1), min_size=30, max_size=30)


@given(marks, marks)
def test_passes_exactly_when_no_gate_fails_and_always_gives_a_reason(new, old):
    verdict = verdict_of(measure(new), measure(old))
    assert verdict.passed is all(check.passed for check in verdict.checks)
    assert verdict.reasons
    assert verdict.passed is (sum(new) >= 15 and sum(new) >= sum(old))
