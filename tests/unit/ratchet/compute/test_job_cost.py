"""What a job costs, told from its status and a dated table."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.compute.cost import TABLE, cost_of, find_price, tell_usd
from ratchet.compute.order import JobState, JobStatus

START = datetime(2030, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def status(state=JobState.RUNNING, **changes):
    given_ = {"started_at": START, "instance_type": "ml.p3.2xlarge", **changes}
    return JobStatus("j", state, "Training", **given_)


def test_a_running_job_costs_what_its_machines_have_run():
    assert cost_of(status(instance_count=2), "us-east-1", START + HOUR).usd == pytest.approx(2 * 3.825)


def test_a_job_that_waits_for_its_machine_costs_nothing():
    assert cost_of(status(started_at=None), "us-east-1", START + HOUR).usd == 0.0


def test_an_ended_job_costs_what_was_billed_and_spot_s_share_is_told():
    ended = status(JobState.SUCCEEDED, billable_seconds=1080, training_seconds=3600)
    cost = cost_of(ended, "us-east-1", START + 5 * HOUR)
    assert cost.usd == pytest.approx(0.3 * 3.825)
    assert cost.saved_usd == pytest.approx(0.7 * 3.825)


def test_nobody_guesses_a_price_that_the_table_does_not_hold():
    assert find_price("us-east-1", "ml.unheard.large") is None
    assert find_price("mars-north-1", "ml.m5.large") is None
    assert cost_of(status(instance_type=""), "us-east-1", START) is None


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(1, 50))
def test_costs_and_savings_are_never_negative(billed, trained, count):
    ended = status(JobState.STOPPED, billable_seconds=billed, training_seconds=trained, instance_count=count)
    cost = cost_of(ended, "us-east-1", START)
    assert cost.usd >= 0
    assert cost.saved_usd >= 0


def test_the_table_says_of_which_day_it_is_and_every_price_is_one():
    table = json.loads(TABLE.read_text("utf-8"))
    assert date.fromisoformat(table["as_of"]) > date(2024, 1, 1)
    assert all(0 < usd < 1000 for prices in table["regions"].values() for usd in prices.values())


@pytest.mark.parametrize(("usd", "told"), [(0, "$0.00"), (0.0032, "$0.0032"), (1.234, "$1.23")])
def test_small_amounts_keep_their_digits(usd, told):
    assert tell_usd(usd) == told
