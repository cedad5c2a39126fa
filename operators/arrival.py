"""Data arrives: S3's events become asset events, and leave the queue only after Airflow has stored them."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Hashable, Sequence
from typing import Any
from urllib.parse import unquote_plus

from airflow.triggers.base import BaseEventTrigger, TriggerEvent
from airflow.triggers.shared_stream import AdvanceItem, SharedStreamProducer

from ratchet.aws import translate_errors
from ratchet.errors import RatchetError

log = logging.getLogger(__name__)

_LONG_POLL_SECONDS = 10
_BATCH_LIMIT = 1000


class ArrivalTrigger(BaseEventTrigger):
    """Fires once for a burst of events under one dataset's prefix.

    All pipelines share one reader of the one queue. An event only wakes the loop: what S3 lists is the truth, so
    doubles, reordering and a burst that is told as one do no harm.

    Parameters
    ----------
    dataset
        Name of the dataset whose objects wake the pipeline.
    stack
        Name of the CloudFormation stack that holds the queue.
    """

    def __init__(self, dataset: str, stack: str) -> None:
        super().__init__()
        self.dataset = dataset
        self.stack = stack

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Say how to build this trigger again."""
        return "operators.arrival.ArrivalTrigger", {"dataset": self.dataset, "stack": self.stack}

    def shared_stream_key(self) -> Hashable:
        """One reader for each queue."""
        return ("ratchet-arrivals", self.stack)

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> ArrivalQueue:
        """Build the reader of the queue."""
        return ArrivalQueue(str(kwargs["stack"]))

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Any]) -> AsyncIterator[TriggerEvent]:
        """Keep what lies under this dataset's prefix."""
        async for burst in shared_stream:
            count = burst.get(self.dataset, 0)
            if count:
                self.log.info("%d event(s) for dataset %s", count, self.dataset)
                yield TriggerEvent({"dataset": self.dataset, "events": count})

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Never called: the shared stream feeds this trigger."""
        raise NotImplementedError("ArrivalTrigger reads a shared stream; Airflow 3.3 or newer is needed")
        yield  # makes this an asynchronous generator, as the base class wants it


class ArrivalQueue(SharedStreamProducer):
    """Reads the queue in bursts; deletes a burst once every pipeline has stored what it made of it."""

    def __init__(self, stack: str, client: Any = None, queue_url: str = "") -> None:
        self.stack = stack
        self.client = client
        self.queue_url = queue_url

    async def open_stream(self) -> AsyncIterator[tuple[dict[str, int], list[str]]]:
        """Yield the number of events of each dataset, with the receipts of the messages they came in."""
        while True:
            try:
                messages = await self._burst()
            except RatchetError as error:
                # Ending the stream would end every pipeline's trigger: the queue keeps what we cannot read now.
                log.warning("cannot read the queue of arrivals now, trying again: %s", error)
                await asyncio.sleep(_LONG_POLL_SECONDS)
                continue
            if messages:
                yield count_events(message["Body"] for message in messages), [m["ReceiptHandle"] for m in messages]

    async def advance(self, batch: Sequence[AdvanceItem]) -> None:
        """Delete what was stored; what was not comes again when its visibility ends."""
        receipts = [receipt for item in batch if item.outcome.is_clean for receipt in item.broker_payload]
        for start in range(0, len(receipts), 10):
            entries = [{"Id": str(n), "ReceiptHandle": r} for n, r in enumerate(receipts[start : start + 10])]
            try:
                await asyncio.to_thread(self._call, "delete_message_batch", Entries=entries)
            except RatchetError as error:
                # What is not deleted is delivered again, and a repeated event does no harm.
                log.warning("cannot delete %d stored event(s), they will come again: %s", len(entries), error)

    async def _burst(self) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = []
        wait_seconds = _LONG_POLL_SECONDS
        while len(messages) < _BATCH_LIMIT:
            answer = await asyncio.to_thread(
                self._call, "receive_message", MaxNumberOfMessages=10, WaitTimeSeconds=wait_seconds
            )
            found = answer.get("Messages", [])
            if not found:
                break
            messages += found
            wait_seconds = 0
        return messages

    def _call(self, verb: str, **arguments: Any) -> Any:
        if self.client is None:
            self.client, self.queue_url = _connect(self.stack)
        with translate_errors("read the queue of arrivals"):
            return getattr(self.client, verb)(QueueUrl=self.queue_url, **arguments)


def count_events(bodies: Any) -> dict[str, int]:
    """Count the events of each dataset in the bodies of S3's messages; foreign and test messages count for nothing."""
    counts: dict[str, int] = {}
    for body in bodies:
        for key in _keys(body):
            parts = key.split("/")
            if len(parts) >= 3 and parts[0] == "datasets":
                counts[parts[1]] = counts.get(parts[1], 0) + 1
    return counts


def _keys(body: str) -> list[str]:
    try:
        records = json.loads(body).get("Records", [])
        return [unquote_plus(record["s3"]["object"]["key"]) for record in records]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []


def _connect(stack: str) -> tuple[Any, str]:
    from ratchet.aws.client import connect
    from ratchet.aws.stack import cached_deployment
    from ratchet.settings import load_settings

    region = load_settings().region
    return connect(region).client("sqs"), cached_deployment(region, stack).arrivals_queue_url
