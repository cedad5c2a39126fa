"""A function URL's own listener: an HTTP server on a free port of the loopback interface."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from localcloud.engines.lambda_url_event import HttpRequest, HttpResponse, refuse

_BODY_BYTES = 6_291_456
_LINGER_BYTES = 8 * _BODY_BYTES
_IDLE_SECONDS = 60
_log = logging.getLogger(__name__)

Answer = Callable[[HttpRequest], HttpResponse]


class UrlServer:
    """Serves until it is closed; `answer` is called on the thread of each connection.

    Parameters
    ----------
    answer
        Answers one request.
    port
        Where to listen; 0 takes a free one.
    """

    def __init__(self, answer: Answer, port: int = 0) -> None:
        self._server = _Listener(answer, port)
        self._thread = threading.Thread(target=self._server.serve_forever, name="lambda-url", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that was free."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop listening, end open connections, and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._server.hang_up()
        self._thread.join()


class _Refused(Exception):
    """The request's body cannot be taken."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__(response.status)
        self.response = response


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, answer: Answer, port: int) -> None:
        self.answer = answer
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection, and remember it."""
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection, and forget it."""
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End every open connection."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no error of ours."""
        _log.debug("a connection to a function URL broke", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Listener
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = _IDLE_SECONDS

    def handle_one_request(self) -> None:
        """Answer one request of any method."""
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or len(self.raw_requestline) > 65536 or not self.parse_request():
            self.close_connection = True
            return
        try:
            body = self._read_body()
        except _Refused as refused:
            self.close_connection = True  # what is left of the body would be read as the next request
            self._send(refused.response)
            self._linger()
            return
        request = HttpRequest(
            method=self.command,
            target=self.path,
            headers=tuple(self.headers.items()),
            body=body,
            source_ip=str(self.client_address[0]),
            protocol=self.request_version,
        )
        self._send(self._answer(request))

    def _answer(self, request: HttpRequest) -> HttpResponse:
        try:
            return self.server.answer(request)
        except Exception:  # noqa: BLE001 - the edge of this connection's thread
            _log.exception("a function URL failed on %s %s", request.method, request.target)
            return refuse(500, "Internal Server Error")

    def _read_body(self) -> bytes:
        if (self.headers.get("Transfer-Encoding") or "identity").lower() != "identity":
            return self._read_chunks()
        text = self.headers.get("Content-Length") or "0"
        if not text.isascii() or not text.isdigit():
            raise _Refused(refuse(400, "Bad Request"))
        length = int(text)
        if length > _BODY_BYTES:
            raise _Refused(refuse(413, "Request Entity Too Large"))
        return self._read_exactly(length)

    def _read_chunks(self) -> bytes:
        found = bytearray()
        while size := self._read_chunk_size():
            if len(found) + size > _BODY_BYTES:
                raise _Refused(refuse(413, "Request Entity Too Large"))
            found += self._read_exactly(size)
            self.rfile.readline(3)
        while self.rfile.readline(65537).strip():
            pass  # trailers
        return bytes(found)

    def _read_chunk_size(self) -> int:
        line = self.rfile.readline(1025).partition(b";")[0].strip()
        try:
            return int(line.decode("ascii"), 16)
        except ValueError as error:
            raise _Refused(refuse(400, "Bad Request")) from error

    def _read_exactly(self, length: int) -> bytes:
        body = self.rfile.read(length)
        if len(body) < length:
            raise _Refused(refuse(400, "Bad Request"))
        return body

    def _linger(self) -> None:
        """Take what the client still sends, within reason: closing at once would cost it the answer."""
        left = _LINGER_BYTES
        while left > 0 and (taken := len(self.rfile.read1(65536))):
            left -= taken

    def _send(self, response: HttpResponse) -> None:
        self.send_response_only(response.status)
        for name, value in response.headers:
            self.send_header(name, value)
        bodiless = response.status in {204, 304} or response.status < 200
        if not bodiless:
            self.send_header("content-length", str(len(response.body)))
        if self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()
        if not bodiless and self.command != "HEAD":
            self.wfile.write(response.body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the function's own log is the record."""
