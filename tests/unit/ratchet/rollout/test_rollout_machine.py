"""The machine: from a record and an outcome to the next record."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.rollout.machine import (
    DOUBTS_ALLOWED,
    Observed,
    Outcome,
    Phase,
    Rollout,
    State,
    decide,
    is_abandoned,
    is_stuck,
    send_back,
)
from ratchet.rollout.plan import Candidate, Plan, order_steps
from ratchet.rollout.record import changing_part, read_claim, read_rollout, rollout_item

PLAN = Plan(
    candidate=Candidate("digits", 3, "c" * 64, "s3://models/3"),
    steps=order_steps(("ecs", "lambda"), {"lambda": 10.0}),
    before={"ecs": {"model_version": "2"}, "lambda": {"model_version": "2"}},
    tasks=1,
    smoke_key="smoke.json",
    smoke_images=1,
    timeout_seconds=60,
    fences={"ecs": 1, "lambda": 1},
)
RUNNING = Rollout(plan=PLAN, entered_at=1000.0)
OUTCOMES = st.builds(
    Outcome, st.sampled_from(Observed), st.text(max_size=5), st.sampled_from(["", "r1"]), st.booleans()
)


def test_done_leads_to_the_next_step_with_its_time_anew():
    after = decide(RUNNING, Outcome(Observed.DONE, revision="r1"), 1010.0)
    assert (after.step, after.entered_at, after.revisions) == (1, 1010.0, {"ecs": "r1"})


def test_the_last_step_carries_the_release_out():
    last = Rollout(plan=PLAN, step=len(PLAN.steps) - 1)
    after = decide(last, Outcome(Observed.DONE), 5.0)
    assert (after.state, after.phase, after.due) == (State.CARRIED_OUT, Phase.HEALTHY, None)


def test_waiting_is_remembered_only_for_what_was_asked():
    assert decide(RUNNING, Outcome(Observed.WAITING), 1010.0) == RUNNING
    assert decide(RUNNING, Outcome(Observed.WAITING, asked=True), 1010.0).asked


@pytest.mark.parametrize(("now", "state"), [(1060.0, State.RUNNING), (1060.1, State.RESTORING)])
def test_a_step_has_its_time_and_no_more(now, state):
    after = decide(RUNNING, Outcome(Observed.WAITING, "0 of 1 tasks"), now)
    assert after.state is state
    assert "0 of 1 tasks" in after.reason or state is State.RUNNING


def test_doubts_are_counted_in_a_row():
    doubt, rollout = Outcome(Observed.DOUBTFUL, "502"), RUNNING
    for _ in range(DOUBTS_ALLOWED):
        rollout = decide(rollout, doubt, 1001.0)
        assert rollout.state is State.RUNNING
    assert decide(rollout, doubt, 1001.0).state is State.RESTORING
    assert decide(decide(rollout, Outcome(Observed.WAITING), 1001.0), doubt, 1001.0).state is State.RUNNING


def test_a_failure_tells_the_step_and_the_reason():
    after = decide(RUNNING, Outcome(Observed.FAILED, "no such role"), 1001.0)
    assert (after.state, after.reason, after.phase) == (
        State.RESTORING,
        "prepare ecs: no such role",
        Phase.DEGRADED,
    )


@pytest.mark.parametrize("state", [State.RESTORING, State.ROLLED_BACK, State.PROMOTED])
def test_what_is_over_or_on_its_way_back_is_not_turned_again(state):
    rollout = Rollout(plan=PLAN, state=state, reason="first")
    assert send_back(rollout, "second", 5.0) is rollout


@given(st.lists(st.tuples(OUTCOMES, st.floats(0, 50)), max_size=40))
def test_a_release_never_goes_forward_after_it_has_turned(events):
    rollout, now, turned = RUNNING, RUNNING.entered_at, False
    for outcome, seconds in events:
        now += seconds
        before, rollout = rollout, decide(rollout, outcome, now)
        turned = turned or rollout.state is State.RESTORING
        assert rollout.step in (before.step, before.step + 1)
        assert not turned or rollout.state in (State.RESTORING, State.ROLLED_BACK)
        assert rollout.state is not State.PROMOTED


@given(st.lists(OUTCOMES, max_size=20))
def test_a_record_survives_being_stored(outcomes):
    rollout = RUNNING
    for outcome in outcomes:
        rollout = decide(rollout, outcome, 1001.0)
    item = rollout_item(rollout, attempt=1, actor="alice", run_id="r")
    assert read_rollout(item) == rollout
    assert read_rollout({**item, **changing_part(RUNNING)}) == RUNNING
    assert read_claim(item) is None


def test_a_way_back_is_stuck_before_the_release_counts_as_abandoned():
    back = send_back(RUNNING, "says 3", 1000.0)
    assert [(is_stuck(back, now), is_abandoned(back, now)) for now in (1120.0, 1121.0, 1421.0)] == [
        (False, False),
        (True, False),
        (True, True),
    ]


@pytest.mark.parametrize("state", [State.ROLLED_BACK, State.PROMOTED])
def test_what_is_closed_is_never_abandoned(state):
    assert not is_abandoned(Rollout(plan=PLAN, state=state), 1e9)
