"""uvicorn's HTTP protocol with two manners more: it hangs up on slow headers, and hangs up politely when it drains."""

from __future__ import annotations

import asyncio
from typing import Any, Optional, Type

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_GRACE_SECONDS = 0.5


class ImpatientProtocol(HttpToolsProtocol):
    """A limit on the time from connecting, or a request's first byte, to its last header; and a polite end.

    uvicorn itself waits for headers for ever. And when it drains it closes idle connections at once, those too on
    which a request is just under way: here they are answered for a moment more, and told to close.
    """

    headers_seconds = 10.0
    _hanging_up: Optional[asyncio.TimerHandle] = None
    _in_headers = False
    _draining = False

    def connection_made(self, transport: Any) -> None:
        """Start the clock: a client that says nothing is hung up on, too."""
        super().connection_made(transport)
        self._wait_for_headers()

    def on_message_begin(self) -> None:
        """Start the clock at the first byte of a request."""
        super().on_message_begin()
        self._in_headers = True
        self._wait_for_headers()

    def on_headers_complete(self) -> None:
        """Stop the clock; tell a client that is late in a drain to close."""
        self._in_headers = False
        self._stop_waiting()
        super().on_headers_complete()
        if self._draining:
            self.cycle.default_headers = [*self.cycle.default_headers, (b"connection", b"close")]

    def connection_lost(self, exc: Optional[Exception]) -> None:
        """Stop the clock of a connection that is gone."""
        self._stop_waiting()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Close after the answer under way, or, where none is, after a moment."""
        if self._is_idle():
            self._draining = True
            self.loop.call_later(_GRACE_SECONDS, self._close_idle)
        else:
            super().shutdown()

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _close_idle(self) -> None:
        if self._is_idle() and not self._in_headers:
            self.transport.close()

    def _wait_for_headers(self) -> None:
        self._stop_waiting()
        self._hanging_up = self.loop.call_later(self.headers_seconds, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._hanging_up is not None:
            self._hanging_up.cancel()
            self._hanging_up = None


def impatient_protocol(headers_seconds: float) -> Type[ImpatientProtocol]:
    """The protocol class with its limit set, as uvicorn wants it."""
    return type("ImpatientProtocol", (ImpatientProtocol,), {"headers_seconds": headers_seconds})
