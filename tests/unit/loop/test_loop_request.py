"""What may be asked of a run: the same rules for the form, REST and the command line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.errors import SpecError
from ratchet.loop.request import Request, read_request

VERSION = "ab" * 32
JSON = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers())


def test_an_event_asks_for_what_s3_holds_now():
    assert read_request({}, run_id="r1") == Request("r1")


def test_a_person_s_request_is_read_whole():
    asked = {"dataset_version": VERSION, "force": True, "reason": " new labels "}
    assert read_request(asked, run_id="r1", who="alice") == Request("r1", VERSION, True, "new labels", "alice")


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"dataset_version": VERSION[:12]}, "64 characters"),
        ({"dataset_version": VERSION.upper()}, "64 characters"),
        ({"dataset_version": VERSION + "\n"}, "64 characters"),
        ({"dataset_version": "../../models"}, "64 characters"),
        ({"dataset_version": 7}, "64 characters"),
        ({"force": "yes", "reason": "r"}, "true or false"),
        ({"force": True}, "force needs a reason"),
        ({"force": True, "reason": "  "}, "force needs a reason"),
        ({"reason": "x" * 501}, "at most 500"),
        ({"dataset_versoin": VERSION}, "no parameter 'dataset_versoin'"),
    ],
)
def test_a_wrong_request_is_refused_with_what_is_allowed(asked, says):
    with pytest.raises(SpecError, match=says):
        read_request(asked, run_id="r1")


@given(st.dictionaries(st.sampled_from(["dataset_version", "force", "reason", "other"]), JSON))
def test_whatever_is_sent_it_is_a_request_or_a_refusal(asked):
    try:
        request = read_request(asked, run_id="r1")
    except SpecError:
        return
    assert not request.force or request.reason
    assert len(request.dataset_version) in (0, 64)


def test_new_jobs_alone_need_no_reason():
    assert read_request({"no_reuse": True}, run_id="r1") == Request("r1", no_reuse=True)


def test_a_switch_that_is_no_switch_is_refused():
    with pytest.raises(SpecError, match="no_reuse must be true or false"):
        read_request({"no_reuse": "yes"}, run_id="r1")
