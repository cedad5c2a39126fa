"""Settings, threads and signatures of the serving processes."""

import dataclasses

import pytest

from inference.limit import Limits
from inference.media import is_image_type
from inference.signature import check_signature
from inference.threads import count_cores, read_quota, set_threads
from ratchet.contract import ContractError, Signature

GOOD = Signature(1, 28, 28, ("a", "b"), mean=(0.0,), std=(1.0,))


def test_limits_come_from_the_environment() -> None:
    limits = Limits.from_environment({"RATCHET_MAX_IN_FLIGHT": "8", "RATCHET_DRAIN_SECONDS": "3"})
    assert (limits.in_flight, limits.fetches_in_flight, limits.drain_seconds) == (8, 4, 3)
    assert Limits.from_environment({}) == Limits()


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5"])
def test_a_limit_that_is_no_positive_number_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="RATCHET_MAX_IN_FLIGHT"):
        Limits.from_environment({"RATCHET_MAX_IN_FLIGHT": text})


@pytest.mark.parametrize(
    ("line", "cores"), [("150000 100000", 1.5), ("max 100000", None), ("-1 100000", None), ("", None), ("7", None)]
)
def test_a_quota_is_read_in_cores(line: str, cores: float | None) -> None:
    assert read_quota(line) == cores


def test_threads_are_set_unless_somebody_has() -> None:
    environment: dict[str, str] = {}
    assert set_threads(environment) == count_cores() == int(environment["OMP_NUM_THREADS"])
    assert set_threads({"OMP_NUM_THREADS": "3"}) == 3


def test_a_signature_that_this_server_can_keep_passes() -> None:
    check_signature(GOOD, ("a", "b"))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"dtype": "float16"}, "dtype"),
        ({"layout": "NHWC"}, "layout"),
        ({"resize": "lanczos"}, "resize"),
        ({"output": "boxes"}, "output"),
        ({"channels": 2}, "channels"),
        ({"height": 0}, "height"),
        ({"width": 10**6}, "width"),
        ({"width": "28"}, "width"),
        ({"labels": ()}, "labels"),
        ({"labels": ("b", "a")}, "labels"),
        ({"mean": (0.0, 1.0)}, "mean"),
        ({"std": (0.0,)}, "std"),
        ({"std": ("1",)}, "finite"),
        ({"scale": float("nan")}, "finite"),
    ],
)
def test_a_signature_that_this_server_cannot_keep_is_refused(change: dict, word: str) -> None:
    with pytest.raises(ContractError, match=word):
        check_signature(dataclasses.replace(GOOD, **change), ("a", "b"))


ROWS = Signature(1, 1, 2, ("a", "b"), mean=(0.0, 1.0), std=(1.0, 2.0), layout="NC", features=("x", "y"))
TEXTS = Signature(1, 1, 9, ("a", "b"), mean=(), std=(), layout="NT", tokenizer="words", vocabulary=("x", "y"))


def test_signatures_of_tables_and_texts_pass() -> None:
    for good in (ROWS, dataclasses.replace(ROWS, features=()), TEXTS, dataclasses.replace(TEXTS, vocabulary=())):
        check_signature(good, ("a", "b"))


@pytest.mark.parametrize(
    ("good", "change", "word"),
    [
        (ROWS, {"features": ("x",)}, "features"),
        (ROWS, {"features": ("x", "x")}, "features"),
        (ROWS, {"features": ("x", 7)}, "features"),
        (ROWS, {"mean": (0.0,)}, "mean"),
        (ROWS, {"std": (1.0, 0.0)}, "zero"),
        (ROWS, {"width": 10**5}, "width"),
        (TEXTS, {"tokenizer": "syllables"}, "tokenizer"),
        (TEXTS, {"vocabulary": ("x", "x")}, "vocabulary"),
        (TEXTS, {"vocabulary": ("x", 7)}, "vocabulary"),
        (TEXTS, {"width": 0}, "width"),
    ],
)
def test_signatures_of_tables_and_texts_that_contradict_themselves_are_refused(
    good: Signature, change: dict, word: str
) -> None:
    with pytest.raises(ContractError, match=word):
        check_signature(dataclasses.replace(good, **change), ("a", "b"))


@pytest.mark.parametrize("kind", ["image/png", "IMAGE/JPEG", "application/jpeg", "image/x-anything; charset=x"])
def test_image_types_are_known(kind: str) -> None:
    assert is_image_type(kind)


@pytest.mark.parametrize("kind", ["", "text/html", "application/json", "images/png", "multipart/form-data"])
def test_other_types_are_not(kind: str) -> None:
    assert not is_image_type(kind)
