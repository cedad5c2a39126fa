"""How a transform job cuts its inputs: nothing is lost, nothing is too large, and answers keep their order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.engines.sagemaker_transform_batch import Batching, RecordTooLarge, assemble

MIB = 1024 * 1024


@given(st.binary(max_size=200), st.booleans(), st.booleans(), st.sampled_from([0, 1]))
def test_the_payloads_together_are_the_object(content, by_line, several, limit):
    payloads = list(Batching(by_line, several, limit).cut(content))
    assert b"".join(payloads) == content
    if by_line and not several:
        assert all(payload.count(b"\n") <= 1 for payload in payloads)
    if several or not by_line:
        assert len(payloads) == 1


def test_as_many_records_as_fit_share_a_payload():
    record = b"x" * (400 * 1024 - 1) + b"\n"
    sizes = [len(payload) for payload in Batching(by_line=True, several=True, limit_mib=1).cut(record * 5)]
    assert sizes == [2 * len(record), 2 * len(record), len(record)]


@pytest.mark.parametrize("by_line", [True, False])
def test_a_record_that_does_not_fit_is_refused(by_line):
    content = b"small\n" + b"x" * (MIB + 1)
    with pytest.raises(RecordTooLarge, match="a payload 1 MB"):
        list(Batching(by_line, several=False, limit_mib=1).cut(content))
    assert list(Batching(by_line, several=True, limit_mib=0).cut(content)) == [content]


def test_an_empty_object_is_one_empty_record():
    assert list(Batching(by_line=True, several=True, limit_mib=1).cut(b"")) == [b""]


@pytest.mark.parametrize(("by_line", "output"), [(True, b"a\nb\n\n"), (False, b"a\nb")])
def test_answers_get_lines_of_their_own_when_asked_for(by_line, output):
    assert assemble([b"a\n", b"b", b""], by_line=by_line) == output
