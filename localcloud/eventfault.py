"""Faults of events: S3's messages to queues are lost, doubled, delayed, or come in another order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from moto.s3 import notifications

from localcloud.fault import EVENT_EFFECTS, Effect, Seen
from localcloud.faultbook import FaultBook

# An event that waits for the next one goes alone when none comes: AWS promises no order, but that it comes.
_OVERTAKEN_SECONDS = 5.0

Send = Callable[[str, Any, str, str], None]
StartTimer = Callable[[float, Callable[[], None]], Any]
_moto_send: Send = notifications._send_sqs_message


class EventFaults:
    """Stands between S3 and the queues.

    Parameters
    ----------
    book
        The faults.
    deliver
        Puts an event into its queue.
    start_timer
        Calls a function after a number of seconds; returns what has `cancel`.
    """

    def __init__(self, book: FaultBook, deliver: Send = _moto_send, start_timer: StartTimer | None = None) -> None:
        self._book = book
        self._deliver = deliver
        self._start_timer = start_timer or _start_timer
        self._lock = threading.Lock()
        self._held: list[tuple[Any, ...]] = []
        self._timers: list[Any] = []

    def install(self) -> None:
        """Let every event pass here."""
        notifications._send_sqs_message = self.send

    def close(self) -> None:
        """Forget what is still held back, and give moto its own back."""
        notifications._send_sqs_message = _moto_send
        with self._lock:
            for timer in self._timers:
                timer.cancel()
            self._timers.clear()
            self._held.clear()

    def send(self, account: str, event: Mapping[str, Any], queue: str, region: str) -> None:
        """Deliver one event as the faults in force say."""
        message = (account, event, queue, region)
        seen = Seen(services=("s3",), operation=_name(event), region=region)
        effects = {fault.effect: fault for fault in self._book.strike(seen, EVENT_EFFECTS)}
        if Effect.LOSE_EVENT in effects:
            return
        if Effect.DELAY_EVENT in effects:
            self._later(effects[Effect.DELAY_EVENT].seconds, lambda: self._deliver(*message))
        elif Effect.REORDER_EVENT in effects:
            with self._lock:
                self._held.append(message)
            self._later(_OVERTAKEN_SECONDS, self._release)
        else:
            self._deliver(*message)
            self._release()
        if Effect.DUPLICATE_EVENT in effects:
            self._deliver(*message)

    def _release(self) -> None:
        with self._lock:
            held, self._held = self._held, []
        for message in reversed(held):
            self._deliver(*message)

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        with self._lock:
            self._timers.append(self._start_timer(seconds, act))


def _name(event: Mapping[str, Any]) -> str:
    records = event.get("Records") or [{}]
    return str(records[0].get("eventName", "s3:TestEvent"))


def _start_timer(seconds: float, act: Callable[[], None]) -> threading.Timer:
    timer = threading.Timer(seconds, act)
    timer.daemon = True
    timer.start()
    return timer
