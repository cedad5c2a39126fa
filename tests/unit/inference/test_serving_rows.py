"""Rows and texts from outside: read in the model's order, or refused with a sentence; nothing hostile is a 500."""

import csv
import io
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.event import Question, read_direct, read_http, read_question
from inference.failure import ServingError
from inference.predictor import Predictor
from inference.reader import RowReader, TextReader, make_reader
from inference.row import MAX_ROWS
from inference.store import Artefact, Identity
from inference.text import MAX_TEXTS
from ratchet.contract import MAX_TEXT_LETTERS, Signature

NAMES = ("age", "height")
TABLE = Signature(
    1, 1, 2, ("no", "yes"), mean=(10.0, 100.0), std=(2.0, 50.0), layout="NC", features=NAMES
)  # fmt: skip
NAMELESS = Signature(1, 1, 2, ("no", "yes"), mean=(0.0, 0.0), std=(1.0, 1.0), layout="NC")
TEXT = Signature(
    1, 1, 4, ("a", "b"), mean=(), std=(), layout="NT", tokenizer="words", vocabulary=("good", "morning", "!")
)  # fmt: skip
JSON = "application/json"


def feed(signature: Signature, body: bytes, content_type: str = JSON) -> list[list[float]]:
    batches = make_reader(signature).read(body, content_type)
    assert all(batch.shape == (1, *signature.input_shape) and batch.dtype == np.float32 for batch in batches)
    return [batch[0].tolist() for batch in batches]


def refuse(read: Callable[[], Any]) -> tuple[int, str]:
    with pytest.raises(ServingError) as caught:
        read()
    assert caught.value.message.endswith(".")
    return caught.value.status, caught.value.code


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'{"rows": [[12, 150], [8.0, 100]]}', "application/json; charset=utf-8"),
        (b'{"columns": {"height": [150, 100], "name": ["x", "y"], "age": [12, 8]}}', JSON),
        (b"age,height\n12,150\n8,100\n", "text/csv"),
        (b"\xef\xbb\xbfheight,name,age\r\n150,Ann,12\r\n100,Bob,8\r\n", "Text/CSV"),
        (b"12,150\n\n8,1e2", "text/csv; header=absent"),
    ],
    ids=["rows", "columns", "csv", "csv in another order", "csv without names"],
)
def test_rows_come_in_the_models_order_and_scaled_as_in_training(body: bytes, content_type: str) -> None:
    assert feed(TABLE, body, content_type) == [[1.0, 1.0], [-1.0, 0.0]]


def test_a_model_from_before_columns_had_names_takes_rows_without() -> None:
    assert feed(NAMELESS, b'{"rows": [[1, 2]]}') == feed(NAMELESS, b"1,2", "text/csv") == [[1.0, 2.0]]
    assert refuse(lambda: feed(NAMELESS, b'{"columns": {"a": [1]}}')) == (400, "wrong_columns")


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"", JSON, 400, "empty_body"),
        (b"{", JSON, 400, "bad_json"),
        (b"[" * 100_000, JSON, 400, "bad_json"),
        (b"[[1, 2]]", JSON, 400, "bad_json"),
        (b'{"rows": [[NaN, 1]]}', JSON, 400, "bad_json"),
        (b'{"rows": [[1, -Infinity]]}', JSON, 400, "bad_json"),
        (b'{"rows": [[1e999, 1]]}', JSON, 400, "not_a_number"),
        (b'{"rows": [[' + b"9" * 400_000 + b", 1]]}", JSON, 400, "not_a_number"),
        (b'{"rows": [[4e38, 1]]}', JSON, 400, "not_a_number"),
        (b'{"rows": [["1", 1]]}', JSON, 400, "not_a_number"),
        (b'{"rows": [[true, 1]]}', JSON, 400, "not_a_number"),
        (b'{"rows": [[null, 1]]}', JSON, 400, "not_a_number"),
        (b'{"rows": [[1]]}', JSON, 400, "wrong_columns"),
        (b'{"rows": [[1, 2], [1, 2, 3]]}', JSON, 400, "wrong_columns"),
        (b'{"rows": []}', JSON, 400, "missing_rows"),
        (b'{"rows": [1, 2]}', JSON, 400, "missing_rows"),
        (b'{"rows": "12"}', JSON, 400, "missing_rows"),
        (b'{"texts": ["a"]}', JSON, 400, "missing_rows"),
        (b'{"rows": [[1, 2]], "columns": {}}', JSON, 400, "missing_rows"),
        (b'{"columns": {"age": [1]}}', JSON, 400, "wrong_columns"),
        (b'{"columns": {"age": [1], "height": [1, 2]}}', JSON, 400, "wrong_columns"),
        (b'{"columns": {"age": 1, "height": 2}}', JSON, 400, "missing_rows"),
        (b'{"columns": {"age": [], "height": []}}', JSON, 400, "missing_rows"),
        (json.dumps({"rows": [[1, 2]] * (MAX_ROWS + 1)}).encode(), JSON, 413, "too_many_rows"),
        (b" " * (2 * 1024 * 1024 + 1), JSON, 413, "body_too_large"),
        (b"\xff\xfe", "text/csv", 400, "bad_text"),
        (b"\n\n", "text/csv", 400, "missing_rows"),
        (b"age,height\n", "text/csv", 400, "missing_rows"),
        (b"1,2,3\n", "text/csv", 400, "wrong_columns"),
        (b"age,weight\n1,2\n", "text/csv", 400, "wrong_columns"),
        (b"age,height,age\n1,2,3\n", "text/csv", 400, "wrong_columns"),
        (b"age,height\n1\n", "text/csv", 400, "wrong_columns"),
        (b"age,height\n1,many\n", "text/csv", 400, "not_a_number"),
        (b"1,nan\n", "text/csv", 400, "not_a_number"),
        (b'age,"' + b"x" * 200_000, "text/csv", 400, "bad_csv"),
        (b"1,2\n" * (MAX_ROWS + 1), "text/csv", 413, "too_many_rows"),
        (b"1,2", "image/png", 415, "content_type"),
        (b"1,2", "text/plain", 415, "content_type"),
        (b"1,2", "", 415, "content_type"),
    ],
)
def test_what_is_no_row_is_refused_with_a_sentence(body: bytes, content_type: str, status: int, code: str) -> None:
    assert refuse(lambda: feed(TABLE, body, content_type)) == (status, code)


@pytest.mark.parametrize(
    ("body", "content_type", "numbers"),
    [
        ('{"texts": ["Good morning!"]}', JSON, [0.0, 2.0, 3.0, 4.0]),
        ("\ufeffgood Ｍorning, all", "text/plain; charset=utf-8", [2.0, 3.0, 1.0, 1.0]),
        ("Morning " * 9, "text/plain", [3.0, 3.0, 3.0, 3.0]),
    ],
)
def test_texts_become_the_numbers_of_their_first_tokens(body: str, content_type: str, numbers: list[float]) -> None:
    assert feed(TEXT, body.encode(), content_type) == [numbers]


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b'{"texts": []}', JSON, 400, "missing_texts"),
        (b'{"texts": "good"}', JSON, 400, "missing_texts"),
        (b'{"texts": [7]}', JSON, 400, "missing_texts"),
        (b'{"rows": [[1, 2]]}', JSON, 400, "missing_texts"),
        (b'{"texts": [" \\n"]}', JSON, 400, "empty_text"),
        (json.dumps({"texts": ["good"] * (MAX_TEXTS + 1)}).encode(), JSON, 413, "too_many_texts"),
        (b"a" * (MAX_TEXT_LETTERS + 1), "text/plain", 413, "text_too_long"),
        (b"\x80", "text/plain", 400, "bad_text"),
        (b"", "text/plain", 400, "empty_body"),
        (b"good", "text/csv", 415, "content_type"),
    ],
)
def test_what_is_no_text_is_refused_with_a_sentence(body: bytes, content_type: str, status: int, code: str) -> None:
    assert refuse(lambda: feed(TEXT, body, content_type)) == (status, code)


_JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*NAMES, "rows", "columns", "texts", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["rows", "columns", "texts"]), _JSON_VALUES, max_size=2))
def test_any_object_is_read_or_refused(asked: dict[str, Any]) -> None:
    for reader in (RowReader(TABLE), TextReader(TEXT)):
        with suppress(ServingError):
            batches = reader.read_asked(asked)
            assert batches
            assert all(np.isfinite(batch).all() for batch in batches)


@given(st.binary(max_size=60), st.sampled_from([JSON, "text/csv", "text/plain"]))
def test_any_bytes_are_read_or_refused(body: bytes, content_type: str) -> None:
    for signature in (TABLE, TEXT):
        with suppress(ServingError):
            assert feed(signature, body, content_type)


@given(st.lists(st.tuples(*[st.floats(-1e30, 1e30)] * 2), min_size=1, max_size=9))
def test_every_form_of_a_row_says_the_same(rows: list[tuple[float, float]]) -> None:
    sink = io.StringIO()
    csv.writer(sink).writerows([("height", "age"), *((height, age) for age, height in rows)])
    columns = {name: list(values) for name, values in zip(NAMES, zip(*rows, strict=True), strict=True)}
    forms = [
        (json.dumps({"rows": rows}), JSON),
        (json.dumps({"columns": columns}), JSON),
        (sink.getvalue(), "text/csv"),
    ]
    first, *others = [feed(TABLE, body.encode(), content_type) for body, content_type in forms]
    assert all(other == first for other in others)


class SummingEngine:
    """Says yes to whatever is above the mean in sum."""

    name = "summing"

    def forward(self, batch: np.ndarray) -> np.ndarray:
        return np.array([-batch.sum(), batch.sum()], dtype=np.float32)


def test_every_row_gets_its_own_answer() -> None:
    artefact = Artefact(Path(), TABLE, Identity("people", "3", "d" * 64))
    predictor = Predictor.load(artefact, lambda _: SummingEngine())
    rankings = predictor.predict_asked({"rows": [[20, 200], [0, 0]]})
    assert [ranking[0].label for ranking in rankings] == ["yes", "no"]
    assert predictor.kind == "table"


def test_an_image_model_takes_no_rows() -> None:
    reader = make_reader(Signature(1, 4, 4, ("a",), mean=(0.0,), std=(1.0,)))
    assert refuse(lambda: reader.read_asked({"rows": [[1]]})) == (400, "wrong_kind")
    assert refuse(lambda: reader.read(b"1,2", "text/csv")) == (415, "content_type")


@pytest.mark.parametrize("asked", [{"rows": [[1, 2]]}, {"columns": {"age": [1]}}, {"texts": ["a"]}])
def test_the_function_is_asked_directly_and_by_http(asked: dict[str, Any]) -> None:
    assert read_direct(asked) == Question(asked=asked)
    event = {"httpMethod": "POST", "path": "/predict", "body": json.dumps(asked), "headers": {"content-type": JSON}}
    assert read_question(read_http(event)) == Question(asked=asked)


@pytest.mark.parametrize("kind", ["text/csv", "text/plain; charset=utf-8"])
def test_the_function_takes_plain_bodies(kind: str) -> None:
    event = {"httpMethod": "POST", "path": "/predict", "body": "1,2", "headers": {"Content-Type": kind}}
    assert read_question(read_http(event)) == Question(data=b"1,2", content_type=kind)
