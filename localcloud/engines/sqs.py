"""SQS: queues that hold thousands of messages and stay fast.

moto counts a queue's messages at every send, and reads the clock for each of them: the more lie there, the slower.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from moto.core.utils import unix_time_millis
from moto.sqs.models import Message, Queue, sqs_backends

from localcloud.engine import Engine, Host
from localcloud.metric import Region, Sample, order_dimensions
from localcloud.patch import change_classes


def engine() -> Engine:
    """Build the engine; found by this file's name."""
    return SqsEngine()


class SqsEngine:
    """Reads the clock once for a whole queue."""

    name = "sqs"

    def __init__(self) -> None:
        self._undo: Callable[[], None] | None = None

    def install(self, host: Host) -> None:
        """Replace moto's counts."""
        counts = {
            "messages": _messages,
            "approximate_number_of_messages": lambda queue: len(_messages(queue)),
            "approximate_number_of_messages_delayed": _count_delayed,
            "approximate_number_of_messages_not_visible": _count_hidden,
        }
        host.metrics.add_gauge(_count_messages)
        self._undo = change_classes([(Queue, name, property(count)) for name, count in counts.items()])

    def resume(self) -> None:
        """Nothing runs here."""

    def close(self) -> None:
        """Take the change back."""
        if self._undo is not None:
            self._undo()


def _count_messages() -> Iterator[tuple[Region, Sample]]:
    """Yield what lies in each queue, as SQS tells CloudWatch."""
    for account, region, backend in list(sqs_backends.iter_backends()):
        for queue in list(backend.queues.values()):
            dimensions = order_dimensions({"QueueName": queue.name})
            for name, count in _CLOUDWATCH_COUNTS.items():
                yield Region(account, region), Sample("AWS/SQS", name, dimensions, float(count(queue)), "Count")


def _messages(queue: Any) -> list[Message]:
    now = unix_time_millis()
    return [message for message in queue._messages if now > message.visible_at and now >= message.delayed_until]


def _count_delayed(queue: Any) -> int:
    now = unix_time_millis()
    return sum(now < message.delayed_until for message in queue._messages)


def _count_hidden(queue: Any) -> int:
    now = unix_time_millis()
    return sum(now <= message.visible_at for message in queue._messages)


_CLOUDWATCH_COUNTS: Mapping[str, Callable[[Any], int]] = {
    "ApproximateNumberOfMessagesVisible": lambda queue: len(_messages(queue)),
    "ApproximateNumberOfMessagesNotVisible": _count_hidden,
    "ApproximateNumberOfMessagesDelayed": _count_delayed,
}
