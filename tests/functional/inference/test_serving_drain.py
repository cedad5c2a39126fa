"""Overload and the end of a serving process: who is refused, and that nobody who was let in is dropped."""

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from pictures import picture
from serving_process import Answer, Server, environment_of, wait_until

from inference.patience import impatient_protocol

Start = Callable[[dict[str, str]], Server]


def begin(server: Server) -> HTTPConnection:
    """A POST whose body is half sent."""
    body = picture()
    connection = server.connect()
    connection.putrequest("POST", "/predict")
    connection.putheader("Content-Type", "image/png")
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders()
    connection.send(body[: len(body) // 2])
    return connection


def finish(connection: HTTPConnection) -> Answer:
    body = picture()
    connection.send(body[len(body) // 2 :])
    return Answer(connection)


def in_flight(server: Server) -> int:
    text = server.ask("GET", "/metrics").body.decode()
    line = next(line for line in text.splitlines() if line.startswith("ratchet_in_flight{"))
    return int(float(line.split()[-1])) - 1  # this question itself


@pytest.mark.mxnet
def test_sigterm_finishes_what_is_in_flight_and_exits_0(start_server: Start, grey_archive: Path) -> None:
    server = start_server(environment_of(grey_archive)).wait_ready()
    begun = [begin(server) for _ in range(8)]
    wait_until(lambda: in_flight(server) == 8, "eight requests in flight")
    os.kill(server.process.pid, signal.SIGTERM)
    wait_until(lambda: server.status() == 0, "a closed port")
    assert server.process.poll() is None
    assert [finish(connection).status for connection in begun] == [200] * 8
    assert server.wait_exit() == 0


@pytest.mark.mxnet
def test_sigterm_under_load_drops_no_request(start_server: Start, grey_archive: Path) -> None:
    server = start_server(environment_of(grey_archive)).wait_ready()
    clients = [Client(server) for _ in range(6)]
    wait_until(lambda: sum(len(client.statuses) for client in clients) > 60, "traffic")
    os.kill(server.process.pid, signal.SIGTERM)
    assert server.wait_exit() == 0
    for client in clients:
        client.thread.join(20)
    assert [client.dropped for client in clients] == [[]] * 6
    assert {status for client in clients for status in client.statuses} == {200}


class Client:
    """Asks on one kept connection until it is told to close, or the port is."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.statuses: list[int] = []
        self.dropped: list[str] = []
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        connection = self.server.connect()
        try:
            connection.connect()
            while True:
                connection.request("POST", "/predict", picture(), {"Content-Type": "image/png"})
                answer = Answer(connection)
                self.statuses.append(answer.status)
                if answer.headers["Connection"] == "close":
                    return
        except OSError as error:
            self.dropped.append(repr(error))
        finally:
            connection.close()


@pytest.mark.mxnet
def test_overload_is_refused_before_the_body_and_says_when_to_return(start_server: Start, grey_archive: Path) -> None:
    server = start_server(environment_of(grey_archive, RATCHET_MAX_IN_FLIGHT="1")).wait_ready()
    first = begin(server)
    wait_until(lambda: in_flight(server) == 1, "one request in flight")
    refused = server.connect()
    refused.putrequest("POST", "/predict")
    refused.putheader("Content-Type", "image/png")
    refused.putheader("Content-Length", "1000000")
    refused.endheaders()
    answer = Answer(refused)
    refused.close()
    assert (answer.status, answer.code) == (503, "overloaded")
    assert answer.headers["Retry-After"] in ("1", "2", "3")
    assert answer.json["model"]["version"] == "7"
    assert server.status() == 200
    assert finish(first).status == 200
    assert server.ask("POST", "/predict", picture(), Content_Type="image/png").status == 200


@pytest.mark.mxnet
def test_a_client_that_leaves_mid_body_frees_its_place(start_server: Start, grey_archive: Path) -> None:
    server = start_server(environment_of(grey_archive, RATCHET_MAX_IN_FLIGHT="1")).wait_ready()
    for _ in range(3):
        connection = begin(server)
        wait_until(lambda: in_flight(server) == 1, "one request in flight")
        connection.close()
        wait_until(lambda: in_flight(server) == 0, "a free place")
    assert server.ask("POST", "/predict", picture(), Content_Type="image/png").status == 200


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def impatient_port() -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(hello, http=impatient_protocol(0.3), lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(20)
    listener.close()


@pytest.mark.parametrize("sent", [b"", b"GET", b"GET / HTTP/1.1\r\nHost: x\r\n", b"GET / HTTP/1.1\r\n\r\nGET / HT"])
def test_a_client_that_never_ends_its_headers_is_hung_up_on(impatient_port: int, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", impatient_port), timeout=20) as client:
        client.sendall(sent)
        heard = b""
        while chunk := client.recv(4096):
            heard += chunk
    assert heard.count(b"200 OK") == sent.count(b"\r\n\r\n")


def test_a_kept_connection_may_rest_longer_than_headers_may_take(impatient_port: int) -> None:
    connection = HTTPConnection("127.0.0.1", impatient_port, timeout=20)
    try:
        for _ in range(2):
            connection.request("GET", "/")
            assert connection.getresponse().read() == b""
            rested = time.monotonic() + 0.5
            wait_until(lambda end=rested: time.monotonic() > end, "a rest")
    finally:
        connection.close()
