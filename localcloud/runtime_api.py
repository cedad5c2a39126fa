"""Serves the Lambda Runtime API to one execution environment: the address that awslambdaric asks for work.

The protocol is AWS's own (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html): the runtime takes an
invocation with `GET next`, which waits until there is one, and answers with `POST response` or `POST error`.
A runtime that cannot load its handler says so with `POST init/error`.
"""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MAXIMUM_RESPONSE_BYTES = 6_291_556
_PREFIX = "/2018-06-01/runtime"
_JSON = "application/json"


@dataclass(frozen=True)
class Invocation:
    """One event on its way to a runtime. `deadline_ms` is in milliseconds since 1970."""

    request_id: str
    payload: bytes
    function_arn: str
    deadline_ms: int
    trace_id: str
    client_context: str | None = None

    def headers(self) -> dict[str, str]:
        """Headers that carry the context beside the event."""
        found = {
            "Lambda-Runtime-Aws-Request-Id": self.request_id,
            "Lambda-Runtime-Deadline-Ms": str(self.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": self.function_arn,
            "Lambda-Runtime-Trace-Id": self.trace_id,
        }
        if self.client_context:
            found["Lambda-Runtime-Client-Context"] = self.client_context
        return found


@dataclass(frozen=True)
class Ready:
    """The runtime asked for its next invocation: it has loaded its handler, or finished the one before."""


@dataclass(frozen=True)
class Responded:
    """The handler returned."""

    payload: bytes


@dataclass(frozen=True)
class Failed:
    """The handler raised; the payload is the runtime's description of the error."""

    payload: bytes


@dataclass(frozen=True)
class InitFailed:
    """The handler could not be loaded."""

    payload: bytes


@dataclass(frozen=True)
class TooLarge:
    """The response is over the limit and was refused."""


RuntimeEvent = Ready | Responded | Failed | InitFailed | TooLarge


class RuntimeApi:
    """One listener on a free port of the loopback interface, for one runtime.

    Parameters
    ----------
    on_event
        Called on the server's threads with what the runtime reports.
    """

    def __init__(self, on_event: Callable[[RuntimeEvent], None]) -> None:
        self._on_event = on_event
        self._offers: queue.SimpleQueue[Invocation | None] = queue.SimpleQueue()
        self._current: str | None = None
        self._server = _Listener(self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="lambda-runtime-api", daemon=True
        )
        self._thread.start()

    @property
    def address(self) -> str:
        """`host:port`, the value of AWS_LAMBDA_RUNTIME_API."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def offer(self, invocation: Invocation) -> None:
        """Hand an invocation to the runtime, now or when it next asks."""
        self._current = invocation.request_id
        self._offers.put(invocation)

    def close(self) -> None:
        """Let go of a runtime that waits, and free the port."""
        self._offers.put(None)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self) -> Invocation | None:
        """Wait for the next invocation; `None` when the listener closes."""
        self._on_event(Ready())
        return self._offers.get()

    def settle(self, request_id: str, event: RuntimeEvent) -> bool:
        """Pass on the answer to the current invocation; an answer to any other is refused."""
        if request_id != self._current:
            return False
        self._current = None
        self._on_event(event)
        return True

    def report_init_error(self, payload: bytes) -> None:
        """Pass on that the handler could not be loaded."""
        self._on_event(InitFailed(payload))


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, api: RuntimeApi) -> None:
        self.api = api
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A runtime that was killed leaves a broken connection; that is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Listener
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else every invocation waits 40 ms for a delayed acknowledgement
    wbufsize = -1  # headers and body leave in one segment

    def do_GET(self) -> None:
        if self.path != f"{_PREFIX}/invocation/next":
            self._answer(404, _error("InvalidPath", self.path))
            return
        invocation = self.server.api.take()
        if invocation is None:
            self.close_connection = True
            return
        self._answer(200, invocation.payload, invocation.headers())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == f"{_PREFIX}/init/error":
            self._answer(202, b'{"status":"OK"}')
            self.server.api.report_init_error(body)
            return
        head, _, verb = self.path.rpartition("/")
        request_id = head.removeprefix(f"{_PREFIX}/invocation/")
        if verb not in {"response", "error"} or request_id == head:
            self._answer(404, _error("InvalidPath", self.path))
            return
        self._settle(request_id, verb, body)

    def _settle(self, request_id: str, verb: str, body: bytes) -> None:
        oversized = verb == "response" and len(body) > MAXIMUM_RESPONSE_BYTES
        event: RuntimeEvent = Failed(body) if verb == "error" else TooLarge() if oversized else Responded(body)
        if not self.server.api.settle(request_id, event):
            self._answer(400, _error("InvalidRequestID", "Invalid request ID"))
        elif oversized:
            self._answer(413, _error("RequestEntityTooLarge", "Exceeded maximum allowed payload size"))
        else:
            self._answer(202, b'{"status":"OK"}')

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response_only(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", _JSON)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the function's own log is the record."""


def _error(kind: str, message: str) -> bytes:
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()
