"""The load balancer passes requests on whole, shares them by weight, and fails as an Application Load Balancer does."""

from __future__ import annotations

import http.client
import socket
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from ecs_cloud import free_port, wait_until

from localcloud.loadbalancer import DataPlane, PortUnavailable
from localcloud.loadbalancer_route import Condition, FixedResponse, Forward, Rule
from localcloud.loadbalancer_target import HealthCheck, TargetState

UNCHECKED = HealthCheck(enabled=False)
EAGER = HealthCheck(path="/health", interval_seconds=0.2, timeout_seconds=0.2, healthy_threshold=2)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        if self.path == "/health":
            self.answer(self.server.health, b"")
        elif self.path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            self.wfile.write(b"only this")
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
        elif self.path.startswith("/wait/"):
            self.server.under_way.set()
            time.sleep(float(self.path.rsplit("/", 1)[1]))
            self.answer(200, b"late")
        elif self.path == "/chunks":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for _ in range(3):
                self.wfile.write(b"5\r\nhello\r\n")
            self.wfile.write(b"0\r\n\r\n")
        else:
            told = "\n".join(f"{name.lower()}: {value}" for name, value in self.headers.items())
            self.answer(200, f"{self.path}\n{told}".encode())

    def do_POST(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(200, body)

    def answer(self, status: int, body: bytes):
        self.server.answered += self.path != "/health"
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Server", self.server.name)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, name: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.name, self.health, self.answered = name, 200, 0
        self.under_way = threading.Event()

    @property
    def port(self) -> int:
        return self.server_address[1]


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    made = [Server("a"), Server("b")]
    for server in made:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield made
    for server in made:
        server.shutdown()
        server.server_close()


@pytest.fixture
def plane() -> Iterator[DataPlane]:
    made = DataPlane(idle_seconds=1.0)
    yield made
    made.close()


def serve(plane: DataPlane, *rules: Rule) -> int:
    port = free_port()
    plane.open_listener("listener", port, rules)
    return port


def forward(*weights: tuple[str, int]) -> Rule:
    return Rule((), Forward(weights or (("group", 1),)))


def add(plane: DataPlane, server: Server, group: str = "group", check: HealthCheck = UNCHECKED) -> None:
    plane.set_group(group, check)
    plane.register(group, "127.0.0.1", server.port)


def ask(port: int, path: str = "/", data: bytes | None = None, **headers: str) -> tuple[int, bytes, str]:
    request = urllib.request.Request(f"http://localhost:{port}{path}", data=data, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read(), answer.headers.get("X-Server", "")
    except urllib.error.HTTPError as error:
        return error.code, error.read(), ""


def test_bodies_of_any_size_pass_whole_in_both_directions(plane, servers):
    add(plane, servers[0])
    port = serve(plane, forward())
    for size in (0, 1, 64 * 1024, 64 * 1024 + 1, 8 * 2**20):
        body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
        assert ask(port, data=body)[:2] == (200, body)
    assert ask(port, "/chunks")[:2] == (200, b"hello" * 3)
    connection = http.client.HTTPConnection("localhost", port, timeout=10)
    connection.request("POST", "/", body=iter([b"in ", b"pieces"]), encode_chunked=True)
    assert connection.getresponse().read() == b"in pieces"
    connection.request("GET", "/again")  # the connection is kept
    assert b"/again" in connection.getresponse().read()
    connection.close()


def test_a_target_sees_the_path_as_sent_and_who_asked(plane, servers):
    add(plane, servers[0])
    port = serve(plane, forward())
    headers = {"X-Forwarded-For": "203.0.113.7", "Connection": "close, X-Private", "X-Private": "1", "Host": "models"}
    connection = http.client.HTTPConnection("localhost", port, timeout=10)  # urllib has its own idea of Connection
    connection.request("GET", "/a%2Fb?q=%20x&q=", headers=headers)
    body = connection.getresponse().read().decode()
    connection.close()
    path, *lines = body.splitlines()
    told = dict(line.split(": ", 1) for line in lines)
    assert path == "/a%2Fb?q=%20x&q="
    assert told["x-forwarded-for"] in {"203.0.113.7, 127.0.0.1", "203.0.113.7, ::1"}
    assert (told["x-forwarded-proto"], told["x-forwarded-port"]) == ("http", str(port))
    assert told["host"] == "models"
    assert told["x-amzn-trace-id"].startswith("Root=1-")
    assert "x-private" not in told


def test_weights_are_kept_exactly(plane, servers):
    add(plane, servers[0], "a")
    add(plane, servers[1], "b")
    port = serve(plane, forward(("a", 9), ("b", 1)))
    assert Counter(ask(port)[2] for _ in range(100)) == {"a": 90, "b": 10}
    plane.set_rules("listener", (forward(("a", 0), ("b", 1)),))
    assert {ask(port)[2] for _ in range(10)} == {"b"}
    plane.set_rules("listener", (forward(("a", 0), ("b", 0)),))
    assert ask(port)[0] == 503


def test_rules_are_asked_before_the_default(plane, servers):
    add(plane, servers[0])
    maintenance = Rule((Condition("path-pattern", ("/admin*",)),), FixedResponse(403, "text/plain", "not for you"))
    port = serve(plane, maintenance, forward())
    assert ask(port, "/admin/x")[:2] == (403, b"not for you")
    assert ask(port, "/other")[0] == 200


def test_a_dead_target_costs_no_request_while_another_lives(plane, servers):
    plane.set_group("group", UNCHECKED)
    plane.register("group", "127.0.0.1", free_port())
    add(plane, servers[0])
    port = serve(plane, forward())
    assert [ask(port, data=b"body")[:2] for _ in range(10)] == [(200, b"body")] * 10


def test_errors_are_those_of_an_application_load_balancer(plane, servers):
    port = serve(plane, forward())
    assert ask(port)[0] == 503
    plane.set_group("group", UNCHECKED)
    plane.register("group", "127.0.0.1", free_port())
    assert ask(port)[0] == 502
    plane.drop_group("group")
    add(plane, servers[0])
    status, page, _ = ask(port, "/wait/5")
    assert status == 504
    assert b"504 Gateway Time-out" in page
    with pytest.raises((http.client.IncompleteRead, OSError)):
        ask(port, "/cut")


def test_only_healthy_targets_are_asked_unless_none_is(plane, servers):
    sick, well = servers
    sick.health = 500
    add(plane, sick, check=EAGER)
    port = serve(plane, forward())
    assert ask(port)[0] == 503  # it has never answered well
    add(plane, well, check=EAGER)
    pool = plane.pool("group")
    wait_until(lambda: pool.health("127.0.0.1", sick.port).state is TargetState.UNHEALTHY, "it is found sick")
    found = pool.health("127.0.0.1", sick.port)
    assert (found.reason, found.description) == (
        "Target.ResponseCodeMismatch",
        "Health checks failed with these codes: [500]",
    )
    wait_until(lambda: pool.health("127.0.0.1", well.port).state is TargetState.HEALTHY, "it is found well")
    assert {ask(port)[2] for _ in range(6)} == {"b"}
    well.health = 503
    wait_until(lambda: pool.health("127.0.0.1", well.port).state is TargetState.UNHEALTHY, "both are sick")
    assert {ask(port)[2] for _ in range(6)} == {"a", "b"}
    sick.health = 200
    wait_until(lambda: pool.health("127.0.0.1", sick.port).state is TargetState.HEALTHY, "it recovers")
    assert {ask(port)[2] for _ in range(6)} == {"a"}


def test_a_draining_target_ends_its_requests_and_gets_no_new_one(plane, servers):
    old, new = servers
    add(plane, old)
    port = serve(plane, forward())
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(ask, port, "/wait/0.5")
        assert old.under_way.wait(10)
        add(plane, new)
        gone = plane.deregister("group", "127.0.0.1", old.port, delay_seconds=60)
        assert {ask(port)[2] for _ in range(10)} == {"b"}
        assert not gone.is_set()
        assert late.result()[:2] == (200, b"late")
    assert gone.wait(10)
    assert plane.pool("group").health("127.0.0.1", old.port) is None


def test_draining_ends_with_the_delay_though_a_request_does_not(plane, servers):
    add(plane, servers[0])
    port = serve(plane, forward())
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(ask, port, "/wait/0.9")
        assert servers[0].under_way.wait(10)
        gone = plane.deregister("group", "127.0.0.1", servers[0].port, delay_seconds=0.1)
        assert gone.wait(10)
        assert late.result()[0] == 200


def test_least_outstanding_requests_avoids_the_busy_target(plane, servers):
    busy, idle = servers
    add(plane, busy)
    plane.set_group("group", UNCHECKED, least_outstanding=True)
    port = serve(plane, forward())
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(ask, port, "/wait/0.5")
        assert busy.under_way.wait(10)
        plane.register("group", "127.0.0.1", idle.port)
        assert {ask(port)[2] for _ in range(5)} == {"b"}
        late.result()


def test_a_taken_port_is_refused_and_a_closed_one_is_free_again(plane):
    taken = socket.create_server(("127.0.0.1", 0))
    with taken, pytest.raises(PortUnavailable, match="choose another listener port"):
        plane.open_listener("listener", taken.getsockname()[1], ())
    port = serve(plane, forward())
    plane.close_listener("listener")
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_a_client_that_leaves_frees_its_target(plane, servers):
    add(plane, servers[0])
    port = serve(plane, forward())
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET /wait/0.8 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert servers[0].under_way.wait(10)
    target = plane.pool("group").targets()[0]
    wait_until(lambda: target.in_flight == 0, "the request is given up")
