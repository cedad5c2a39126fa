"""Smoke answers and examples: what is right, what may pass, what is a verdict, and what cannot be read."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rollout_world import FakeBucket

from ratchet.aws import Bucket
from ratchet.errors import NotFoundError, ReleaseError
from ratchet.rollout.answer import judge_answer
from ratchet.rollout.example import Example, read_examples
from ratchet.rollout.machine import Observed
from ratchet.rollout.plan import Candidate
from ratchet.rollout.question import about, about_image

CANDIDATE = Candidate("digits", 3, "c" * 64, "s3://models/digits/3/model.tar.gz")
MODEL = {"name": "digits", "version": "3", "digest": "c" * 64}
RIGHT = {"predictions": [{"label": "7", "probability": 0.9}, {"label": "1", "probability": 0.1}], "model": MODEL}


@pytest.mark.parametrize(
    ("answer", "observed"),
    [
        (RIGHT, Observed.DONE),
        (RIGHT | {"model": MODEL | {"version": 3}}, Observed.DONE),
        (RIGHT | {"predictions": [{"label": "1"}]}, Observed.FAILED),
        (RIGHT | {"predictions": []}, Observed.FAILED),
        (RIGHT | {"predictions": "7"}, Observed.FAILED),
        (RIGHT | {"model": MODEL | {"digest": "d" * 64}}, Observed.DOUBTFUL),
        (RIGHT | {"model": MODEL | {"version": "2"}}, Observed.DOUBTFUL),
        (RIGHT | {"model": None}, Observed.DOUBTFUL),
        ({"error": {"code": "no_model"}, "model": None}, Observed.DOUBTFUL),
        ({}, Observed.DOUBTFUL),
    ],
)
def test_an_answer_is_right_doubtful_or_wrong(answer, observed):
    assert judge_answer(answer, CANDIDATE, "7").observed is observed


KEYS = st.sampled_from(["error", "model", "predictions", "label", "digest", "version"])
SCRAPS = st.none() | st.booleans() | st.text() | st.integers()


@given(st.dictionaries(KEYS, st.recursive(SCRAPS, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner))))
def test_no_answer_breaks_the_judge(body):
    assert judge_answer(body, CANDIDATE, "7").observed is not Observed.DONE


class OneBucket:
    def __init__(self, content):
        self.bucket = FakeBucket()
        if content is not None:
            self.bucket.objects["smoke.json"] = content

    def client(self, _):
        return self.bucket


def read(content, limit=2):
    return read_examples(Bucket(OneBucket(content), "models"), "smoke.json", limit)


def pack(*labels):
    image = base64.b64encode(b"pixels").decode()
    return json.dumps({"examples": [{"image_base64": image, "expected_label": label} for label in labels]}).encode()


def test_the_first_examples_are_read():
    assert list(read(pack("7", "1", "3"))) == [Example(about_image(b"pixels"), label) for label in "71"]


def test_rows_and_texts_are_asked_about_as_json():
    row, text = {"row": [1.5, -2], "expected_label": "a"}, {"text": "Servus", "expected_label": "de"}
    first, second = read(json.dumps({"examples": [row, text]}).encode())
    assert first == Example(about({"rows": [[1.5, -2.0]]}), "a")
    assert second.question.content_type == "application/json"
    assert json.loads(second.question.body) == second.question.event == {"texts": ["Servus"]}


def test_no_examples_are_not_found():
    with pytest.raises(NotFoundError):
        read(None)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"null",
        pack(),
        b'{"examples": [{}]}',
        b'{"examples": 3}',
        b"\xff\xfe",
        b'{"examples": [{"image_base64": "***", "expected_label": "7"}]}',
        b'{"examples": [{"row": [1, "x"], "expected_label": "7"}]}',
        b'{"examples": [{"row": [NaN], "expected_label": "7"}]}',
    ],
)
def test_examples_that_cannot_be_read_say_so(content):
    with pytest.raises(ReleaseError, match="evaluate"):
        read(content)
