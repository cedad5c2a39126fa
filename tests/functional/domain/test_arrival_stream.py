"""The reader of arrivals under Airflow's own shared streams and over moto's SQS: what is stored leaves the queue."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

import pytest
from airflow.triggers.shared_stream import SharedStreamManager
from domain_world import DEPLOYMENT

from operators.arrival import ArrivalTrigger
from operators.queue import ArrivalQueue, Post
from ratchet.aws.queue import Queue
from ratchet.data.arrival import Listeners
from ratchet.errors import RatchetError

KEY = ("ratchet-arrivals", "ratchet")


@pytest.fixture
def post(world):
    sqs = world.door.client("sqs")
    alive, dead = (Queue(world.door, sqs.create_queue(QueueName=name)["QueueUrl"]) for name in ("arrivals", "dead"))
    listeners = Listeners({"digits": frozenset({"digits"}), "cats": frozenset({"cats"})})
    return Post(
        lambda seconds: alive.receive(min(seconds, 1)),
        alive.delete,
        lambda receipts, seconds: alive.show_again(receipts, 1),
        dead.send,
        lambda: listeners,
        DEPLOYMENT.data_bucket,
        patience_seconds=1200.0,
    )


def send(world, body):
    sqs = world.door.client("sqs")
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName="arrivals")["QueueUrl"], MessageBody=body)


def tell(world, key):
    told = {"key": key, "versionId": "v1", "sequencer": "0A"}
    send(world, json.dumps({"Records": [{"s3": {"bucket": {"name": DEPLOYMENT.data_bucket}, "object": told}}]}))


def left(world, name="arrivals"):
    sqs = world.door.client("sqs")
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    return sum(int(n) for n in sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"].values())


class Triggerer:
    """The part of Airflow's triggerer that feeds triggers, with the test as its database."""

    def __init__(self, post, *pipelines, stores=True):
        self.stores = stores
        self.stored = []

        class Trigger(ArrivalTrigger):
            @classmethod
            def create_shared_stream_producer(cls, kwargs):
                return ArrivalQueue(lambda: post, pause_seconds=0.01)

        self.triggers = [Trigger(name, "ratchet") for name in pipelines]

    async def feed(self, manager, number, trigger):
        stream = manager.subscribe(trigger_id=number, trigger=trigger, key=KEY)
        async for event in trigger.filter_shared_stream(stream):
            seq = manager.bind_pending_event(trigger_id=number, key=KEY)
            if self.stores:
                self.stored.append(event.payload["pipeline"])
                manager.confirm_persisted([seq])

    def run(self, until, limit_seconds=20.0):
        """Run until a condition holds, then end as a killed process does: nothing more is stored or deleted."""

        async def main():
            manager = SharedStreamManager()
            tasks = [asyncio.create_task(self.feed(manager, *pair)) for pair in enumerate(self.triggers)]
            for _ in range(int(limit_seconds / 0.05)):
                if await asyncio.to_thread(until):
                    break
                await asyncio.sleep(0.05)
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            await manager.stop_all()

        asyncio.run(main())
        return self.stored


def test_what_is_stored_leaves_the_queue(world, post):
    tell(world, "datasets/digits/0/a.png")
    assert Triggerer(post, "digits").run(lambda: left(world) == 0) == ["digits"]
    assert left(world) == 0


def test_what_a_triggerer_received_and_never_stored_stays_for_the_next(world, post):
    tell(world, "datasets/digits/0/a.png")
    seen = []
    blind = Triggerer(post, "digits", stores=False)
    blind.run(lambda: seen.append(1) or len(seen) > 20)
    assert (blind.stored, left(world)) == ([], 1)


def test_what_concerns_a_pipeline_of_another_triggerer_is_left_for_that_one(world, post):
    tell(world, "datasets/digits/0/a.png")
    tell(world, "datasets/cats/0/b.png")
    assert Triggerer(post, "digits").run(lambda: left(world) == 1) == ["digits"]
    assert Triggerer(post, "cats").run(lambda: left(world) == 0) == ["cats"]


def test_poison_is_buried_with_its_reason(world, post):
    send(world, "no event at all")
    Triggerer(post, "digits").run(lambda: left(world) == 0)
    sqs = world.door.client("sqs")
    url = sqs.get_queue_url(QueueName="dead")["QueueUrl"]
    (dead,) = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
    assert dead["Body"] == "no event at all"
    assert dead["MessageAttributes"]["reason"]["StringValue"].startswith("it is no JSON")


def test_a_queue_that_is_not_there_says_what_to_do(world):
    with pytest.raises(RatchetError, match="OrchestratorPolicy"):
        Queue(world.door, "https://sqs.us-east-1.amazonaws.com/123456789012/nobody").receive(0)
