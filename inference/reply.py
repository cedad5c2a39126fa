"""HTTP answers of the server, and the end of connections whose bodies nobody wants."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Optional

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from inference import answer
from inference.failure import ServingError
from inference.store import Identity

_LINGER_SECONDS = 2.0
_LINGER_BYTES = 32 * 1024 * 1024


class ClosingResponse(JSONResponse):
    """Answers before the body is read, then closes the connection.

    Between the two it throws away what still arrives, for a bounded while: closing at once would reset the
    connection, and the client, still sending, would never see the answer.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send, linger, close."""
        self.headers["Connection"] = "close"
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(_discard(receive), _LINGER_SECONDS)
        await send({"type": "http.response.body", "body": b""})


def reply_error(error: ServingError, identity: Optional[Identity], *, close: bool = False) -> JSONResponse:
    """The JSON answer to a request that failed."""
    kind: Any = ClosingResponse if close else JSONResponse
    content = answer.describe_error(error, identity)
    return kind(content, status_code=error.status, headers=answer.error_headers(error))


async def _discard(receive: Receive) -> None:
    left = _LINGER_BYTES
    while left > 0:
        message = await receive()
        left -= len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body"):
            return
