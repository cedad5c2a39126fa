"""Where SageMaker puts an object below a channel's folder, and that none lies outside."""

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.engines.sagemaker_channel import relative_path
from localcloud.engines.sagemaker_failure import JobFailure


@pytest.mark.parametrize(
    ("prefix", "key", "path"),
    [
        ("digits/", "digits/0/a.png", "0/a.png"),
        ("digits", "digits/0/a.png", "0/a.png"),
        ("digits", "digits-old/a.png", "digits-old/a.png"),
        ("sets/digits", "sets/digits-old/a.png", "digits-old/a.png"),
        ("sets/part-", "sets/part-1.rec", "part-1.rec"),
        ("sets/train.rec", "sets/train.rec", "train.rec"),
        ("", "a/b.png", "a/b.png"),
        ("digits/", "digits/", "."),
        ("digits/", "digits/empty/", "empty"),
        ("digits/", "digits//a.png", "a.png"),
    ],
)
def test_leaves_the_folder_of_the_prefix_out(prefix, key, path):
    assert relative_path(key, prefix) == PurePosixPath(path)


@pytest.mark.parametrize("key", ["digits/../../etc/passwd", "digits/a/../../../b", "digits///../x", "digits/a\0b"])
def test_refuses_a_key_that_leaves_the_folder(key):
    with pytest.raises(JobFailure, match="lies outside the channel's folder"):
        relative_path(key, "digits/")


@given(prefix=st.text("ab/.\0", max_size=6), rest=st.text("ab/.\0", max_size=10))
def test_no_key_leads_outside(prefix, rest):
    try:
        found = relative_path(prefix + rest, prefix)
    except JobFailure:
        return
    assert not found.is_absolute()
    assert ".." not in found.parts
