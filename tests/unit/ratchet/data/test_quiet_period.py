"""When a prefix is still enough to be frozen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ratchet.data import Observation, Settled, still_for

START = datetime(2030, 1, 1, tzinfo=UTC)
seconds = st.floats(0, 10_000, allow_nan=False)


def after(amount: float) -> datetime:
    return START + timedelta(seconds=amount)


def settle(seen: Observation, now: float, quiet: float = 60, longest: float = 3600) -> Settled:
    return still_for(seen, first_seen=START, now=after(now), quiet_seconds=quiet, max_wait_seconds=longest)


def test_waits_while_objects_still_come():
    answer = settle(Observation(after(50)), now=60)
    assert not answer.settled
    assert "changed 10 s ago" in answer.reason


def test_settles_once_nothing_changed_for_long_enough():
    assert settle(Observation(after(0)), now=60).settled


def test_settles_at_once_when_the_marker_follows_the_last_change():
    assert settle(Observation(after(50), marker_at=after(50)), now=51).settled


def test_an_old_marker_says_nothing_about_newer_objects():
    assert not settle(Observation(after(50), marker_at=after(49)), now=51).settled


def test_stops_waiting_for_a_prefix_that_never_rests():
    answer = settle(Observation(after(3599)), now=3600)
    assert answer.settled
    assert "frozen as it is" in answer.reason


def test_an_empty_prefix_is_not_waited_for():
    assert settle(Observation(None), now=0).settled


@given(st.floats(-1e5, 1e5, allow_nan=False), st.floats(0, 120, allow_nan=False), st.floats(0, 7200))
def test_a_workers_wrong_clock_neither_hurries_nor_delays(skew, age, waited):
    seen = Observation(after(waited - age), observed_at=after(waited))
    answer = still_for(seen, first_seen=START, now=after(waited + skew), quiet_seconds=60, max_wait_seconds=3600)
    assert answer.settled == (seen.observed_at - seen.newest_change >= timedelta(seconds=60) or waited >= 3600)


@given(change=seconds, now=seconds, quiet=seconds)
def test_once_settled_stays_settled_while_nothing_changes(change, now, quiet):
    seen = Observation(after(change))
    if settle(seen, now, quiet, 1e6).settled:
        assert settle(seen, now + 1, quiet, 1e6).settled
