"""Claims over moto: exactly one run trains a dataset version."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

import pytest

from ratchet.data import ClaimKey, ClaimState
from ratchet.errors import NotFoundError

VERSION, IDENTITY = "v" * 64, "i" * 64
KEY = ClaimKey("digits", VERSION, IDENTITY)


def take(world, holder, **more):
    return world.claims.take(ClaimKey("digits", VERSION, more.pop("identity", IDENTITY)), holder=holder, **more)


def finish(world, holder, outcome):
    return world.claims.finish(KEY, holder=holder, outcome=outcome)


def renew(world, holder, **more):
    return world.claims.renew(KEY, holder=holder, **more)


def test_of_many_runs_exactly_one_gets_the_claim(world):
    with ThreadPoolExecutor(16) as pool:
        claims = list(pool.map(lambda n: take(world, f"run-{n}"), range(16)))
    granted = [claim for claim in claims if claim.granted]
    assert len(granted) == 1
    assert {claim.holder for claim in claims} == {granted[0].holder}


def test_a_retry_of_the_same_run_is_granted(world):
    assert take(world, "r1").granted
    again = take(world, "r1")
    assert (again.granted, again.epoch) == (True, 1)


def test_other_code_is_another_claim(world):
    assert take(world, "r1").granted
    assert take(world, "r2", identity="j" * 64).granted


def test_a_completed_claim_names_who_did_it_and_how_it_ended(world):
    take(world, "r1")
    finish(world, "r1", "promoted")
    claim = take(world, "r2")
    assert not claim.granted
    assert claim.state is ClaimState.COMPLETED
    assert claim.reason == "dataset version vvvvvvvvvvvv was already trained by run r1: promoted"


def test_closing_twice_is_no_error_and_the_newer_outcome_stands(world):
    take(world, "r1")
    finish(world, "r1", "rolled_back")
    finish(world, "r1", "rolled_back")
    finish(world, "r1", "promoted")
    assert "promoted" in take(world, "r2").reason


def test_a_claim_passes_on_after_a_failure_and_after_its_lease(world):
    take(world, "r1")
    finish(world, "r1", "failed")
    assert take(world, "r2").granted
    world.clock.pass_by(hours=23)
    assert not take(world, "r3").granted
    world.clock.pass_by(hours=1)
    assert take(world, "r3").granted


def test_a_job_of_26_hours_keeps_its_claim(world):
    take(world, "r1")
    for _ in range(26):
        world.clock.pass_by(hours=1)
        assert renew(world, "r1").granted
    assert not take(world, "r2").granted


def test_a_run_that_died_in_a_job_of_26_hours_loses_its_claim_a_lease_later(world):
    take(world, "r1")
    world.clock.pass_by(hours=2)
    renew(world, "r1")
    world.clock.pass_by(hours=23)
    assert not take(world, "r2").granted
    world.clock.pass_by(hours=1)
    assert take(world, "r2").granted
    assert not renew(world, "r1").granted


def test_a_gate_that_is_open_for_days_is_covered_and_a_later_renewal_takes_nothing_away(world):
    take(world, "r1")
    renew(world, "r1", extra_seconds=72 * 3600)
    renew(world, "r1")
    world.clock.pass_by(hours=90)
    assert not take(world, "r2").granted


def test_a_run_whose_failed_task_was_cleared_holds_its_claim_again_unless_another_has_it(world):
    take(world, "r1")
    finish(world, "r1", "failed")
    assert renew(world, "r1").granted
    assert not take(world, "r2").granted
    finish(world, "r1", "failed")
    assert take(world, "r2").granted
    assert not renew(world, "r1").granted


def test_a_clock_that_is_an_hour_off_gives_nobody_another_s_claim(world):
    take(world, "r1")
    for hours in (1, -2, 1):
        world.clock.pass_by(hours=hours)
        assert not take(world, "r2").granted
        assert renew(world, "r1").granted


def test_a_forced_rerun_keeps_who_and_why_and_is_known_to_the_next_run(world):
    take(world, "r1")
    finish(world, "r1", "failed")
    forced = take(world, "r2", force=True, reason="new labels", who="alice")
    assert forced.reason == "forced by alice in run r2: new labels; before: run r1, failed"
    finish(world, "r2", "promoted")
    assert take(world, "r3").reason.endswith("was already trained by run r2: promoted")
    item = world.claims._table.find(*KEY.item_key)
    assert (item["who"], item["why"], item["forced"]) == ("alice", "new labels", True)


def test_a_run_that_lost_its_claim_changes_nothing_and_is_logged_as_fenced(world, caplog):
    take(world, "r1")
    forced = take(world, "r2", force=True, reason="the labels were wrong")
    assert (forced.granted, forced.epoch) == (True, 2)
    with caplog.at_level(logging.WARNING):
        late = finish(world, "r1", "promoted")
    assert not late.granted
    assert "fenced: run r1" in caplog.text
    assert not renew(world, "r1").granted
    assert take(world, "r2").state is ClaimState.IN_PROGRESS


def test_closing_what_was_never_taken_is_an_error(world):
    with pytest.raises(NotFoundError, match="run r1 has no claim"):
        finish(world, "r1", "promoted")
