"""An object's URI is split in one way only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.aws import split_uri
from ratchet.errors import SpecError


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30))
def test_a_key_comes_back_whatever_it_holds(key):
    assert split_uri(f"s3://some-bucket/{key}") == ("some-bucket", key)


@pytest.mark.parametrize("uri", ["", "s3://", "s3://bucket", "s3://bucket/", "https://bucket/key", "/etc/passwd"])
def test_refuses_what_is_no_object(uri):
    with pytest.raises(SpecError, match="s3://bucket/key"):
        split_uri(uri)
