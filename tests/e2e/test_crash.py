"""Airflow's parts are killed while a job trains: the same job is found again, and nothing is left running."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator

import pytest

from ratchet.compute.order import JobState
from tests.e2e.crash_stack import Crashes, run_stack
from tests.e2e.postgres import find_binaries

KILLS = int(os.environ.get("RATCHET_TEST_CRASHES", "0"))
KILLS_A_RUN = 5
STOP_LIMIT_SECONDS = 60.0
LOG_LIMIT_SECONDS = 30.0
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.mxnet,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not KILLS, reason="takes minutes: RATCHET_TEST_CRASHES says how often to kill"),
    pytest.mark.skipif(find_binaries() is None, reason="needs PostgreSQL: apt-get install postgresql"),
]


@pytest.fixture(scope="module")
def crashes(tmp_path_factory) -> Iterator[Crashes]:
    binaries = find_binaries()
    assert binaries is not None
    with run_stack(tmp_path_factory.mktemp("crashes"), binaries) as stack:
        yield stack


def test_a_part_killed_at_any_point_of_a_training_finds_its_job_again(crashes):
    """RATCHET_TEST_CRASHES says how often; every run is struck five times and then let go."""
    chance, killed, runs = random.Random(7), 0, 0
    before = len(crashes.jobs())
    while killed < KILLS:
        dag = chance.choice(("crash", "crash", "crash_in_worker"))
        run = crashes.start(dag)
        runs += 1
        for number in range(min(KILLS_A_RUN, KILLS - killed)):
            if number:  # the first one strikes anywhere on the way to the job
                crashes.wait_for("the training job", lambda expected=before + runs: len(crashes.jobs()) >= expected)
            time.sleep(chance.uniform(0.0, 8.0))
            victim = chance.choice(("scheduler", "worker", "triggerer"))
            crashes.kill(victim, chance)
            killed += 1
            print(f"kill {killed}: {victim} of {dag} in {crashes.task(dag, run, 'train')['state']}", flush=True)
        crashes.wait_for("the training job", lambda expected=before + runs: len(crashes.jobs()) >= expected)
        crashes.hold.unlink()
        began = time.monotonic()
        end = crashes.wait_for_end(dag, run)
        print(f"run {runs} ended {time.monotonic() - began:.0f} s after it was let go", flush=True)
        assert end == "success"
        assert len(crashes.jobs()) == before + runs
        assert crashes.jobs(StatusEquals="InProgress") == []


@pytest.mark.parametrize(("dag", "waiting"), [("crash", "deferred"), ("crash_in_worker", "running")])
def test_a_task_that_is_marked_failed_stops_its_job_within_a_minute(crashes, dag, waiting):
    before = set(crashes.jobs())
    run = crashes.start(dag)
    job = crashes.wait_for("the training job", lambda: set(crashes.jobs()) - before).pop()
    crashes.wait_for(f"the task to be {waiting}", lambda: crashes.task(dag, run, "train")["state"] == waiting)
    backend = crashes.workshop.backend
    crashes.wait_for("the script at work", lambda: backend.read_log(job).lines)
    for what in ("[ratchet:metric] epoch=", "train_loss 0.5000", "so far"):
        crashes.wait_for(f"{what} in the task's log", lambda what=what: crashes.told(dag, run, what), LOG_LIMIT_SECONDS)
    crashes.airflow._call("PATCH", f"/dags/{dag}/dagRuns/{run}/taskInstances/train", {"new_state": "failed"})
    began = time.monotonic()
    crashes.wait_for("the stop", lambda: backend.poll(job).state.ended, STOP_LIMIT_SECONDS)
    print(f"{dag} stopped {time.monotonic() - began:.0f} s after it was marked failed", flush=True)
    assert backend.poll(job).state is JobState.STOPPED
    assert crashes.told(dag, run, "[ratchet:metric] epoch=")
