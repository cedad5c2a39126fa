"""Hangs up on clients that send their headers too slowly: uvicorn itself would wait for them for ever."""

from __future__ import annotations

import asyncio
from typing import Any, Optional, Type

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


def impatient_protocol(seconds: float) -> Type[HttpToolsProtocol]:
    """Uvicorn's HTTP protocol, with a limit on the time from connecting, or a request's first byte, to its headers."""

    class ImpatientProtocol(HttpToolsProtocol):
        _hanging_up: Optional[asyncio.TimerHandle] = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._wait_for_headers()

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._wait_for_headers()

        def on_headers_complete(self) -> None:
            self._stop_waiting()
            super().on_headers_complete()

        def connection_lost(self, exc: Optional[Exception]) -> None:
            self._stop_waiting()
            super().connection_lost(exc)

        def _wait_for_headers(self) -> None:
            self._stop_waiting()
            self._hanging_up = self.loop.call_later(seconds, self.transport.close)

        def _stop_waiting(self) -> None:
            if self._hanging_up is not None:
                self._hanging_up.cancel()
                self._hanging_up = None

    return ImpatientProtocol
