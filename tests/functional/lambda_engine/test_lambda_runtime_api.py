"""The Runtime API over real sockets: invocations are handed out once, and only the current one can be answered."""

import http.client
import json
import queue
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from localcloud.runtime_api import Failed, InitFailed, Invocation, Ready, Responded, RuntimeApi, TooLarge

PREFIX = "/2018-06-01/runtime"
INVOCATION = Invocation("first", b'{"a": 1}', "arn:f", 123, "Root=1", client_context='{"k": 1}')


class Stage:
    def __init__(self) -> None:
        self.events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.api = RuntimeApi(self.events.put)

    def call(self, method: str, path: str, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.api.address, timeout=20)
        try:
            connection.request(method, PREFIX + path, body=body)
            answer = connection.getresponse()
            return answer.status, dict(answer.headers), answer.read()
        finally:
            connection.close()


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    made.api.close()


def test_an_invocation_comes_with_its_context(stage: Stage) -> None:
    stage.api.offer(INVOCATION)
    status, headers, body = stage.call("GET", "/invocation/next")
    assert (status, body, stage.events.get()) == (200, b'{"a": 1}', Ready())
    assert headers["Lambda-Runtime-Aws-Request-Id"] == "first"
    assert headers["Lambda-Runtime-Deadline-Ms"] == "123"
    assert headers["Lambda-Runtime-Invoked-Function-Arn"] == "arn:f"
    assert headers["Lambda-Runtime-Client-Context"] == '{"k": 1}'


def test_an_invocation_is_answered_once(stage: Stage) -> None:
    stage.api.offer(INVOCATION)
    assert stage.call("POST", "/invocation/first/response", b"[1]")[0] == 202
    assert stage.events.get() == Responded(b"[1]")
    assert stage.call("POST", "/invocation/first/response", b"[2]")[0] == 400
    assert stage.call("POST", "/invocation/other/error", b"{}")[0] == 400
    assert stage.events.empty()


def test_errors_are_told_apart(stage: Stage) -> None:
    stage.api.offer(INVOCATION)
    assert stage.call("POST", "/invocation/first/error", b"{}")[0] == 202
    assert stage.call("POST", "/init/error", b"{}")[0] == 202
    assert [stage.events.get(), stage.events.get()] == [Failed(b"{}"), InitFailed(b"{}")]


def test_a_response_over_the_limit_is_refused(stage: Stage) -> None:
    stage.api.offer(INVOCATION)
    status, _, body = stage.call("POST", "/invocation/first/response", b"x" * 6_291_557)
    assert (status, json.loads(body)["errorType"]) == (413, "RequestEntityTooLarge")
    assert stage.events.get() == TooLarge()


@pytest.mark.parametrize("path", ["/", "/invocation/first", "/invocation/first/other"])
def test_other_paths_are_unknown(stage: Stage, path: str) -> None:
    assert stage.call("POST", path)[0] == 404
    assert stage.call("GET", path)[0] == 404


def test_closing_lets_go_of_a_runtime_that_waits() -> None:
    stage = Stage()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(stage.call, "GET", "/invocation/next")
        assert stage.events.get(timeout=20) == Ready()
        stage.api.close()
        with pytest.raises(http.client.RemoteDisconnected):
            waiting.result(20)
