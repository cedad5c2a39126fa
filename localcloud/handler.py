"""The HTTP side: HTTP/1.1 with connections that stay open, which werkzeug's own handler does not keep."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterable
from io import BytesIO
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import ThreadedWSGIServer

from localcloud.chain import ConnectionCut

_IDLE_SECONDS = 120
_BODILESS = frozenset({204, 304})


class Handler(MotoRequestHandler):  # type: ignore[misc]
    """Reads each request whole, then answers it whole, so that the next one starts where it should."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits for the client's delayed acknowledgement: 40 ms
    wbufsize = -1
    timeout = _IDLE_SECONDS

    def run_wsgi(self) -> None:
        """Answer one request."""
        environ = self.make_environ()
        try:
            body = _read_body(environ)
        except ValueError:
            self.close_connection = True
            self.send_error(400, "Content-Length is not a number")
            return
        environ["wsgi.input"] = BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], _error: Any = None) -> None:
            started.append((status, headers))

        parts: list[bytes] = []
        try:
            for part in self.server.app(environ, start_response):
                parts.append(part)
        except ConnectionCut:
            self._cut(started, b"".join(parts))
        else:
            self._send(*started[-1], b"".join(parts))

    def handle_expect_100(self) -> bool:
        """Let a client send its body; at once, for it waits."""
        self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.wfile.flush()
        return True

    def log_request(self, *_arguments: Any) -> None:
        """Stay silent: a line per request would bury what matters."""

    def _cut(self, started: list[tuple[str, list[tuple[str, str]]]], content: bytes) -> None:
        """End the connection as a failing network does: after what was sent so far, if anything was."""
        self.close_connection = True
        if started and content:
            length = dict(started[-1][1]).get("Content-Length", "")
            self._send(*started[-1], content, length=int(length))
        with contextlib.suppress(OSError):  # the client may have gone first
            self.connection.shutdown(socket.SHUT_RDWR)

    def _send(self, status: str, headers: Iterable[tuple[str, str]], content: bytes, *, length: int = -1) -> None:
        code = int(status.split(" ", 1)[0])
        has_body = self.command != "HEAD" and code not in _BODILESS
        self.send_response_only(code, status.partition(" ")[2])
        names = set()
        for name, value in headers:
            lowered = name.lower()
            if lowered in {"connection", "transfer-encoding"} or (lowered == "content-length" and has_body):
                continue
            names.add(lowered)
            self.send_header(name, value)
        if has_body:
            self.send_header("Content-Length", str(len(content) if length < 0 else length))
        if "date" not in names:
            self.send_header("Date", self.date_time_string())
        self.end_headers()
        if has_body:
            self.wfile.write(content)
        self.wfile.flush()


class Server(ThreadedWSGIServer):
    """One thread per connection; remembers the connections so that closing the server closes them."""

    daemon_threads = True

    def __init__(self, listener: socket.socket, app: Any) -> None:
        host, port = listener.getsockname()[:2]
        self._lock = threading.Lock()
        self._connections: set[Any] = set()
        super().__init__(host, port, app, handler=Handler, fd=listener.fileno())

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember a connection and serve it."""
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection that has ended."""
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def close(self) -> None:
        """Stop listening and cut the connections that idle or wait."""
        self.shutdown()
        self.server_close()
        with self._lock:
            left = list(self._connections)
        for connection in left:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it has just ended by itself


def _read_body(environ: dict[str, Any]) -> bytes:
    stream = environ["wsgi.input"]
    if environ.get("wsgi.input_terminated"):  # chunked: werkzeug's reader knows the end
        content: bytes = stream.read()
        return content
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if length < 0:
        raise ValueError("a negative Content-Length")
    content = stream.read(length) if length else b""
    return content
