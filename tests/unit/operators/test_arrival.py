"""Arrivals: a burst is one event for each pipeline, and nothing leaves the queue before it is stored."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus

import pytest
from airflow.triggers.shared_stream import AdvanceItem, AdvanceOutcome
from hypothesis import given
from hypothesis import strategies as st

from operators.arrival import ArrivalTrigger, arrival_asset
from operators.queue import ArrivalQueue, Burst, Post, give_back_seconds
from ratchet.aws.queue import Received
from ratchet.data.arrival import Listeners, Wake
from ratchet.errors import NotPermittedError, UnavailableError

STORED, LOST, REFUSED, NOBODY = (
    AdvanceOutcome(1, 0),
    AdvanceOutcome(1, 1),
    AdvanceOutcome(1, 0, 1),
    AdvanceOutcome(0, 0),
)
BUCKET = "data"
PATIENCE_SECONDS = 1200.0
TEST_EVENT = json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent"})


def body(*keys: str, sequencer: str = "0A") -> str:
    records = [
        {"s3": {"bucket": {"name": BUCKET}, "object": {"key": quote_plus(key), "sequencer": sequencer}}} for key in keys
    ]
    return json.dumps({"Records": records})


DIGIT, CAT = body("datasets/digits/0/a.png"), body("datasets/cats/x/c.png")


@dataclass
class Mail:
    """Plays the two queues: one answer for each receive, then an end of the test."""

    answers: list[Any]
    age_seconds: float = 1.0
    waits: list[int] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    given_back: list[str] = field(default_factory=list)
    buried: list[str] = field(default_factory=list)
    graveyard: Exception | None = None
    away: Exception | None = None

    def receive(self, wait_seconds: int) -> list[Received]:
        self.waits.append(wait_seconds)
        if not self.answers:
            raise EOFError
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return [Received(text, text, self.age_seconds) for text in answer]

    def delete(self, receipts) -> None:
        if self.away:
            raise self.away
        self.deleted += receipts

    def give_back(self, receipts, seconds) -> None:
        self.given_back += receipts

    def bury(self, text, reason) -> None:
        if self.graveyard:
            raise self.graveyard
        self.buried.append(text)

    def post(self) -> Post:
        everyone = Listeners({"digits": frozenset({"digits"}), "cats": frozenset({"cats", "cats-too"})})
        return Post(self.receive, self.delete, self.give_back, self.bury, lambda: everyone, BUCKET, PATIENCE_SECONDS)


def read(mail: Mail, queue: ArrivalQueue | None = None) -> list[Burst]:
    bursts: list[Burst] = []
    reader = queue or ArrivalQueue(mail.post, pause_seconds=0.001)

    async def collect() -> None:
        async for burst, _ in reader.open_stream():
            bursts.append(burst)

    with pytest.raises(EOFError):
        asyncio.run(asyncio.wait_for(collect(), 30))
    return bursts


def told(bursts: list[Burst]) -> list[dict[str, int]]:
    return [{name: wake.events for name, wake in burst.wakes.items()} for burst in bursts]


def settle(mail: Mail, outcome: AdvanceOutcome, *takers: str) -> ArrivalQueue:
    """Read one burst, let some pipelines take it, and tell the queue how that ended."""
    queue = ArrivalQueue(mail.post, pause_seconds=0.001)
    (burst,) = read(mail, queue)
    for name in takers:
        burst.take(name)
    asyncio.run(queue.advance([AdvanceItem(burst, outcome)]))
    return queue


def test_a_burst_over_several_calls_is_told_as_one():
    first = body("datasets/digits/0/a.png", "datasets/digits/1/b.png")
    bursts = read(Mail([[first], [CAT], [], [], [body("datasets/digits/2/d.png")], []]))
    assert told(bursts) == [{"digits": 2, "cats": 1, "cats-too": 1}, {"digits": 1}]


def test_only_the_first_call_of_a_burst_waits():
    mail = Mail([[DIGIT], []])
    read(mail)
    assert [wait > 0 for wait in mail.waits] == [True, False, True]


@pytest.mark.parametrize("trouble", [UnavailableError("away"), NotPermittedError("no: attach the policy")])
def test_an_outage_does_not_end_the_stream_and_says_what_to_do(trouble, caplog):
    assert told(read(Mail([trouble, [DIGIT], []]))) == [{"digits": 1}]
    assert str(trouble) in caplog.text


def test_a_test_event_leaves_the_queue_and_wakes_nobody():
    mail = Mail([[TEST_EVENT], []])
    assert read(mail) == []
    assert (mail.deleted, mail.buried) == ([TEST_EVENT], [])


def test_poison_goes_to_the_dead_letter_queue_and_the_rest_of_the_burst_goes_on():
    mail = Mail([["poison", DIGIT], []])
    settle(mail, STORED, "digits")
    assert mail.buried == ["poison"]
    assert mail.deleted == ["poison", DIGIT]


def test_poison_that_cannot_be_buried_is_left_to_the_queue_and_holds_up_nobody():
    mail = Mail([["poison", DIGIT], []], graveyard=NotPermittedError("no SendMessage"))
    settle(mail, STORED, "digits")
    assert (mail.deleted, mail.given_back) == ([DIGIT], [])


@pytest.mark.parametrize(("outcome", "stays"), [(STORED, False), (LOST, True), (REFUSED, True), (NOBODY, True)])
def test_only_what_is_stored_is_deleted(outcome, stays):
    mail = Mail([[DIGIT], []])
    settle(mail, outcome, "digits")
    assert (mail.deleted, mail.given_back) == (([], [DIGIT]) if stays else ([DIGIT], []))


def test_a_pipeline_that_listens_elsewhere_or_not_yet_finds_its_event_in_the_queue_again():
    mail = Mail([[DIGIT, CAT], []])
    queue = settle(mail, STORED, "digits", "cats")
    assert (mail.deleted, mail.given_back) == ([DIGIT], [CAT])
    mail.answers = [[CAT], []]
    (burst,) = read(mail, queue)
    assert set(burst.wakes) == {"cats-too"}


def test_an_event_of_a_paused_pipeline_is_dropped_in_the_end_and_that_is_said(caplog):
    mail = Mail([[DIGIT], []], age_seconds=PATIENCE_SECONDS + 1)
    settle(mail, STORED)
    assert mail.deleted == [DIGIT]
    assert "the sweep will find what they told" in caplog.text


@given(st.floats(0, 86_400), st.floats(60, 86_400))
def test_a_message_that_nobody_takes_stays_under_the_fifty_deliveries_of_one_that_kills(start, sweep_seconds):
    age, deliveries = start, 0
    while age <= 2 * sweep_seconds:
        age, deliveries = age + give_back_seconds(age), deliveries + 1
    assert deliveries < 40


def test_a_double_of_what_is_stored_leaves_the_queue_and_wakes_nobody():
    mail = Mail([[DIGIT], []])
    queue = settle(mail, STORED, "digits")
    mail.answers = [[DIGIT], []]
    assert read(mail, queue) == []
    assert mail.deleted == [DIGIT, DIGIT]


def test_a_double_of_what_was_not_stored_wakes_again():
    mail = Mail([[DIGIT], []])
    queue = settle(mail, LOST, "digits")
    mail.answers = [[DIGIT], []]
    assert told(read(mail, queue)) == [{"digits": 1}]


def test_a_lost_delete_is_no_failure():
    mail = Mail([[DIGIT], []], away=UnavailableError("away"))
    settle(mail, STORED, "digits")
    assert mail.deleted == []


def test_no_burst_waits_for_another():
    queue = ArrivalQueue(Mail([]).post)
    bursts = read(Mail([[DIGIT], [], [CAT], []]))
    assert len({queue.get_advance_lane(burst) for burst in bursts}) == 2


def test_each_pipeline_sees_its_own_events_and_says_so():
    def burst(**wakes):
        return Burst(wakes, [], Listeners({}), 0)

    wake = Wake(3, ("datasets/digits/0/a.png",))
    mine, other = burst(digits=wake, cats=wake), burst(cats=wake)

    async def bursts():
        for one in (other, mine, burst()):
            yield one

    async def collect():
        trigger = ArrivalTrigger("digits", "ratchet")
        return [event.payload async for event in trigger.filter_shared_stream(bursts())]

    assert asyncio.run(collect()) == [{"pipeline": "digits", "events": 3, "keys": ["datasets/digits/0/a.png"]}]
    assert (mine.taken, other.taken) == ({"digits"}, set())


def test_all_pipelines_of_a_stack_share_one_reader_and_each_has_its_own_trigger():
    digits, cats = ArrivalTrigger("digits", "ratchet"), ArrivalTrigger("cats", "ratchet")
    assert digits.shared_stream_key() == cats.shared_stream_key()
    assert digits.shared_stream_key() != ArrivalTrigger("digits", "other").shared_stream_key()
    path, arguments = digits.serialize()
    assert path == f"{ArrivalTrigger.__module__}.{ArrivalTrigger.__qualname__}"
    assert ArrivalTrigger(**arguments).serialize() == (path, arguments)
    assert arguments != cats.serialize()[1]
    assert arrival_asset("digits", "ratchet").name == "ratchet-arrival-digits"
