"""The routes of the HTTP server: the seeds' image route, prediction by bytes, health, SageMaker's two, metrics."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from inference import answer
from inference.admission import Admission, Gate, body_too_large
from inference.failure import ServingError, internal_error
from inference.fetch import Fetcher
from inference.limit import MAX_BODY_BYTES, Limits
from inference.media import ANY_IMAGE
from inference.predictor import Predictor
from inference.reply import reply_error
from inference.service import Service
from inference.telemetry import Metrics, Observed
from inference.threads import count_cores


class Application:
    """The handlers of all routes, and what they share."""

    def __init__(self, service: Service, fetcher: Fetcher, limits: Limits) -> None:
        self._service = service
        self._fetcher = fetcher
        self._limits = limits
        self._metrics = Metrics()
        self._predicting = ThreadPoolExecutor(max_workers=max(2, count_cores()), thread_name_prefix="predict")
        self._fetching = ThreadPoolExecutor(max_workers=limits.fetches_in_flight, thread_name_prefix="fetch")

    def build(self) -> ASGIApp:
        """The ASGI application: measured outermost, then admitted, then routed."""
        routes = [
            Route("/", self.health, methods=["GET"]),
            Route("/ping", self.health, methods=["GET"]),
            Route("/image", self.predict_url, methods=["GET"]),
            Route("/predict", self.predict_body, methods=["POST"]),
            Route("/invocations", self.predict_body, methods=["POST"]),
            Route("/metrics", self.metrics, methods=["GET"]),
        ]
        handlers: Dict[Any, Any] = {
            HTTPException: self._refuse_route,
            ServingError: self._refuse,
            Exception: self._refuse_bug,
        }
        starlette = Starlette(routes=routes, exception_handlers=handlers)
        starlette.router.redirect_slashes = False
        app: ASGIApp = starlette
        by_bytes, by_url = Gate(self._limits.in_flight), Gate(self._limits.fetches_in_flight)
        app = Admission(app, {"/predict": by_bytes, "/invocations": by_bytes, "/image": by_url}, self._identify)
        return Observed(app, self._metrics, routes=[route.path for route in routes], identify=self._identify)

    async def health(self, request: Request) -> Response:
        """200 once a model answers, 503 before."""
        predictor = self._service.ready()
        return JSONResponse(answer.describe_health(predictor.identity, predictor.engine_name))

    async def predict_url(self, request: Request) -> Response:
        """`GET /image?image=<url>`."""
        predictor = self._service.ready()
        url = request.query_params.get("image", "")
        if not url:
            raise ServingError(400, "missing_url", "Say which image: GET /image?image=<URL>.")
        predictor.reader.refuse_type(ANY_IMAGE)
        data = await asyncio.get_running_loop().run_in_executor(self._fetching, self._fetcher.fetch, url)
        return await self._predict(predictor, data, ANY_IMAGE)

    async def predict_body(self, request: Request) -> Response:
        """`POST /predict` with what the model answers: an image's bytes, rows as JSON or CSV, texts."""
        predictor = self._service.ready()
        content_type = request.headers.get("content-type", "")
        predictor.reader.refuse_type(content_type)
        try:
            data = await asyncio.wait_for(read_body(request), self._limits.body_seconds)
        except asyncio.TimeoutError as error:
            raise ServingError(408, "body_timeout", "The body did not arrive in time.") from error
        return await self._predict(predictor, data, content_type)

    async def metrics(self, request: Request) -> Response:
        """Prometheus's text format."""
        return Response(self._metrics.expose(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _predict(self, predictor: Predictor, data: bytes, content_type: str) -> Response:
        loop = asyncio.get_running_loop()
        rankings = await loop.run_in_executor(self._predicting, predictor.predict, data, content_type)
        for ranking in rankings:
            self._metrics.count_prediction(ranking[0], predictor.identity.version)
        return JSONResponse(answer.describe_predictions(rankings, predictor.identity, predictor.kind))

    def _identify(self) -> Any:
        return self._service.identity

    async def _refuse(self, request: Request, error: ServingError) -> Response:
        return reply_error(error, self._service.identity, close=error.status in (408, 413, 415))

    async def _refuse_route(self, request: Request, error: HTTPException) -> Response:
        code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http")
        refusal = ServingError(error.status_code, code, "%s %s: %s." % (request.method, code, error.detail))
        response = reply_error(refusal, self._service.identity)
        response.headers.update(error.headers or {})
        return response

    async def _refuse_bug(self, request: Request, error: Exception) -> Response:
        return reply_error(internal_error(), self._service.identity)


async def read_body(request: Request) -> bytes:
    """A request's body; 413 as soon as more than the limit has come, whatever its headers said."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise body_too_large()
    return bytes(body)
