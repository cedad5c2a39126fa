"""The predictor over an engine that is a list of scores."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from inference.answer import describe_predictions, model_headers
from inference.failure import ModelError, ServingError
from inference.predictor import Predictor, rank, softmax
from inference.store import Artefact, Identity
from ratchet.contract import Signature

IDENTITY = Identity("digits", "7", "d" * 64)


class ListedEngine:
    name = "listed"

    def __init__(self, *scores: float) -> None:
        self.scores = np.asarray(scores, dtype=np.float32)

    def forward(self, batch: np.ndarray) -> np.ndarray:
        return self.scores


def load(engine: ListedEngine, labels: tuple[str, ...] = ("a", "b", "c"), output: str = "logits") -> Predictor:
    signature = Signature(1, 4, 4, labels, mean=(0.0,), std=(1.0,), output=output)
    return Predictor.load(Artefact(Path(), signature, IDENTITY), lambda artefact: engine)


def picture() -> bytes:
    sink = io.BytesIO()
    Image.new("L", (4, 4)).save(sink, "PNG")
    return sink.getvalue()


def test_classes_come_in_falling_probability() -> None:
    (predictions,) = load(ListedEngine(0.0, 2.0, 1.0)).predict(picture(), "image/png")
    assert [each.label for each in predictions] == ["b", "c", "a"]
    assert sum(each.probability for each in predictions) == pytest.approx(1, abs=1e-6)


def test_probabilities_of_the_network_are_left_alone() -> None:
    (predictions,) = load(ListedEngine(0.25, 0.75, 0.0), output="probabilities").predict(picture(), "image/png")
    assert [(each.label, each.probability) for each in predictions] == [("b", 0.75), ("a", 0.25), ("c", 0.0)]


def test_five_classes_of_many_are_named() -> None:
    labels = tuple("abcdefgh")
    assert len(load(ListedEngine(*range(8)), labels).predict(picture(), "image/png")[0]) == 5


def test_a_network_with_other_outputs_than_labels_is_not_served() -> None:
    with pytest.raises(ModelError, match="4 outputs, there are 3 labels"):
        load(ListedEngine(1, 2, 3, 4))


def test_a_network_that_answers_nonsense_is_not_served() -> None:
    with pytest.raises(ModelError, match="not finite"):
        load(ListedEngine(1, float("nan"), 3))


def test_an_answer_that_turns_to_nonsense_is_an_error_and_not_json_nan() -> None:
    engine = ListedEngine(1, 2, 3)
    predictor = load(engine)
    engine.scores = np.asarray([1, np.inf, 3], dtype=np.float32)
    with pytest.raises(ServingError) as caught:
        predictor.predict(picture(), "image/png")
    assert (caught.value.status, caught.value.code) == (500, "model_output")


@given(st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=1, max_size=12))
def test_softmax_is_a_distribution_that_keeps_the_order(scores: list[float]) -> None:
    probabilities = softmax(np.asarray(scores, dtype=np.float32))
    assert probabilities.sum() == pytest.approx(1)
    assert (probabilities >= 0).all()
    assert probabilities[int(np.argmax(scores))] == probabilities.max()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_ranking_never_rises_and_names_no_class_twice(probabilities: list[float]) -> None:
    labels = tuple(str(index) for index in range(len(probabilities)))
    ranked = rank(np.asarray(probabilities), labels)
    values = [each.probability for each in ranked]
    assert values == sorted(values, reverse=True)
    assert len({each.label for each in ranked}) == len(ranked) == min(5, len(labels))


def test_an_answer_holds_the_seeds_lines_and_the_model() -> None:
    body = describe_predictions(
        load(ListedEngine(0.5, 0.25, 0.25), output="probabilities").predict(picture(), "image/png"), IDENTITY
    )
    assert body["entries"][0] == "probability=0.500000, class=a"
    assert body["predictions"][0] == {"label": "a", "probability": 0.5}
    assert body["model"] == {"name": "digits", "version": "7", "digest": "d" * 64}


def test_a_version_cannot_break_a_header() -> None:
    headers = model_headers(Identity("x", "7\r\nSet-Cookie: a", "d" * 64))
    assert headers["X-Model-Version"] == "7??Set-Cookie: a"
