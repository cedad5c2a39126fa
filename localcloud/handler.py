"""The HTTP side: HTTP/1.1 with connections that stay open, which werkzeug's own handler does not keep.

Bodies are in memory, but for large objects: those are written to a file as they arrive, and sent from theirs.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterable
from io import BytesIO
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import ThreadedWSGIServer

from localcloud.body import Stretch
from localcloud.chain import ConnectionCut
from localcloud.framing import BrokenBody
from localcloud.request import read_call
from localcloud.upload import KEY, STREAMED_BYTES, receive

_IDLE_SECONDS = 120
_BODILESS = frozenset({204, 304})


class Handler(MotoRequestHandler):  # type: ignore[misc]
    """Reads each request whole before it is answered, so that the next one starts where it should."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits for the client's delayed acknowledgement: 40 ms
    wbufsize = -1
    timeout = _IDLE_SECONDS

    def run_wsgi(self) -> None:
        """Answer one request."""
        environ = self.make_environ()
        try:
            take_body(environ)
        except (BrokenBody, ValueError) as error:
            self.close_connection = True
            self.send_error(400, str(error))
            return
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], _error: Any = None) -> None:
            started.append((status, headers))

        try:
            self._answer(self.server.app(environ, start_response), started)
        except ConnectionCut:
            self._cut(started, b"")
        finally:
            upload = environ.get(KEY)
            if upload is not None:
                upload.discard()

    def handle_expect_100(self) -> bool:
        """Let a client send its body; at once, for it waits."""
        self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.wfile.flush()
        return True

    def log_request(self, *_arguments: Any) -> None:
        """Stay silent: a line per request would bury what matters."""

    def _answer(self, body: Iterable[bytes], started: list[tuple[str, list[tuple[str, str]]]]) -> None:
        if isinstance(body, Stretch):
            self._send(*started[-1], body)
            return
        parts: list[bytes] = []
        try:
            parts.extend(body)
        except ConnectionCut:
            self._cut(started, b"".join(parts))
        else:
            self._send(*started[-1], b"".join(parts))

    def _cut(self, started: list[tuple[str, list[tuple[str, str]]]], content: bytes) -> None:
        """End the connection as a failing network does: after what was sent so far, if anything was."""
        self.close_connection = True
        if started and content:
            length = dict(started[-1][1]).get("Content-Length", "")
            self._send(*started[-1], content, length=int(length))
        with contextlib.suppress(OSError):  # the client may have gone first
            self.connection.shutdown(socket.SHUT_RDWR)

    def _send(
        self, status: str, headers: Iterable[tuple[str, str]], content: bytes | Stretch, *, length: int = -1
    ) -> None:
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
        if has_body and isinstance(content, bytes):
            self.wfile.write(content)
        self.wfile.flush()
        if has_body and isinstance(content, Stretch):
            content.send(self.connection)


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


def take_body(environ: dict[str, Any]) -> None:
    """Read a request's body: into memory, or an object that is large or of unknown length into a file.

    Raises
    ------
    BrokenBody, ValueError
        When the body is not what its headers say.
    """
    stream, length = environ["wsgi.input"], _length(environ)
    body = b""
    if _is_object(environ) and (length is None or length > STREAMED_BYTES):
        environ[KEY] = receive(stream.read, length, read_call(environ, b"").headers)
    elif length is None:
        body = stream.read()
    elif length:
        body = stream.read(length)
    environ["wsgi.input"] = BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    environ.pop("HTTP_TRANSFER_ENCODING", None)


def _length(environ: dict[str, Any]) -> int | None:
    """Return the body's length, None when only its end will tell."""
    if environ.get("wsgi.input_terminated"):  # chunked: werkzeug's reader knows the end
        return None
    text = str(environ.get("CONTENT_LENGTH") or 0)
    if not text.isdecimal():
        raise ValueError("Content-Length is not a number")
    return int(text)


def _is_object(environ: dict[str, Any]) -> bool:
    """Whether the body is an object's, or a part of one."""
    call = read_call(environ, b"")
    has_key = "/" in call.path.strip("/") or ".s3" in str(environ.get("HTTP_HOST", ""))
    return call.service == "s3" and call.method == "PUT" and has_key and not call.path.startswith("/_localcloud/")
