"""What a request asks for, by the name that AWS gives the operation, whatever the protocol."""

from __future__ import annotations

import re

from localcloud.chain import Answer, Exchange, Next
from localcloud.request import Call, form_of
from localcloud.shelf import ModelShelf

_READING = re.compile(
    "Get|List|Describe|Head|Query|Scan|BatchGet|TransactGet|Select|Search|Lookup|Filter|Receive|Validate|Estimate"
    "|Simulate|Test|Check|Poll|Download|Detect|Preview|StartQuery|StopQuery|Discover"
)


def is_mutating(operation: str, method: str) -> bool:
    """Whether an operation changes something; one without a name is judged by its HTTP method.

    Receiving from a queue counts as reading, though it hides the messages for a while.
    """
    if not operation:
        return method not in {"GET", "HEAD", "OPTIONS"}
    return _READING.match(operation) is None


class Operations:
    """Names operations.

    Parameters
    ----------
    shelf
        Has the services' models.
    """

    def __init__(self, shelf: ModelShelf) -> None:
        self._shelf = shelf

    def name(self, call: Call) -> str:
        """Return the operation's name, also one that no model has; an empty string when it cannot be told."""
        placed = self._shelf.find(call)
        if placed is not None:
            return str(placed[1].operation.name)
        return call.target.rpartition(".")[2] or form_of(call).get("Action", "")


class Naming:
    """Notes what each call asks for, for the steps after it."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    def __call__(self, exchange: Exchange, then: Next) -> Answer:
        """Name the operation and pass the call on."""
        exchange.operation = self._operations.name(exchange.call)
        return then(exchange)
