"""DynamoDB: a transaction sent again with its token is done once, as AWS does; moto does it again."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.dynamodb.responses import DynamoHandler

from localcloud.engine import Host
from localcloud.lock import service_lock
from localcloud.patch import change_classes

_REMEMBERED_SECONDS = 600.0  # what AWS promises

Key = tuple[str, str, str]


class IdempotentParameterMismatch(JsonRESTError):  # type: ignore[misc]
    """The token came before with another transaction."""

    code = 400

    def __init__(self) -> None:
        message = "The provided client token is already in use with a different request"
        super().__init__("com.amazonaws.dynamodb.v20120810#IdempotentParameterMismatchException", message)


@dataclass(frozen=True)
class _Done:
    digest: str
    result: Any
    until: float


class Tokens:
    """The transactions of the last ten minutes by their tokens.

    Parameters
    ----------
    clock
        Seconds that only rise.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._done: dict[Key, _Done] = {}

    def run(self, key: Key, items: Any, write: Callable[[], Any]) -> Any:
        """Write, or return what an earlier write with this token returned; a failed one is not remembered.

        Raises
        ------
        IdempotentParameterMismatch
            When the token came before with other items.
        """
        now = self._clock()
        self._done = {known: done for known, done in self._done.items() if done.until > now}
        digest = hashlib.sha256(json.dumps(items, sort_keys=True).encode()).hexdigest()
        done = self._done.get(key)
        if done is None:
            done = self._done[key] = _Done(digest, write(), now + _REMEMBERED_SECONDS)
        if done.digest != digest:
            raise IdempotentParameterMismatch
        return done.result


class DynamoDBEngine:
    """Remembers the tokens of transactions."""

    name = "dynamodb"

    def __init__(self) -> None:
        self._tokens = Tokens()
        self._undo: Callable[[], None] | None = None

    def install(self, host: Host) -> None:
        """Wrap the operation."""
        write = DynamoHandler.transact_write_items
        tokens = self._tokens

        def transact_write_items(self: Any) -> Any:
            token = self.body.get("ClientRequestToken")
            if not token:
                return write(self)
            with service_lock("dynamodb"):
                key = (self.current_account, self.region, token)
                return tokens.run(key, self.body["TransactItems"], lambda: write(self))

        self._undo = change_classes([(DynamoHandler, "transact_write_items", transact_write_items)])

    def resume(self) -> None:
        """Nothing runs here."""

    def close(self) -> None:
        """Take the change back."""
        if self._undo is not None:
            self._undo()
            self._undo = None


def engine() -> DynamoDBEngine:
    """Make the engine."""
    return DynamoDBEngine()
