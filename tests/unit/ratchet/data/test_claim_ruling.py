"""Who may train: never two at once, never twice for nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ratchet.data.ruling import ClaimRequest, ClaimState, rule

NOW = datetime(2030, 1, 1, tzinfo=UTC)
LEASE = timedelta(hours=1)


def ask(current, holder, force=False, at=NOW):
    request = ClaimRequest("CLAIM#p", "v#i", "v" * 64, holder, force, "the data was wrong" if force else "")
    return rule(current, request, at, LEASE)


def held(holder="r1", state=ClaimState.IN_PROGRESS, outcome=""):
    return {**ask(None, holder).item, "state": state, "outcome": outcome}


def test_the_first_to_ask_is_granted():
    ruling = ask(None, "r1")
    assert ruling.granted
    assert (ruling.item["holder"], ruling.item["epoch"]) == ("r1", 1)


def test_the_same_run_is_granted_again_and_renews_its_lease():
    ruling = ask(held(), "r1", at=NOW + timedelta(minutes=30))
    assert ruling.granted
    assert ruling.item["epoch"] == 1
    assert ruling.item["lease_until"] == "2030-01-01T01:30:00.000Z"


def test_another_run_learns_who_holds_the_claim():
    ruling = ask(held(), "r2")
    assert not ruling.granted
    assert ruling.item is None
    assert "being trained by run r1" in ruling.reason


def test_another_run_learns_who_trained_it_already():
    ruling = ask(held(state=ClaimState.COMPLETED, outcome="promoted"), "r2")
    assert not ruling.granted
    assert ruling.reason == "dataset version vvvvvvvvvvvv was already trained by run r1: promoted"


def test_a_run_that_is_repeated_after_its_end_is_granted_and_changes_nothing():
    ruling = ask(held(state=ClaimState.COMPLETED, outcome="rejected"), "r1")
    assert (ruling.granted, ruling.item) == (True, None)


def test_a_failed_claim_and_an_ended_lease_pass_to_the_next():
    assert ask(held(state=ClaimState.FAILED), "r2").item["epoch"] == 2
    late = ask(held(), "r2", at=NOW + LEASE)
    assert (late.granted, late.item["epoch"]) == (True, 2)


def test_force_takes_a_claim_and_keeps_who_had_it_and_why_it_was_taken():
    item = ask(held(state=ClaimState.COMPLETED, outcome="promoted"), "r2", force=True).item
    assert (item["holder"], item["why"], item["forced"]) == ("r2", "the data was wrong", True)
    assert [(past["holder"], past["outcome"]) for past in item["superseded"]] == [("r1", "promoted")]


@given(st.lists(st.tuples(st.sampled_from(["r1", "r2", "r3"]), st.booleans(), st.integers(0, 5000)), max_size=12))
def test_the_epoch_rises_exactly_when_the_holder_changes(asked):
    current, now = None, NOW
    for holder, force, pause in asked:
        now += timedelta(seconds=pause)
        ruling = ask(current, holder, force, now)
        if ruling.item is not None:
            if current is not None:
                assert ruling.item["epoch"] - current["epoch"] == (current["holder"] != holder)
                assert len(ruling.item["superseded"]) == ruling.item["epoch"] - 1
            current = ruling.item
        assert not ruling.granted or current["holder"] == holder
