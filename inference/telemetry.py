"""What a server shows of itself: Prometheus metrics, one log line a request, the model's name on every answer."""

from __future__ import annotations

import re
import time
import uuid
from typing import Any, Callable, Collection, Optional

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inference import answer
from inference.failure import internal_error
from inference.journal import LOGGER, record_event
from inference.predictor import Prediction
from inference.reply import reply_error
from inference.store import Identity

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SHARES = tuple(step / 10 for step in range(1, 10))
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
_REQUEST_ID = re.compile(r"[A-Za-z0-9=;:._-]{1,128}")


class Metrics:
    """The figures of one process, each with the model's version."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        labels = ("route", "method", "status", "model_version")
        self.requests = Counter("ratchet_requests", "Requests answered.", labels, registry=self._registry)
        self.seconds = Histogram(
            "ratchet_request_seconds",
            "Time from the headers to the end of the answer.",
            ("route", "model_version"),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.in_flight = Gauge("ratchet_in_flight", "Requests in flight.", ("model_version",), registry=self._registry)
        version = ("model_version",)
        self._labels = Counter(
            "ratchet_predictions", "Best class of each image.", ("label", *version), registry=self._registry
        )
        self._confidence = Histogram(
            "ratchet_confidence", "Probability of the best class.", version, buckets=_SHARES, registry=self._registry
        )

    def count_prediction(self, best: Prediction, version: str) -> None:
        """Note what was predicted and how surely: drift and bad canaries show here first."""
        self._labels.labels(best.label, version).inc()
        self._confidence.labels(version).observe(best.probability)

    def expose(self) -> bytes:
        """All of it in Prometheus's text format."""
        return bytes(generate_latest(self._registry))


class Observed:
    """An ASGI application around all others; nothing is answered without it."""

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        *,
        routes: Collection[str],
        identify: Callable[[], Optional[Identity]],
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._routes = routes
        self._identify = identify

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, measure, log."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, send, self._identify())
        version = exchange.version
        with self._metrics.in_flight.labels(version).track_inprogress():
            try:
                await self._app(scope, receive, exchange.send)
            except Exception:  # noqa: BLE001  # the edge of the process: the caller gets an answer, the log the reason
                LOGGER.exception("request_failed")
                await exchange.fail(scope, receive)
        route = scope["path"] if scope["path"] in self._routes else "other"
        method = scope["method"] if scope["method"] in _METHODS else "other"
        seconds = time.perf_counter() - exchange.started
        self._metrics.requests.labels(route, method, str(exchange.status), version).inc()
        self._metrics.seconds.labels(route, version).observe(seconds)
        exchange.log(route, method, seconds)


class _Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, send: Send, identity: Optional[Identity]) -> None:
        self.started = time.perf_counter()
        self.status = 0
        self._send = send
        self._identity = identity
        self._request_id = _read_request_id(scope)

    @property
    def version(self) -> str:
        return self._identity.version if self._identity else ""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = {**answer.model_headers(self._identity), "X-Request-Id": self._request_id}
            added = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
            message = {**message, "headers": [*message.get("headers", ()), *added]}
        await self._send(message)

    async def fail(self, scope: Scope, receive: Receive) -> None:
        """Answer 500 where nothing has been answered yet."""
        if self.status == 0:
            await reply_error(internal_error(), self._identity)(scope, receive, self.send)

    def log(self, route: str, method: str, seconds: float) -> None:
        fields: Any = {"route": route, "method": method, "status": self.status, "request_id": self._request_id}
        record_event("request", self._identity, milliseconds=round(seconds * 1000, 2), **fields)


def _read_request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        text = value.decode("latin-1")
        if name in (b"x-request-id", b"x-amzn-trace-id") and _REQUEST_ID.fullmatch(text):
            return str(text)
    return uuid.uuid4().hex
