"""One SQS queue: receive, delete, show again, send; every verb may be repeated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from ratchet.aws.client import Aws
from ratchet.aws.failure import translate_errors
from ratchet.errors import UnavailableError

_BATCH = 10  # what SQS takes in one call
_HINT = (
    "Airflow's role needs sqs:ReceiveMessage, sqs:DeleteMessage and sqs:ChangeMessageVisibility on the queue of "
    "arrivals and sqs:SendMessage on its dead-letter queue: attach the stack's OrchestratorPolicy to it (docs/aws.md)."
)


@dataclass(frozen=True)
class Received:
    """One message as the queue delivers it.

    Attributes
    ----------
    receipt
        What deletes it, or shows it again.
    age_seconds
        Since it was sent, by SQS's own clock; 0 when the answer does not say.
    """

    body: str
    receipt: str
    age_seconds: float = 0.0


class Queue:
    """One queue.

    Parameters
    ----------
    aws
        The door to AWS.
    url
        The queue's address.
    """

    def __init__(self, aws: Aws, url: str) -> None:
        self.url = url
        self._client: Any = aws.client("sqs")

    def receive(self, wait_seconds: int) -> Sequence[Received]:
        """Up to ten messages; waits so long for the first."""
        answer = self._call(
            "receive_message",
            MaxNumberOfMessages=_BATCH,
            WaitTimeSeconds=wait_seconds,
            MessageSystemAttributeNames=["SentTimestamp"],
        )
        return [
            Received(message["Body"], message["ReceiptHandle"], _age_seconds(message, answer))
            for message in answer.get("Messages", [])
        ]

    def delete(self, receipts: Sequence[str]) -> None:
        """Take messages off the queue; one that could not be comes again."""
        for batch in _batches(receipts):
            self._each("delete_message_batch", [{"Id": str(n), "ReceiptHandle": r} for n, r in enumerate(batch)])

    def show_again(self, receipts: Sequence[str], seconds: int) -> None:
        """Let messages be received again after so many seconds."""
        for batch in _batches(receipts):
            entries = [{"Id": str(n), "ReceiptHandle": r, "VisibilityTimeout": seconds} for n, r in enumerate(batch)]
            self._each("change_message_visibility_batch", entries)

    def send(self, body: str, reason: str) -> None:
        """Put a message into the queue, with the reason as an attribute."""
        self._call(
            "send_message",
            MessageBody=body,
            MessageAttributes={"reason": {"DataType": "String", "StringValue": reason or "none"}},
        )

    def _each(self, verb: str, entries: list[dict[str, Any]]) -> None:
        failed = [f for f in self._call(verb, Entries=entries).get("Failed", []) if not f.get("SenderFault")]
        if failed:
            raise UnavailableError(f"could not {verb} {len(failed)} message(s): {failed[0].get('Message', '')}")

    def _call(self, verb: str, **arguments: Any) -> Any:
        with translate_errors(f"{verb.replace('_', ' ')} on the queue {self.url}", _HINT):
            return getattr(self._client, verb)(QueueUrl=self.url, **arguments)


def _age_seconds(message: Mapping[str, Any], answer: Mapping[str, Any]) -> float:
    answered = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    sent = message.get("Attributes", {}).get("SentTimestamp")
    if not answered or not sent:
        return 0.0
    return max(0.0, parsedate_to_datetime(answered).timestamp() - int(sent) / 1000)


def _batches(receipts: Sequence[str]) -> Iterable[Sequence[str]]:
    return (receipts[start : start + _BATCH] for start in range(0, len(receipts), _BATCH))
