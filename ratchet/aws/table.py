"""A thin typed layer over one DynamoDB table: consistent reads, and writes that know their own earlier success.

A response lost on the way makes a write that succeeded look like a conflict: the caller, or botocore beneath it, sends
it again and the condition no longer holds. Every write therefore leaves its writer's token in the items, and a failed
condition on an item that carries the token is a success.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from ratchet.aws.client import Aws
from ratchet.aws.condition import WRITER, Check, ConditionFailedError, Item, Put, Write, render_write
from ratchet.aws.failure import error_code, translate_errors
from ratchet.aws.marshal import marshal, marshal_item, unmarshal_item
from ratchet.clock import Clock

# botocore tries six times; this is for what it gives up on, a response that never came above all.
_SENDS = 3
_ROUNDS = 200
_FIRST_PAUSE_SECONDS = 0.02
_DOUBLINGS = 5
_TRANSACTION_ITEMS = 100
_BUSY = frozenset({"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})
_T = TypeVar("_T")


class Table:
    """One table whose keys are `pk` and `sk`.

    Parameters
    ----------
    aws
        The door to AWS.
    name
        The table's name.
    """

    def __init__(self, aws: Aws, name: str) -> None:
        self.name = name
        self._client: Any = aws.client("dynamodb")

    def find(self, pk: str, sk: str) -> dict[str, Any] | None:
        """Read one item, strongly consistent; None when there is none."""
        with translate_errors(f"read {pk} {sk} of the table {self.name}"):
            key = marshal_item({"pk": pk, "sk": sk})
            answer = self._client.get_item(TableName=self.name, Key=key, ConsistentRead=True)
        return unmarshal_item(answer["Item"]) if answer.get("Item") else None

    def query(self, pk: str, prefix: str = "", *, after: str = "") -> Iterator[dict[str, Any]]:
        """Read a partition's items in the order of their sort keys, strongly consistent.

        Parameters
        ----------
        pk
            The partition.
        prefix
            What the sort keys begin with.
        after
            A sort key; only items behind it are read.
        """
        condition, values = "pk = :pk", {":pk": marshal(pk)}
        if prefix:
            condition += " AND begins_with(sk, :prefix)"
            values[":prefix"] = marshal(prefix)
        request: dict[str, Any] = {"KeyConditionExpression": condition, "ExpressionAttributeValues": values}
        if after:
            request["ExclusiveStartKey"] = marshal_item({"pk": pk, "sk": after})
        while True:
            with translate_errors(f"read {pk} {prefix}* of the table {self.name}"):
                answer = self._client.query(TableName=self.name, ConsistentRead=True, **request)
            yield from map(unmarshal_item, answer["Items"])
            if not answer.get("LastEvaluatedKey"):
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def write(self, *writes: Write, writer: str, action: str) -> None:
        """Carry out all writes or none.

        Parameters
        ----------
        writes
            Up to 100 items, each with its condition, no item twice.
        writer
            Token of this write: the same only when it is the same write sent again.
        action
            What is being done, for error messages.

        Raises
        ------
        ConditionFailedError
            When a condition did not hold; nothing was written.
        """
        if len(writes) == 1 and isinstance(writes[0], Put):
            body = render_write(self.name, writes[0], writer)[1]
            self._send(lambda: self._client.put_item(**body), writes, writer=writer, action=action)
            return
        if len(writes) > _TRANSACTION_ITEMS:
            raise ValueError(f"a transaction has at most {_TRANSACTION_ITEMS} writes, this one {len(writes)}")
        items = [dict([render_write(self.name, write, writer)]) for write in writes]
        token = hashlib.sha256(writer.encode()).hexdigest()[:36]
        self._send(
            lambda: self._client.transact_write_items(TransactItems=items, ClientRequestToken=token),
            writes,
            writer=writer,
            action=action,
        )

    def _send(self, call: Callable[[], Any], writes: tuple[Write, ...], *, writer: str, action: str) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        with translate_errors(action):
            for remaining in reversed(range(_SENDS)):
                try:
                    call()
                except ClientError as error:
                    _accept_or_raise(error, writes, writer=writer, action=action)
                except BotoCoreError:
                    if not remaining:
                        raise
                    continue
                return


def _accept_or_raise(error: Any, writes: tuple[Write, ...], *, writer: str, action: str) -> None:
    reasons = _reasons(error)
    failed = tuple(
        write for write, reason in zip(writes, reasons, strict=False) if reason["Code"] == "ConditionalCheckFailed"
    )
    busy = any(reason["Code"] in _BUSY for reason in reasons)
    if not failed and not busy:
        raise error
    found: dict[tuple[str, str], Item] = {
        write.key: unmarshal_item(reason["Item"])
        for write, reason in zip(writes, reasons, strict=False)
        if reason.get("Item")
    }
    puts = {write.key for write in writes if not isinstance(write, Check)}
    if any(item.get(WRITER) == writer for key, item in found.items() if key in puts):
        return
    rules = "; ".join(f"{' '.join(write.key)} {write.condition.name}" for write in failed) or "no other transaction"
    raise ConditionFailedError(f"could not {action}: it needs that {rules}", failed, found) from error


def _reasons(error: Any) -> list[Mapping[str, Any]]:
    """Why each write was refused, in the writes' order; the error itself when it is about something else."""
    if error_code(error) == "ConditionalCheckFailedException":
        return [{"Code": "ConditionalCheckFailed", "Item": error.response.get("Item")}]
    if error_code(error) == "TransactionConflictException":
        return [{"Code": "TransactionConflict"}]
    if error_code(error) == "TransactionCanceledException":
        return list(error.response["CancellationReasons"])
    raise error


def retry_conflicts(attempt: Callable[[], _T], clock: Clock, *, seed: str, ours: Callable[[Write], bool]) -> _T:
    """Read, decide and write again while others write in between.

    Parameters
    ----------
    attempt
        Reads afresh, decides, writes. It raises whatever should end the loop.
    clock
        What the pauses between two rounds are slept on.
    seed
        Spreads the pauses of competing writers.
    ours
        Whether reading again may mend this failed write; a failure of any other ends the loop.
    """
    for round_number in range(_ROUNDS):
        try:
            return attempt()
        except ConditionFailedError as error:
            if round_number + 1 == _ROUNDS or not all(map(ours, error.failed)):
                raise
        jitter = int(hashlib.sha256(f"{seed}{round_number}".encode()).hexdigest()[:4], 16) / 0xFFFF
        clock.sleep(jitter * _FIRST_PAUSE_SECONDS * 2 ** min(round_number, _DOUBLINGS))
    raise AssertionError("unreachable: the last round returns or raises")
