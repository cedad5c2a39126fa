"""Reading weights without MXNet, and telling how far two sets are apart."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.errors import ArtefactError
from ratchet.registry.weights import Weights, find_strange, measure_distance, read_weights


def weights(*numbers, letter="f", shape=None):
    return Weights(shape or (len(numbers),), letter, struct.pack(f"<{len(numbers)}{letter}", *numbers))


def params_file(arrays):
    """The bytes that MXNet would write: the form of its source, spelled out."""
    content = struct.pack("<QQQ", 0x112, 0, len(arrays))
    for array in arrays.values():
        flag = "fdeBibq".index(array.letter)
        content += struct.pack("<Iii", 0xF993FAC9, 0, len(array.shape))
        content += struct.pack(f"<{len(array.shape)}q", *array.shape)
        content += struct.pack("<iii", 1, 0, flag) + array.raw
    content += struct.pack("<Q", len(arrays))
    for name in arrays:
        content += struct.pack("<Q", len(name.encode())) + name.encode()
    return content


SOME = {"arg:a": weights(1.0, -2.5), "aux:b": weights(3, letter="q"), "arg:c": weights(*range(6), shape=(2, 3))}


def test_every_array_is_read_with_its_name_shape_and_type():
    assert read_weights(params_file(SOME)) == SOME


@given(st.integers(0, len(params_file(SOME)) - 1))
def test_a_file_that_is_cut_off_anywhere_is_refused(length):
    with pytest.raises(ArtefactError):
        read_weights(params_file(SOME)[:length])


@given(st.integers(0, len(params_file(SOME)) - 1), st.integers(1, 255))
def test_a_changed_byte_is_refused_or_read_as_other_weights(place, change):
    content = bytearray(params_file(SOME))
    content[place] ^= change
    try:
        found = read_weights(bytes(content))
    except ArtefactError:
        return
    assert found.keys() == SOME.keys() or len(found) == len(SOME)


@given(st.binary(max_size=300))
def test_rubbish_is_refused(content):
    with pytest.raises(ArtefactError):
        read_weights(content)


def test_the_same_weights_are_identical():
    assert measure_distance(SOME, dict(SOME)).identical


def test_the_largest_difference_is_named():
    other = {**SOME, "arg:a": weights(1.0, -2.25), "arg:c": weights(0, 1, 2, 3, 4, 5.125, shape=(2, 3))}
    distance = measure_distance(SOME, other)
    assert (distance.identical, distance.largest, distance.where) == (False, 0.25, "arg:a")


@pytest.mark.parametrize(
    "other",
    [{}, {"arg:z": weights(1.0)}, {"arg:a": weights(1.0, 2.0, 3.0)}, {"arg:a": weights(math.nan, 2.0)}],
    ids=["missing", "another name", "another shape", "no number"],
)
def test_weights_that_cannot_be_compared_are_infinitely_far(other):
    assert measure_distance({"arg:a": weights(1.0, 2.0)}, other).largest == math.inf


@pytest.mark.parametrize("letter", ["e", "f", "d"])
@pytest.mark.parametrize("strange", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_found_by_the_name_of_its_array(letter, strange):
    good, bad = weights(1.0, 2.0, letter=letter), weights(1.0, strange, letter=letter)
    assert find_strange({"a": good, "b": good}) == ""
    assert find_strange({"a": good, "b": bad}) == "b"


def test_numbers_whose_sum_is_too_large_are_numbers_still():
    assert find_strange({"a": weights(1.7e308, 1.7e308, letter="d"), "b": weights(3, letter="i")}) == ""
