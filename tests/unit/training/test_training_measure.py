"""Figures of a model: what cannot be known is null, and a model's labels may be in another order."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, strategies
from PIL import Image

from training.confusion import draw_confusion
from training.measure import Measurement, arrange, choose_examples, softmax, subtract
from training.report import Mistake, write_report

CLASSES = strategies.integers(0, 2)
SCORES = strategies.lists(strategies.floats(-5, 5), min_size=3, max_size=3)


def measure(labels, rows, truth):
    measurement = Measurement(labels)
    measurement.add(np.array(rows, dtype=float), np.array(truth))
    return measurement


@given(
    strategies.lists(
        strategies.tuples(
            strategies.integers(0, 2), strategies.lists(strategies.floats(-5, 5), min_size=3, max_size=3)
        ),
        min_size=1,
        max_size=30,
    ),
    strategies.integers(1, 30),
)
def test_batches_of_any_size_give_the_same_figures(examples, size):
    rows, truth = softmax(np.array([row for _, row in examples])), np.array([label for label, _ in examples])
    pieces = Measurement("abc")
    for start in range(0, len(rows), size):
        pieces.add(rows[start : start + size], truth[start : start + size])
    assert pieces.describe() == measure("abc", rows, truth).describe()


@given(
    strategies.lists(strategies.tuples(strategies.integers(0, 2), strategies.integers(0, 2)), min_size=1, max_size=40)
)
def test_accuracy_is_the_diagonal_of_the_confusion(pairs):
    rows = [np.eye(3)[said] for _, said in pairs]
    figures = measure("abc", rows, [truth for truth, _ in pairs]).describe()
    confusion = np.array(figures["confusion"])
    assert confusion.sum() == len(pairs)
    assert figures["accuracy"] == pytest.approx(confusion.trace() / len(pairs))
    assert figures["accuracy"] == pytest.approx(np.mean(figures["correct"]))
    assert sum(figures["per_class"][label]["support"] for label in "abc") == len(pairs)


def test_what_the_split_cannot_tell_is_null():
    per_class = measure("abc", [[0.9, 0.1, 0.0], [0.8, 0.2, 0.0]], [0, 1]).describe()["per_class"]
    assert per_class["a"] == {"precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "support": 1}
    assert per_class["b"] == {"precision": None, "recall": 0.0, "f1": 0.0, "support": 1}
    assert per_class["c"] == {"precision": None, "recall": None, "f1": None, "support": 0}


def test_a_sure_mistake_costs_much_and_not_everything():
    assert measure("ab", [[1.0, 0.0]], [1]).describe()["log_loss"] == pytest.approx(-np.log(1e-12))


def test_the_best_five_are_counted_by_rank():
    row = [0.3, 0.2, 0.15, 0.12, 0.1, 0.08, 0.05]
    ranks = [measure("abcdefg", [row], [truth]).describe()["top5_accuracy"] for truth in range(7)]
    assert ranks == [1, 1, 1, 1, 1, 0, 0]


def test_columns_follow_the_names_of_the_labels():
    assert arrange(np.array([[0.1, 0.9]]), ("b", "a"), ("a", "b")).tolist() == [[0.9, 0.1]]


def test_an_older_model_never_says_a_class_it_does_not_know():
    arranged = arrange(np.array([[0.3, 0.7]]), ("a", "c"), ("a", "b", "c"))
    assert arranged.tolist() == [[0.3, 0, 0.7]]
    assert measure("abc", arranged, [1]).describe()["accuracy"] == 0


def test_a_class_that_the_split_has_not_counts_as_something_else():
    measurement = measure("ab", arrange(np.array([[0.2, 0.1, 0.3, 0.4]]), ("a", "b", "x", "y"), ("a", "b")), [0])
    assert measurement.describe()["confusion"] == [[0, 0, 1], [0, 0, 0]]
    assert measurement.name(0) == "(other)"


def test_differences_are_challenger_minus_champion():
    challenger = measure("ab", [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], [0, 1, 1]).describe()
    champion = measure("ab", [[0.9, 0.1], [0.7, 0.3], [0.3, 0.7]], [0, 1, 1]).describe()
    differences = subtract(challenger, champion)
    assert differences["accuracy"] == 0
    assert (differences["only_challenger_right"], differences["only_champion_right"]) == (1, 1)
    assert differences["recall"] == {"a": 0, "b": 0}


@given(strategies.lists(strategies.tuples(strategies.integers(0, 4), strategies.integers(0, 1)), max_size=40))
def test_examples_show_every_class_before_they_show_one_twice(pairs):
    truth, correct = [truth for truth, _ in pairs], [right for _, right in pairs]
    chosen = choose_examples(truth, correct, 10)
    assert len(set(chosen)) == len(chosen) == min(10, len(pairs))
    first = chosen[: len(set(truth))]
    assert {truth[number] for number in first} == set(truth)
    for number in first:
        right = any(label == truth[number] and hit for label, hit in pairs)
        assert correct[number] == right


def test_names_from_outside_cannot_write_the_page(tmp_path):
    evil = "<script>alert(1)</script>"
    challenger = measure([evil, "b"], [[0.4, 0.6], [0.3, 0.7]], [0, 1]).describe()
    report = {
        "dataset": evil,
        "dataset_version": evil,
        "labels": [evil, "b"],
        "test_split": {"digest": evil, "count": 2},
        "challenger": challenger,
        "champion": challenger,
        "differences": subtract(challenger, challenger),
    }
    write_report(tmp_path, report, [Mistake(evil, evil, evil, 0.6, b"png")])
    assert "<script" not in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("size", [1, 2, 10, 200])
def test_draws_any_number_of_classes_in_a_bounded_picture(size):
    matrix = np.eye(size, size + 1, dtype=int).tolist()
    image = Image.open(io.BytesIO(draw_confusion(matrix, [f"класс {number}" for number in range(size)])))
    assert max(image.size) < 2000
