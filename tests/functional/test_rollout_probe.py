"""The HTTP probe against servers that misbehave: every fault is an answer with an error, and none leads elsewhere."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ratchet.errors import SpecError
from ratchet.rollout.probe import ask_service
from ratchet.rollout.question import about_image

PIXELS = about_image(b"pixels")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    close_connection = True

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        fault = self.server.fault
        if fault == "hang up":
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(302 if fault == "redirect" else 503 if fault == "error" else 200)
        self.send_header("Connection", "close")
        if fault == "redirect":
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/elsewhere")
        if fault == "cut off":
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if fault == "cut off":
            self.wfile.write(b"ff\r\n{")
            return
        self.wfile.write(BODIES.get(fault, b'{"ok": true}'))

    def do_GET(self):
        self.server.led_elsewhere = True
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


BODIES = {
    "no json": b"<html>",
    "no object": b"[1]",
    "endless": b" " * (2 * 1024 * 1024) + b"{}",
    "deep": b"[" * 100_000,
    "error": b"not now",
}
FAULTS = [*BODIES, "hang up", "redirect", "cut off"]


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    found = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.fault, found.led_elsewhere = "", False
    thread = threading.Thread(target=found.serve_forever, args=(0.02,))
    thread.start()
    yield found
    found.shutdown()
    thread.join()
    found.server_close()


def ask(server):
    return ask_service(f"http://127.0.0.1:{server.server_port}/", PIXELS)


def test_an_object_is_the_answer(server):
    assert ask(server) == {"ok": True}


@pytest.mark.parametrize(
    "fault", ["hang up", "redirect", "error", "no json", "no object", "endless", "deep", "cut off"]
)
def test_everything_else_is_an_error(server, fault):
    server.fault = fault
    assert ask(server)["error"]
    assert not server.led_elsewhere


def test_an_error_tells_its_status_and_body(server):
    server.fault = "error"
    assert ask(server)["error"] == "HTTP 503: not now"


def test_nobody_listening_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert "error" in ask_service(f"http://127.0.0.1:{port}", PIXELS)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://localhost", "", "localhost:80"])
def test_only_http_is_asked(url):
    with pytest.raises(SpecError):
        ask_service(url, PIXELS)
