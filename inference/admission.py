"""The gate before the routes: takes on a bounded number of requests, and refuses the rest before reading them."""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass
from typing import Callable, Dict, Optional

from starlette.types import ASGIApp, Receive, Scope, Send

from inference.failure import ServingError
from inference.limit import MAX_BODY_BYTES
from inference.reply import reply_error
from inference.store import Identity


@dataclass
class Gate:
    """Counts the requests in flight of the paths that share it."""

    capacity: int
    inside: int = 0


class Admission:
    """An ASGI application around another one.

    Parameters
    ----------
    app
        What answers the requests that are let in.
    gates
        The gate that a path goes through; paths that are not named are always let in.
    identify
        The model that answers carry.
    """

    def __init__(self, app: ASGIApp, gates: Dict[str, Gate], identify: Callable[[], Optional[Identity]]) -> None:
        self._app = app
        self._gates = gates
        self._identify = identify

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let in or refuse."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        gate = self._gates.get(scope["path"], Gate(sys.maxsize))
        refusal = refuse(gate, declared_bytes(scope))
        if refusal is not None:
            # Who is told to come back keeps the connection: small bodies cost less than new connections.
            response = reply_error(refusal, self._identify(), close=refusal.status != 503)
            await response(scope, receive, send)
            return
        gate.inside += 1
        try:
            await self._app(scope, receive, send)
        finally:
            gate.inside -= 1


def refuse(gate: Gate, body_bytes: int) -> Optional[ServingError]:
    """Why a request with a body of `body_bytes` is not let in; None when it is."""
    if body_bytes > MAX_BODY_BYTES:
        return body_too_large()
    if gate.inside >= gate.capacity:
        # Spread out, lest all come back in the same second.
        seconds = random.randint(1, 3)  # noqa: S311  # no secret
        return ServingError(503, "overloaded", "Too many requests at once.", retry_after_seconds=seconds)
    return None


def declared_bytes(scope: Scope) -> int:
    """What `Content-Length` says; 0 where it says nothing."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


def body_too_large() -> ServingError:
    """The refusal of a body over the limit."""
    return ServingError(413, "body_too_large", "The body is larger than %d bytes." % MAX_BODY_BYTES)
