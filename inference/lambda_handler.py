"""The Lambda function: loads the model once for its environment, and answers every kind of event with the same JSON."""

from __future__ import annotations

import json
import logging
import os
import time
from typing import Any, Callable, Dict, Mapping, Optional, Tuple

from inference import answer, store
from inference.address import allowed_hosts
from inference.event import HttpEvent, Question, is_http, read_direct, read_http, read_question
from inference.failure import ModelError, ServingError, StoreError, internal_error
from inference.fetch import Fetcher
from inference.journal import LOGGER, record_event, start_journal
from inference.memory import release_large_blocks
from inference.predictor import Predictor
from inference.service import load_predictor
from inference.threads import set_threads

_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET,POST,OPTIONS",
    "Access-Control-Allow-Headers": "content-type",
}
_HEALTH_PATHS = ("/", "/ping", "/health")


class Environment:
    """One Lambda execution environment: its model, and how it answers."""

    def __init__(
        self,
        variables: Mapping[str, str],
        fetcher: Fetcher,
        load: Callable[[store.Release], Predictor] = load_predictor,
    ) -> None:
        self.identity: Optional[store.Identity] = None
        self._variables = variables
        self._fetcher = fetcher
        self._load = load
        self._predictor: Optional[Predictor] = None
        self._refusal = ServingError(503, "no_model", "No model has been released yet.", retry_after_seconds=60)
        self._may_retry = True

    def prepare(self) -> None:
        """Load the model, unless it is there or was refused; a store that did not answer is asked again next time."""
        if self._predictor is not None or not self._may_retry:
            return
        started = time.monotonic()
        try:
            release = store.read_release(self._variables)
            if release is None:
                return
            self.identity = release.identity
            self._predictor = self._load(release)
        except ModelError as error:
            self._may_retry = isinstance(error, StoreError)
            self._refusal = ServingError(503, "model_refused", str(error))
            record_event("model_refused", self.identity, level=logging.ERROR, reason=str(error))
            return
        seconds = round(time.monotonic() - started, 3)
        record_event("model_loaded", self.identity, seconds=seconds, engine=self._predictor.engine_name)

    def handle(self, event: Any, request_id: str) -> Dict[str, Any]:
        """Answer one event: HTTP events in an envelope, direct invocations with the JSON object itself."""
        started = time.perf_counter()
        event = event if isinstance(event, dict) else {}
        status, body, extra = self._respond(event)
        milliseconds = round((time.perf_counter() - started) * 1000, 2)
        record_event("request", self.identity, status=status, milliseconds=milliseconds, request_id=request_id)
        return self._envelop(status, body, extra) if is_http(event) else body

    def _respond(self, event: Dict[str, Any]) -> Tuple[int, Dict[str, Any], Dict[str, str]]:
        try:
            if not is_http(event):
                return 200, self._predict(read_direct(event)), {}
            status, body = self._route(read_http(event))
        except ServingError as error:
            return error.status, answer.describe_error(error, self.identity), answer.error_headers(error)
        except Exception:  # noqa: BLE001  # the edge of the process: the caller gets an answer, the log the reason
            LOGGER.exception("request_failed")
            return 500, answer.describe_error(internal_error(), self.identity), {}
        return status, body, {}

    def _route(self, http: HttpEvent) -> Tuple[int, Dict[str, Any]]:
        if http.method == "OPTIONS":
            return 204, {}
        if http.method not in ("GET", "HEAD", "POST"):
            raise ServingError(405, "method_not_allowed", "Use GET or POST.")
        asks_health = http.method == "HEAD" or (http.method == "GET" and not (http.query.keys() & {"url", "image"}))
        if asks_health and http.path in _HEALTH_PATHS:
            predictor = self._ready()
            return 200, answer.describe_health(predictor.identity, predictor.engine_name)
        return 200, self._predict(read_question(http))

    def _predict(self, question: Question) -> Dict[str, Any]:
        predictor = self._ready()
        if question.asked is not None:
            rankings = predictor.predict_asked(question.asked)
        else:
            predictor.reader.refuse_type(question.content_type)
            data = question.data if question.url is None else self._fetcher.fetch(question.url)
            rankings = predictor.predict(data or b"", question.content_type)
        return answer.describe_predictions(rankings, predictor.identity, predictor.kind)

    def _ready(self) -> Predictor:
        self.prepare()
        if self._predictor is None:
            raise self._refusal
        return self._predictor

    def _envelop(self, status: int, body: Dict[str, Any], extra: Dict[str, str]) -> Dict[str, Any]:
        headers = {"Content-Type": "application/json", **_CORS, **answer.model_headers(self.identity), **extra}
        text = "" if status == 204 else json.dumps(body, allow_nan=False)
        return {"statusCode": status, "headers": headers, "body": text, "isBase64Encoded": False}


def start(variables: Mapping[str, str]) -> Environment:
    """What Lambda runs once: threads, log, model."""
    start_journal()
    release_large_blocks()
    set_threads(os.environ)
    environment = Environment(variables, Fetcher(allowed_hosts(variables)))
    environment.prepare()
    return environment


_ENVIRONMENT = start(os.environ)


def lambda_handler(event: Any, context: Any) -> Dict[str, Any]:
    """Answer one invocation.

    Parameters
    ----------
    event
        `{"url": …}`, `{"dataurl": <base64>}`, `{"rows": …}`, `{"columns": …}` or `{"texts": …}` directly, or an HTTP
        event of payload format 1.0 or 2.0.
    context
        Lambda's context; only its request id is read.

    Returns
    -------
    The five best classes of each with the model that named them; in an HTTP envelope when the event came in one.
    """
    return _ENVIRONMENT.handle(event, getattr(context, "aws_request_id", ""))
