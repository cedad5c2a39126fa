"""The paired bootstrap: right about clear cases, honest about unclear ones, the same every time."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratchet.judge import compare_paired

marks = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=60)


@settings(max_examples=40)
@given(marks)
def test_the_interval_lies_around_the_difference_and_figures_are_shares(pairs):
    new, old = zip(*pairs, strict=True)
    result = compare_paired(new, old)
    assert result.low <= result.difference + 1e-9
    assert result.difference - 1e-9 <= result.high
    assert 0 < result.p_value <= 1


@settings(max_examples=20)
@given(marks)
def test_the_same_marks_give_the_same_figures(pairs):
    new, old = zip(*pairs, strict=True)
    assert compare_paired(new, old) == compare_paired(new, old)


def test_is_sure_about_a_clear_difference():
    result = compare_paired([1] * 180 + [0] * 20, [1] * 120 + [0] * 80)
    assert result.low > 0
    assert result.p_value < 0.01


def test_is_unsure_about_one_image_of_two_hundred():
    result = compare_paired([1] * 181 + [0] * 19, [1] * 180 + [0] * 20)
    assert result.low <= 0
    assert result.p_value > 0.05


def test_equal_models_differ_by_nothing():
    result = compare_paired([1, 0, 1], [1, 0, 1])
    assert (result.difference, result.low, result.high, result.p_value) == (0, 0, 0, 1)


def test_the_interval_agrees_with_the_standard_error():
    generator = random.Random(1)
    new = [int(generator.random() < 0.9) for _ in range(1000)]
    old = [int(generator.random() < 0.85) for _ in range(1000)]
    pairs = [n - o for n, o in zip(new, old, strict=True)]
    mean = sum(pairs) / 1000
    error = (sum((pair - mean) ** 2 for pair in pairs) / 1000 / 1000) ** 0.5
    result = compare_paired(new, old)
    assert result.low == pytest.approx(mean - 1.96 * error, abs=0.004)
    assert result.high == pytest.approx(mean + 1.96 * error, abs=0.004)


def test_refuses_marks_of_different_images():
    with pytest.raises(ValueError, match="shorter"):
        compare_paired([1, 0], [1])
