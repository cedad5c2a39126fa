"""Arrivals: a burst is one event for each dataset, and nothing leaves the queue before it is stored."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus

import pytest
from airflow.triggers.shared_stream import AdvanceItem, AdvanceOutcome
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from operators import arrival
from operators.arrival import ArrivalQueue, ArrivalTrigger, count_events

STORED, LOST, REFUSED = AdvanceOutcome(1, 0), AdvanceOutcome(1, 1), AdvanceOutcome(1, 0, 1)
NOBODY = AdvanceOutcome(0, 0)


def body(*keys: str) -> str:
    records = [{"eventName": "ObjectCreated:Put", "s3": {"object": {"key": quote_plus(key)}}} for key in keys]
    return json.dumps({"Records": records})


@dataclass
class Queue:
    """Plays SQS: one answer for each receive, then an end of the test."""

    answers: list[Any]
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def receive_message(self, **request: Any) -> dict[str, Any]:
        self.calls.append(("receive", request))
        if not self.answers:
            raise EOFError
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return {"Messages": [{"Body": text, "ReceiptHandle": f"receipt of {text}"} for text in answer]}

    def delete_message_batch(self, **request: Any) -> dict[str, Any]:
        self.calls.append(("delete", request))
        if self.answers:
            raise self.answers.pop(0)
        return {}


def away(verb="ReceiveMessage"):
    return ClientError({"Error": {"Code": "ServiceUnavailable", "Message": "away"}}, verb)


def read(queue: Queue) -> list[tuple[dict[str, int], list[str]]]:
    bursts: list[tuple[dict[str, int], list[str]]] = []

    async def collect() -> None:
        async for burst in ArrivalQueue("ratchet", queue, "http://queue").open_stream():
            bursts.append(burst)

    with pytest.raises(EOFError):
        asyncio.run(asyncio.wait_for(collect(), 30))
    return bursts


def advance(queue: Queue, *items: tuple[list[str], AdvanceOutcome]) -> list[list[str]]:
    reader = ArrivalQueue("ratchet", queue, "http://queue")
    asyncio.run(reader.advance([AdvanceItem(receipts, outcome) for receipts, outcome in items]))
    return [[entry["ReceiptHandle"] for entry in request["Entries"]] for _, request in queue.calls]


def test_a_burst_over_several_calls_is_told_as_one():
    first, second = body("datasets/digits/0/a.png", "datasets/digits/1/b.png"), body("datasets/cats/x/c.png")
    queue = Queue([[first], [second], [], [], [body("datasets/digits/2/d.png")], []])
    bursts = read(queue)
    assert bursts[0] == ({"digits": 2, "cats": 1}, [f"receipt of {first}", f"receipt of {second}"])
    assert [counts for counts, _ in bursts[1:]] == [{"digits": 1}]


def test_only_the_first_call_of_a_burst_waits():
    queue = Queue([[body("datasets/digits/0/a.png")], []])
    read(queue)
    assert [request["WaitTimeSeconds"] > 0 for _, request in queue.calls] == [True, False, True]
    assert {request["QueueUrl"] for _, request in queue.calls} == {"http://queue"}


def test_an_outage_does_not_end_the_stream(monkeypatch):
    monkeypatch.setattr(arrival, "_LONG_POLL_SECONDS", 0.001)
    queue = Queue([away(), [body("datasets/digits/0/a.png")], []])
    assert [counts for counts, _ in read(queue)] == [{"digits": 1}]


def test_a_test_event_leaves_the_queue_and_wakes_nobody():
    test = json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"})
    assert read(Queue([[test], []])) == [({}, [f"receipt of {test}"])]


def test_only_what_every_pipeline_stored_is_deleted():
    items = ((["a", "b"], STORED), (["c"], LOST), (["d"], REFUSED), (["e"], NOBODY), (["f"], STORED))
    assert advance(Queue([]), *items) == [["a", "b", "f"]]


def test_deletes_in_the_batches_that_sqs_takes():
    receipts = [str(number) for number in range(23)]
    batches = advance(Queue([]), (receipts, STORED))
    assert [len(batch) for batch in batches] == [10, 10, 3]
    assert [receipt for batch in batches for receipt in batch] == receipts


def test_a_lost_delete_is_no_failure_and_the_rest_is_deleted():
    receipts = [str(number) for number in range(12)]
    assert len(advance(Queue([away("DeleteMessageBatch")]), (receipts, STORED))) == 2


@pytest.mark.parametrize(
    ("key", "dataset"),
    [
        ("datasets/digits/0/a+b c.png", "digits"),
        ("datasets/digits/0/a%2Bb.png", "digits"),
        ("datasets/digits/größe/日本.png", "digits"),
        ("datasets/a b/0/x.png", "a b"),
        ("datasets/digits/_SUCCESS", "digits"),
    ],
)
def test_reads_keys_as_s3_writes_them(key, dataset):
    assert count_events([body(key)]) == {dataset: 1}


@pytest.mark.parametrize("key", ["models/digits/1/a", "datasets/digits", "xdatasets/digits/0/a", "", "/"])
def test_other_keys_wake_nobody(key):
    assert count_events([body(key)]) == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "7",
        '"text"',
        '{"Records": null}',
        '{"Records": 5}',
        '{"Records": {"s3": 1}}',
        '{"Records": [null]}',
        '{"Records": [{"s3": {"object": {"key": 5}}}]}',
        '{"Records": [{"s3": {"object": {"key": null}}}]}',
        '{"Records": [{"s3": []}]}',
        "[" * 100_000,
        '{"Records":' * 50_000,
        "9" * 10_000,
        '{"Records": [{"s3": {"object": {"key": "datasets/\\ud800/%ff%fe/x"}}}',
    ],
)
def test_a_hostile_body_counts_for_nothing(text):
    assert count_events([text, body("datasets/digits/0/a.png")]) == {"digits": 1}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["Records", "s3", "object", "key"]) | st.text(), inner)
        | st.fixed_dictionaries({"Records": st.lists(st.fixed_dictionaries({"s3": inner}))})
        | st.fixed_dictionaries({"object": st.fixed_dictionaries({"key": inner})})
    ),
    max_leaves=10,
)


@given(st.text() | JSON.map(json.dumps))
def test_no_body_at_all_makes_it_raise(text):
    counts = count_events([text])
    assert all(isinstance(name, str) and count > 0 for name, count in counts.items())


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/"), min_size=1), st.text())
def test_every_key_under_a_dataset_is_that_dataset_s(dataset, name):
    rest = name.encode("utf-8", "ignore").decode()
    assert count_events([body(f"datasets/{dataset}/{rest}")]) == {dataset: 1}


def test_each_pipeline_sees_its_own_dataset():
    async def bursts():
        for burst in ({"cats": 2}, {"digits": 3, "cats": 1}, {}):
            yield burst

    async def collect():
        trigger = ArrivalTrigger("digits", "ratchet")
        return [event.payload async for event in trigger.filter_shared_stream(bursts())]

    assert asyncio.run(collect()) == [{"dataset": "digits", "events": 3}]


def test_all_pipelines_of_a_stack_share_one_reader():
    digits, cats = ArrivalTrigger("digits", "ratchet"), ArrivalTrigger("cats", "ratchet")
    assert digits.shared_stream_key() == cats.shared_stream_key()
    assert digits.shared_stream_key() != ArrivalTrigger("digits", "other").shared_stream_key()
    path, arguments = digits.serialize()
    assert path == f"{ArrivalTrigger.__module__}.{ArrivalTrigger.__qualname__}"
    assert ArrivalTrigger(**arguments).serialize() == (path, arguments)
    assert ArrivalTrigger.create_shared_stream_producer(arguments).stack == "ratchet"
