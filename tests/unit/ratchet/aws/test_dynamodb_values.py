"""Values survive DynamoDB's typed form."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.aws.condition import create, has, render_write, replace
from ratchet.aws.marshal import marshal, stored_form, unmarshal
from ratchet.errors import SpecError

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(plain)
def test_a_value_reads_as_it_was_written(value):
    assert unmarshal(marshal(value)) == value


@given(plain)
def test_the_stored_form_is_stable(value):
    assert stored_form(stored_form(value)) == stored_form(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_dynamodb_cannot_count_is_kept_as_text_that_float_reads(value):
    assert repr(float(unmarshal(marshal(value)))) == repr(value)


def test_refuses_what_no_record_holds():
    with pytest.raises(SpecError, match="cannot hold a bytes"):
        marshal({"a": b"x"})


def test_a_write_raises_the_revision_and_leaves_its_writers_token():
    _, new = render_write("t", create({"pk": "a", "sk": "b"}), "me")
    assert (new["Item"]["revision"], new["Item"]["writer"]) == ({"N": "1"}, {"S": "me"})
    before = {"pk": "a", "sk": "b", "revision": 4, "writer": "other"}
    _, over = render_write("t", replace(before, before), "me")
    assert (over["Item"]["revision"], over["Item"]["writer"]) == ({"N": "5"}, {"S": "me"})
    assert over["ExpressionAttributeValues"] == {":revision": {"N": "4"}}


def test_a_condition_says_what_it_wants():
    assert has(approved=True, digest="abc").name == "has approved True, digest abc"
