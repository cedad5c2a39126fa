"""What is due for a job on a rented machine, from every record and every look."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ratchet.clock import isoformat
from ratchet.compute.order import JobState
from ratchet.compute.rented.fleet import Presence, Sighting
from ratchet.compute.rented.record import MARKET_SPOT, JobRecord
from ratchet.compute.rented.ruling import Action, Patience, rule
from ratchet.compute.rented.status import describe

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
PATIENCE = Patience()


def ago(seconds: float) -> str:
    return isoformat(NOW - timedelta(seconds=seconds))


def record(**changes: object) -> JobRecord:
    made = JobRecord(job="j", created_at=ago(100), launched_at=ago(100), machine="i-1", seen_at=ago(5))
    return made.changed(**changes)


ALIVE = Sighting(Presence.ALIVE, "i-1")
GONE = Sighting(Presence.GONE, "i-1", reason="Client.UserInitiatedShutdown: User initiated shutdown")


def test_waits_while_the_agent_speaks():
    assert rule(record(), ALIVE, NOW, PATIENCE).action is Action.WAIT


def test_a_machine_that_is_silent_too_long_fails_its_job():
    ruling = rule(record(seen_at=ago(PATIENCE.silence_seconds + 1)), ALIVE, NOW, PATIENCE)
    assert (ruling.action, ruling.state) == (Action.SETTLE, JobState.FAILED)
    assert "has said nothing for 0:10:01" in ruling.message


def test_a_machine_may_take_longer_to_its_first_word_and_as_long_as_it_likes_to_find_room():
    young = record(seen_at=None, launched_at=ago(PATIENCE.silence_seconds + 1))
    assert rule(young, ALIVE, NOW, PATIENCE).action is Action.WAIT
    old = record(seen_at=None, launched_at=ago(PATIENCE.boot_seconds + 1))
    assert rule(old, ALIVE, NOW, PATIENCE).action is Action.SETTLE
    assert rule(old, Sighting(Presence.ALIVE, "t", waits=True), NOW, PATIENCE).action is Action.WAIT


def test_a_machine_that_is_gone_without_the_jobs_end_fails_it_with_the_reason():
    ruling = rule(record(), GONE, NOW, PATIENCE)
    assert (ruling.action, ruling.state) == (Action.SETTLE, JobState.FAILED)
    assert "User initiated shutdown" in ruling.message


def test_a_machine_that_went_because_somebody_asked_is_a_stopped_job():
    ruling = rule(record(stop_asked=True, stop_reason="nobody owns it"), GONE, NOW, PATIENCE)
    assert (ruling.state, ruling.message) == (JobState.STOPPED, "nobody owns it")


def test_a_machine_that_no_listing_shows_yet_is_waited_for():
    unknown = Sighting(Presence.GONE)
    for young in (record(launched_at=ago(5)), record(machine="", launched_at=ago(5), stop_asked=True)):
        assert rule(young, unknown, NOW, PATIENCE).action is Action.WAIT
    assert rule(record(machine="", launched_at=ago(90)), unknown, NOW, PATIENCE).action is Action.SETTLE


def test_a_task_that_found_no_room_is_a_want_of_capacity():
    seen = Sighting(Presence.GONE, "t", reason="Timeout waiting for capacity to become available.", no_room=True)
    assert rule(record(seen_at=None), seen, NOW, PATIENCE).message.startswith("CapacityError: Timeout")


def test_spot_capacity_that_is_taken_back_is_replaced_unless_the_job_is_to_stop():
    taken = Sighting(Presence.GONE, "i-1", taken_back=True)
    spot = record(market=MARKET_SPOT)
    assert rule(spot, taken, NOW, PATIENCE).action is Action.RESTART
    assert rule(spot.changed(interrupted=True), GONE, NOW, PATIENCE).action is Action.RESTART
    assert rule(spot.changed(stop_asked=True), taken, NOW, PATIENCE).state is JobState.STOPPED
    assert rule(spot, GONE, NOW, PATIENCE).action is Action.SETTLE
    assert rule(record(interrupted=True), taken, NOW, PATIENCE).action is Action.SETTLE


def test_a_machine_that_outlives_its_job_is_ended_after_a_farewell():
    ended = record(state="succeeded", ended_at=ago(5))
    assert rule(ended, ALIVE, NOW, PATIENCE).action is Action.WAIT
    assert rule(ended.changed(ended_at=ago(90)), ALIVE, NOW, PATIENCE).action is Action.END_MACHINE


RECORDS = st.builds(
    record,
    state=st.sampled_from([state.value for state in JobState if state.ended] + ["running"]),
    stop_asked=st.booleans(),
    interrupted=st.booleans(),
    market=st.sampled_from(["spot", "on-demand"]),
    machine=st.sampled_from(["", "i-1"]),
    seen_at=st.sampled_from([None, ago(1), ago(5000)]),
    launched_at=st.sampled_from([ago(1), ago(5000)]),
    ended_at=st.sampled_from([ago(1), ago(5000)]),
)
SIGHTINGS = st.builds(
    Sighting, st.sampled_from(Presence), st.sampled_from(["", "i-1"]), waits=st.booleans(), taken_back=st.booleans()
)


@given(RECORDS, SIGHTINGS)
def test_an_end_is_written_once_and_told_only_when_nothing_is_paid_any_more(found, seen):
    ruling = rule(found, seen, NOW, PATIENCE)
    if found.ended:
        assert ruling.action in (Action.WAIT, Action.END_MACHINE)
        assert describe(found, seen).state.ended == (seen.presence is not Presence.ALIVE)
    if seen.presence is Presence.LEAVING:  # the agent may still write the better end
        assert ruling.action is Action.WAIT
    if ruling.action is Action.SETTLE:
        assert ruling.state.ended
        assert ruling.message


def test_an_attempt_that_had_no_machine_is_tried_again_for_a_while():
    waiting = record(attempt=2, machine="", seen_at=None, market=MARKET_SPOT)
    nothing = Sighting(Presence.GONE)
    assert rule(waiting, nothing, NOW, PATIENCE).action is Action.RENT
    ruling = rule(waiting.changed(launched_at=ago(PATIENCE.capacity_seconds)), nothing, NOW, PATIENCE)
    assert (ruling.action, ruling.state) == (Action.SETTLE, JobState.FAILED)
    assert ruling.message.startswith("CapacityError")


def test_the_next_attempt_keeps_what_the_ones_before_have_used():
    first = record(started_at=ago(60), seen_at=ago(10), interrupted=True)
    second = first.next_attempt(NOW)
    assert (second.attempt, second.machine, second.interrupted) == (2, "", False)
    assert (second.used_seconds, second.billed_seconds) == (50.0, 100.0)
    assert second.changed(seen_at=ago(-20)).next_attempt(NOW).used_seconds == 50.0
