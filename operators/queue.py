"""The one reader of the queue of arrivals: a message leaves the queue only after Airflow has stored what it said."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow.triggers.shared_stream import AdvanceItem, SharedStreamProducer

from ratchet.data.arrival import Fate, Letter, Listeners, Memory, Wake, decide_fate, gather, read_letter
from ratchet.errors import RatchetError

if TYPE_CHECKING:
    from ratchet.aws.queue import Received

log = logging.getLogger(__name__)

_LONG_POLL_SECONDS = 10
_PAUSE_SECONDS = 10.0
_BATCH_LIMIT = 1000
# Long enough for a triggerer that has just started to take up its other triggers.
_GIVE_BACK_SECONDS = 15
_SWEEPS = 2  # after as many intervals one has begun, and ended, that saw what an event told
_LONGEST_GIVE_BACK_SECONDS = 43_200  # SQS's own limit


@dataclass(frozen=True)
class Post:
    """What the reader works with.

    Attributes
    ----------
    receive
        Returns up to ten of SQS's messages, waiting so many seconds for the first.
    delete, give_back, bury
        Do that with messages: take them off the queue, show them again soon, lay copies on the dead-letter queue.
    listeners
        Reads which pipelines each dataset wakes.
    bucket
        The data bucket.
    patience_seconds
        How old a message may get that concerns a pipeline which does not listen.
    """

    receive: Callable[[int], Sequence[Received]]
    delete: Callable[[Sequence[str]], None]
    give_back: Callable[[Sequence[str], int], None]
    bury: Callable[[str, str], None]
    listeners: Callable[[], Listeners]
    bucket: str
    patience_seconds: float


@dataclass(frozen=True)
class Message:
    """A message, read; one that could not be buried is left to the queue's own redrive."""

    receipt: str
    age_seconds: float
    letter: Letter
    left_alone: bool = False


@dataclass
class Burst:
    """What a burst of messages tells each pipeline; it also learns which of them took it."""

    wakes: Mapping[str, Wake]
    messages: Sequence[Message]
    listeners: Listeners
    number: int
    taken: set[str] = field(default_factory=set)

    def take(self, pipeline: str) -> Wake | None:
        """What the burst tells a pipeline, which promises to store it."""
        wake = self.wakes.get(pipeline)
        if wake is not None:
            self.taken.add(pipeline)
        return wake


class ArrivalQueue(SharedStreamProducer):
    """Reads the queue in bursts; deletes a message once every pipeline that it concerns has stored it.

    A pipeline may listen in another triggerer, or not yet: its messages go back to the queue for a while.

    Parameters
    ----------
    open_post
        Connects; called again after a failure.
    """

    def __init__(self, open_post: Callable[[], Post], *, pause_seconds: float = _PAUSE_SECONDS) -> None:
        self._open_post = open_post
        self._post: Post | None = None
        self._pause_seconds = pause_seconds
        self._memory = Memory()
        self._numbers = itertools.count()

    async def open_stream(self) -> AsyncIterator[tuple[Burst, Burst]]:
        """Yield each burst, which is its own payload: it knows its messages."""
        while True:
            try:
                burst = await asyncio.to_thread(self._next_burst)
            except RatchetError as error:
                # Ending the stream would end every pipeline's trigger: the queue keeps what we cannot read now.
                log.warning(
                    "cannot read the queue of arrivals now, trying again [%s acts]: %s", error.actor.value, error
                )
                await asyncio.sleep(self._pause_seconds)
                continue
            if burst is not None:
                yield burst, burst

    def get_advance_lane(self, broker_payload: Burst) -> Hashable:
        """A lane for each burst: the queue knows no order, so none waits for another."""
        return broker_payload.number

    async def advance(self, batch: Sequence[AdvanceItem]) -> None:
        """Delete what was stored; give back the rest, so that it comes again soon."""
        for item in batch:
            try:
                await asyncio.to_thread(self._settle, item.broker_payload, clean=item.outcome.is_clean)
            except RatchetError as error:
                # What is not deleted is delivered again, and a repeated event does no harm.
                log.warning("cannot take stored events off the queue, they will come again: %s", error)

    def _next_burst(self) -> Burst | None:
        """Receive until the queue is empty; what tells nobody anything is settled at once."""
        if self._post is None:
            self._post = self._open_post()
        raw = _drain(self._post)
        if not raw:
            return None
        listeners = self._post.listeners()
        messages = [_read(self._post, message) for message in raw]
        wakes = gather(itertools.chain.from_iterable(m.letter.arrivals for m in messages), listeners, self._memory)
        burst = Burst(wakes, messages, listeners, next(self._numbers))
        if wakes:
            return burst
        self._settle(burst, clean=True)
        return None

    def _settle(self, burst: Burst, *, clean: bool) -> None:
        if self._post is None:
            return
        taken = frozenset(burst.taken) if clean else frozenset()
        fates: dict[Fate, list[Message]] = {fate: [] for fate in Fate}
        for message in (message for message in burst.messages if not message.left_alone):
            is_old = message.age_seconds > self._post.patience_seconds
            fate = decide_fate(
                message.letter, is_old=is_old, listeners=burst.listeners, memory=self._memory, taken=taken
            )
            fates[fate].append(message)
            for arrival in message.letter.arrivals:
                self._memory.note(arrival, taken & burst.listeners.by_dataset.get(arrival.dataset, frozenset()))
        if fates[Fate.GIVE_UP]:
            log.warning(
                "%d event(s) concern a pipeline that does not listen, because it is paused or its file is broken; "
                "they are dropped, and the sweep will find what they told",
                len(fates[Fate.GIVE_UP]),
            )
        self._post.delete([message.receipt for message in fates[Fate.DELETE] + fates[Fate.GIVE_UP]])
        waits: dict[int, list[str]] = {}
        for message in fates[Fate.GIVE_BACK]:
            waits.setdefault(give_back_seconds(message.age_seconds), []).append(message.receipt)
        for seconds, receipts in waits.items():
            self._post.give_back(receipts, seconds)


def give_back_seconds(age_seconds: float) -> int:
    """How long a message is away that nobody took: the older, the longer, so that it is not delivered too often.

    The queue takes a message with fifty deliveries for one that kills its readers.
    """
    doublings = int(age_seconds / (2 * _GIVE_BACK_SECONDS)).bit_length()
    return min(_GIVE_BACK_SECONDS << doublings, _LONGEST_GIVE_BACK_SECONDS)


def _drain(post: Post) -> list[Received]:
    messages: list[Received] = []
    wait_seconds = _LONG_POLL_SECONDS
    while len(messages) < _BATCH_LIMIT and (found := post.receive(wait_seconds)):
        messages += found
        wait_seconds = 0
    return messages


def _read(post: Post, received: Received) -> Message:
    letter = read_letter(received.body, post.bucket)
    buried = not letter.refusal or _bury(post, received.body, letter.refusal)
    return Message(received.receipt, received.age_seconds, letter, left_alone=not buried)


def _bury(post: Post, body: str, refusal: str) -> bool:
    """Lay a message on the dead-letter queue; what that fails for must not hold up the others."""
    log.error("a message goes to the dead-letter queue: %s", refusal)
    try:
        post.bury(body, refusal)
    except RatchetError as error:
        log.warning("it stays where it is for now, the queue moves it after some deliveries: %s", error)
        return False
    return True


def open_post(stack: str) -> Post:
    """Connect to a stack's queues, with this process's settings."""
    from ratchet.aws.client import connect
    from ratchet.aws.queue import Queue
    from ratchet.aws.stack import cached_deployment
    from ratchet.data.listeners import read_listeners
    from ratchet.settings import load_settings

    settings = load_settings()
    deployment = cached_deployment(settings.region, stack)
    client = connect(settings.region)
    queue, dead = Queue(client, deployment.arrivals_queue_url), Queue(client, deployment.dead_letter_queue_url)
    return Post(
        queue.receive,
        queue.delete,
        queue.show_again,
        dead.send,
        lambda: read_listeners(settings.pipelines_folder),
        deployment.data_bucket,
        patience_seconds=_SWEEPS * settings.sweep_seconds,
    )
