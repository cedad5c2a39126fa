"""The HTTP application in this process, with a model that is a table; no socket is opened."""

import asyncio
import io
import json
from collections.abc import Awaitable
from typing import Any, TypeVar

import httpx
import pytest

from inference.admission import Gate, refuse
from inference.application import Application
from inference.failure import ModelError, ServingError
from inference.fetch import Fetcher
from inference.journal import start_journal
from inference.limit import MAX_BODY_BYTES, Limits
from inference.predictor import Prediction
from inference.reader import make_reader
from inference.service import Service, State
from inference.store import Identity, Release
from ratchet.contract import Signature

RELEASE = Release("/nowhere", Identity("digits", "7", "d" * 64))
ENVIRONMENT = {"RATCHET_MODEL_URI": "/nowhere", "RATCHET_MODEL_SHA256": "d" * 64, "RATCHET_MODEL_VERSION": "7"}
Result = TypeVar("Result")


class TablePredictor:
    """Knows two images."""

    identity = RELEASE.identity
    engine_name = "table"
    kind = "image"
    reader = make_reader(Signature(1, 4, 4, ("1", "7"), mean=(0.0,), std=(1.0,)))

    def predict(self, data: bytes, content_type: str) -> list[tuple[Prediction, ...]]:
        if data == b"bug":
            raise RuntimeError("a bug")
        if data != b"seven":
            raise ServingError(400, "not_an_image", "no image")
        return [(Prediction("7", 0.75), Prediction("1", 0.25))]


def serve(service: Service, limits: Limits = Limits()) -> httpx.AsyncClient:  # noqa: B008  # frozen
    fetcher = Fetcher(resolve=lambda *_: ["127.0.0.1"])
    transport = httpx.ASGITransport(Application(service, fetcher, limits).build(), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://server")


def ready() -> Service:
    service = Service(lambda release: TablePredictor())  # type: ignore[arg-type, return-value]
    service.load(RELEASE, lambda: None)
    return service


def run(waiting: Awaitable[Result]) -> Result:
    async def within() -> Result:
        return await asyncio.wait_for(waiting, 20)

    return asyncio.run(within())


def ask(method: str, path: str, service: Service, **options: Any) -> httpx.Response:
    return run(serve(service).request(method, path, **options))


def test_bytes_of_an_image_are_classified() -> None:
    response = ask("POST", "/predict", ready(), content=b"seven", headers={"Content-Type": "application/jpeg"})
    assert response.status_code == 200
    assert response.json()["predictions"] == [{"label": "7", "probability": 0.75}, {"label": "1", "probability": 0.25}]
    assert response.json()["entries"] == ["probability=0.750000, class=7", "probability=0.250000, class=1"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/image", 400, "missing_url"),
        ("GET", "/image?image=http://inner/", 400, "url_forbidden"),
        ("GET", "/image?image=ftp://x/", 400, "url_scheme"),
        ("POST", "/predict", 415, "content_type"),
        ("GET", "/predict", 405, "method_not_allowed"),
        ("DELETE", "/", 405, "method_not_allowed"),
        ("GET", "/no/such/route", 404, "not_found"),
        ("GET", "/image/", 404, "not_found"),
    ],
)
def test_every_refusal_is_json_and_names_the_model(method: str, path: str, status: int, code: str) -> None:
    response = run(serve(ready()).request(method, path, follow_redirects=False))
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert response.json()["model"] == {"name": "digits", "version": "7", "digest": "d" * 64}
    assert (response.headers["X-Model-Version"], response.headers["X-Model-Digest"]) == ("7", "d" * 64)


def test_a_bug_is_answered_with_500_and_its_request_id_is_in_the_log() -> None:
    journal = io.StringIO()
    start_journal(journal)
    headers = {"Content-Type": "image/png", "X-Request-Id": "abc-1"}
    response = ask("POST", "/invocations", ready(), content=b"bug", headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (500, "internal")
    lines = [json.loads(line) for line in journal.getvalue().splitlines()]
    assert "a bug" in next(line["traceback"] for line in lines if line["event"] == "request_failed")
    last = next(line for line in lines if line["event"] == "request")
    assert (last["status"], last["request_id"], last["model_version"]) == (500, "abc-1", "7")


def test_the_log_holds_no_query_and_no_strangers_path() -> None:
    journal = io.StringIO()
    start_journal(journal)
    ask("GET", "/image?image=http://inner/%3Ftoken=hunter2", ready())
    ask("GET", "/hunter2", ready())
    assert "hunter2" not in journal.getvalue()
    assert journal.getvalue().count('"event": "request"') == 2


def test_health_is_honest_in_every_state() -> None:
    service = Service()
    assert ask("GET", "/", service).json()["error"]["code"] == "no_model"
    assert ask("GET", "/", service).json()["model"] is None
    service.identity, service.state = RELEASE.identity, State.LOADING
    assert ask("GET", "/", service).json()["error"]["code"] == "loading"
    assert ask("POST", "/predict", service).status_code == 503
    assert ask("GET", "/ping", ready()).json()["status"] == "ready"
    assert ask("HEAD", "/", ready()).status_code == 200


@pytest.mark.parametrize("digest", ["", "d" * 63, "x" * 64])
def test_a_release_without_a_digest_is_refused(digest: str) -> None:
    told: list[bool] = []
    service = Service()
    service.start({**ENVIRONMENT, "RATCHET_MODEL_SHA256": digest}, lambda: told.append(True))
    assert (service.state, told) == (State.FAILED, [True])
    assert ask("GET", "/", service).json()["error"]["code"] == "model_refused"


def test_a_model_that_fails_to_load_is_told_of_once() -> None:
    def load(release: Release) -> Any:
        raise ModelError("MANIFEST.json is missing")

    told: list[bool] = []
    service = Service(load)
    thread = service.start(ENVIRONMENT, lambda: told.append(True))
    assert thread is not None
    thread.join(20)
    assert (service.state, told) == (State.FAILED, [True])
    assert "MANIFEST.json" in ask("GET", "/", service).json()["error"]["message"]


def test_metrics_count_by_route_and_version() -> None:
    client = serve(ready())

    async def exchange() -> str:
        await client.post("/predict", content=b"seven", headers={"Content-Type": "image/png"})
        await client.get("/etc/passwd")
        return (await client.get("/metrics")).text

    text = run(exchange())
    assert 'ratchet_requests_total{method="POST",model_version="7",route="/predict",status="200"} 1.0' in text
    assert 'ratchet_predictions_total{label="7",model_version="7"} 1.0' in text
    assert 'route="other",status="404"' in text
    assert 'ratchet_request_seconds_bucket{le="0.001",model_version="7",route="/predict"}' in text
    assert "passwd" not in text


def test_a_large_body_is_refused_by_its_header_and_unread() -> None:
    headers = {"Content-Type": "image/png", "Content-Length": str(MAX_BODY_BYTES + 1)}
    response = ask("POST", "/predict", ready(), content=b"x", headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (413, "body_too_large")
    assert response.headers["Connection"] == "close"


def test_a_body_that_grows_too_large_is_refused_while_it_streams() -> None:
    async def endless():
        for _ in range(11):
            yield bytes(1024 * 1024)

    response = ask("POST", "/predict", ready(), content=endless(), headers={"Content-Type": "image/png"})
    assert (response.status_code, response.json()["error"]["code"]) == (413, "body_too_large")


def test_a_body_that_never_comes_is_given_up() -> None:
    async def stuck():
        yield b"se"
        await asyncio.Event().wait()

    client = serve(ready(), Limits(body_seconds=0.05))
    response = run(client.post("/predict", content=stuck(), headers={"Content-Type": "image/png"}))
    assert (response.status_code, response.json()["error"]["code"]) == (408, "body_timeout")


def test_a_full_gate_refuses_and_says_when_to_return() -> None:
    assert refuse(Gate(capacity=2, inside=1), 10) is None
    error = refuse(Gate(capacity=2, inside=2), 10)
    assert error is not None
    assert (error.status, error.code) == (503, "overloaded")
    assert 1 <= (error.retry_after_seconds or 0) <= 3


def test_what_one_gate_lets_in_leaves_it_again() -> None:
    client = serve(ready(), Limits(in_flight=1))
    headers = {"Content-Type": "image/png"}

    async def exchange() -> list[int]:
        begun, finish = asyncio.Event(), asyncio.Event()

        async def slow():
            yield b"sev"
            begun.set()
            await finish.wait()
            yield b"en"

        first = asyncio.ensure_future(client.post("/predict", content=slow(), headers=headers))
        await begun.wait()
        refused = await client.post("/invocations", content=b"seven", headers=headers)
        healthy = await client.get("/")
        finish.set()
        accepted = await first
        again = await client.post("/predict", content=b"seven", headers=headers)
        return [refused.status_code, healthy.status_code, accepted.status_code, again.status_code]

    assert run(exchange()) == [503, 200, 200, 200]
