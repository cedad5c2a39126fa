"""Data arrives at a real Airflow with two schedulers: nothing is lost, nothing is trained twice."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator

import pytest

from ratchet.errors import SpecError
from ratchet.laptop.process import poll_until
from tests.e2e.arrival_stack import LIMIT_SECONDS, Arrivals, run_stack
from tests.e2e.postgres import find_binaries

KILLS = int(os.environ.get("RATCHET_TEST_KILLS", "0"))
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not KILLS, reason="takes minutes: RATCHET_TEST_KILLS says how often to kill the triggerer"),
    pytest.mark.skipif(find_binaries() is None, reason="two schedulers need PostgreSQL: apt-get install postgresql"),
]


@pytest.fixture(scope="module")
def arrivals(tmp_path_factory) -> Iterator[Arrivals]:
    binaries = find_binaries()
    assert binaries is not None
    with run_stack(tmp_path_factory.mktemp("arrivals"), binaries) as stack:
        yield stack


def test_data_events_sweeps_and_people_race_and_each_version_trains_once(arrivals):
    """Every event three times and out of order, among rubbish, while people and a sweep start runs of their own."""
    shuffler = random.Random(4)
    name = "twice"
    arrivals.post("this is no event")
    arrivals.post("[" * 50_000)
    for wave in (1, 2):
        told = []
        for number in range(5):
            key = f"0/wave {wave}+größe {number}.png"
            arrivals.upload(name, key, f"{wave} {number}".encode())
            told += [arrivals.tell(name, f"0/wave+{wave}%2Bgr%C3%B6%C3%9Fe+{number}.png", f"{wave}{number:03d}")] * 2
        shuffler.shuffle(told)
        for body in told:
            arrivals.post(body)
        starters = [arrivals.airflow(person).trigger(f"retrain_{name}", {}) for person in ("admin", "alice")]
        arrivals.sweep()
        arrivals.wait_until_trained(name, arrivals.version_now(name))
        assert len(arrivals.trainings(name)) == wave
        assert set(starters) <= set(arrivals.freeze_states(name))
    versions = [version for version, _ in arrivals.trainings(name)]
    assert len(set(versions)) == 2
    dead = arrivals.sqs.receive_message(
        QueueUrl=arrivals.deployment.dead_letter_queue_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    )["Messages"]
    assert {"no JSON" in message["MessageAttributes"]["reason"]["StringValue"] for message in dead} == {True}


def test_a_schedule_or_a_person_without_new_data_ends_skipped_with_the_reason(arrivals):
    run = arrivals.airflow("alice").trigger("retrain_twice", {"reason": "is there anything?"})
    arrivals.wait_for("the skip", lambda: arrivals.freeze_states("twice").get(run) == "skipped")
    assert "already trained by run" in arrivals.airflow().left("retrain_twice", run, "freeze", "reason")


@pytest.mark.parametrize(
    "conf", [{"dataset_version": "latest"}, {"force": "yes"}, {"reason": "x" * 501}, {"force": 1, "reason": "r"}]
)
def test_what_is_no_request_is_refused_before_a_run_begins(arrivals, conf):
    before = len(arrivals.runs("twice"))
    with pytest.raises(SpecError):
        arrivals.airflow("alice").trigger("retrain_twice", conf)
    assert len(arrivals.runs("twice")) == before


def test_a_forced_rerun_trains_again_and_who_and_why_are_kept(arrivals):
    before = len(arrivals.trainings("twice"))
    run = arrivals.airflow("alice").trigger("retrain_twice", {"force": True, "reason": "new labels"})
    arrivals.wait_for("the forced training", lambda: len(arrivals.trainings("twice")) == before + 1)
    reason = arrivals.airflow().left("retrain_twice", run, "freeze", "reason")
    assert reason.startswith(f"forced by alice in run {run}: new labels; before: run ")


def test_fifty_uploads_are_one_training_and_an_endless_upload_is_frozen_in_the_end(arrivals):
    """Both at once: fifty objects within a quiet period, and a trickle that is never still for long enough."""
    for number in range(50):
        arrivals.upload("many", f"0/{number}.png", str(number).encode())
    trickled = 0
    for _ in poll_until(120.0, 1.0):
        trickled += 1
        arrivals.upload("endless", f"0/{trickled}.png", str(trickled).encode())
        if arrivals.trainings("endless"):
            break
    (first, _), *_ = arrivals.trainings("endless")
    reached = arrivals.workshop("endless").datasets.read("endless", first)
    assert 0 < len(reached.objects) <= trickled
    version = arrivals.version_now("many")
    arrivals.wait_until_trained("many", version)
    assert [trained for trained, _ in arrivals.trainings("many")] == [version]
    assert len(arrivals.workshop("many").datasets.read("many", version).objects) == 50
    arrivals.wait_until_trained("endless", arrivals.version_now("endless"))
    versions = [trained for trained, _ in arrivals.trainings("endless")]
    assert len(versions) == len(set(versions))


def test_an_event_that_was_lost_is_found_by_the_sweep_and_data_that_comes_meanwhile_trains_afterwards(arrivals):
    bucket = arrivals.deployment.data_bucket
    told = arrivals.s3.get_bucket_notification_configuration(Bucket=bucket)
    told.pop("ResponseMetadata")
    arrivals.s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    arrivals.upload("lost", "0/silent.png", b"nobody is told")
    arrivals.s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=told)
    first = arrivals.version_now("lost")
    assert arrivals.runs("lost") == []
    arrivals.hold("lost", on=True)
    arrivals.sweep()
    arrivals.wait_for("the training that the sweep woke", lambda: first in dict(arrivals.trainings("lost")))
    arrivals.upload("lost", "0/meanwhile.png", b"while a run is under way")
    second = arrivals.version_now("lost")
    arrivals.wait_for(
        "the event of what came meanwhile", lambda: "datasets/lost/0/meanwhile.png" in arrivals.woken_by("lost")
    )
    assert [version for version, _ in arrivals.trainings("lost")] == [first]
    arrivals.hold("lost", on=False)
    arrivals.wait_until_trained("lost", second)
    assert sorted(version for version, _ in arrivals.trainings("lost")) == sorted([first, second])


@pytest.mark.timeout(300 + 30 * KILLS)
def test_killing_the_triggerer_at_random_points_loses_no_arrival(arrivals):
    """RATCHET_TEST_KILLS says how often; a round uploads, kills within the time that an event takes, and restarts."""
    chance = random.Random(11)
    began = time.monotonic()
    uploaded = {arrivals.upload("kills", "0/unharmed.png")}
    arrivals.wait_for("an arrival that nobody disturbs", lambda: uploaded <= arrivals.woken_by("kills"))
    takes_seconds = time.monotonic() - began
    for number in range(KILLS):
        uploaded.add(arrivals.upload("kills", f"0/{number}.png", str(number).encode()))
        time.sleep(chance.uniform(0.0, 1.5 * takes_seconds))
        arrivals.kill_triggerer()
        arrivals.start_triggerer()
    for _ in poll_until(LIMIT_SECONDS, 0.5):
        if uploaded <= arrivals.woken_by("kills"):
            break
    assert uploaded - arrivals.woken_by("kills") == set()
