"""How old a message is, by the queue's own clock."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from ratchet.aws.queue import Queue

SENT_MILLIS = 1_900_000_000_000


class Sqs:
    """A queue of one message, and what its answer's headers say."""

    def __init__(self, **headers):
        self.headers = headers

    def client(self, service):
        return self

    def receive_message(self, **request):
        assert "SentTimestamp" in request["MessageSystemAttributeNames"]
        message = {"Body": "b", "ReceiptHandle": "r", "Attributes": {"SentTimestamp": str(SENT_MILLIS)}}
        return {"Messages": [message], "ResponseMetadata": {"HTTPHeaders": self.headers}}


def age(**headers):
    (received,) = Queue(Sqs(**headers), "url").receive(0)
    return received.age_seconds


@pytest.mark.parametrize(("seconds", "expected"), [(0, 0), (90, 90), (-3600, 0)])
def test_an_age_is_what_the_queue_s_clock_says_and_never_negative(seconds, expected):
    moment = datetime.fromtimestamp(SENT_MILLIS / 1000 + seconds, UTC)
    assert age(date=format_datetime(moment, usegmt=True)) == expected


def test_without_the_queue_s_time_a_message_is_new():
    assert age() == 0
