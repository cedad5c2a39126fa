"""What nobody owns is ended; what somebody owns, or may own, never is."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ratchet.clock import isoformat
from ratchet.compute.ownership import why_abandoned
from ratchet.naming import CLAIM_TAG, LEASE_TAG, PIPELINE_TAG, STACK_TAG, lease_tags, run_tags

NOW = datetime(2030, 1, 1, tzinfo=UTC)
LATER, EARLIER = isoformat(NOW + timedelta(hours=1)), isoformat(NOW - timedelta(hours=1))


def judge(tags, *, working=()):
    return why_abandoned(tags, "ratchet", NOW, lambda pipeline: pipeline in working)


def job(*, claim="", until=LATER, stack="ratchet"):
    return {**run_tags("digits", "run-1", "train", claim), **lease_tags(stack, until)}


def test_a_job_whose_pipeline_rests_is_abandoned_though_its_lease_goes_on():
    assert "run run-1 holds its claim no more" in judge(job(claim="c"))
    assert judge(job(claim="c"), working=("digits",)) == ""
    assert judge(job(claim="c"), working=("other",)) != ""


def test_a_job_without_a_claim_is_its_buyers_until_its_lease_is_over():
    assert judge(job()) == ""
    assert "ended at" in judge(job(until=EARLIER))
    assert judge(job(until=EARLIER), working=("digits",)) == ""


def test_what_is_another_stacks_or_no_job_at_all_is_nobodys_business():
    assert judge(job(claim="c", stack="other")) == ""
    assert judge({}) == ""
    assert judge({STACK_TAG: "ratchet", PIPELINE_TAG: "digits", CLAIM_TAG: "c"}) == ""


TEXTS = st.sampled_from(["", "ratchet", "digits", "other", LATER, EARLIER, "2030-01-01", "nonsense"])
TAGS = st.dictionaries(st.sampled_from([STACK_TAG, PIPELINE_TAG, CLAIM_TAG, LEASE_TAG, "ratchet:run", "Name"]), TEXTS)


@given(TAGS, st.sets(st.sampled_from(["digits", "other"])))
def test_nothing_that_somebody_holds_is_ever_ended(tags, working):
    reason = judge(tags, working=working)
    held = tags.get(PIPELINE_TAG) in working
    leased = CLAIM_TAG not in tags and tags.get(LEASE_TAG) == LATER
    foreign = tags.get(STACK_TAG) != "ratchet"
    if held or leased or foreign:
        assert reason == ""
    if reason:
        assert tags[PIPELINE_TAG] in reason or tags[LEASE_TAG] in reason
