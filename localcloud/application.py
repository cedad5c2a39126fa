"""The WSGI application: moto's, at the end of a chain of steps that do what it lacks.

A conditional write is one step on AWS and several in moto, so calls that change DynamoDB, S3, logs or stacks hold their
service's lock. Bodies are read before, or a slow client would hold it.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from localcloud.chain import (
    Answer,
    ConnectionCut,
    Environ,
    Exchange,
    Next,
    StartResponse,
    Step,
    Wsgi,
    ask_wsgi,
    link,
    tell,
)
from localcloud.lock import service_lock
from localcloud.refusal import Refusal, refuse
from localcloud.request import Call

HEALTH_PATH = "/_localcloud/health"
_READING = frozenset({"GET", "HEAD"})

_log = logging.getLogger(__name__)


class Check(Protocol):
    """Looks at a call before moto does; returns the status and the body of a refusal, or None."""

    def __call__(self, call: Call) -> Refusal | None:
        """Return status line, headers and body of the refusal, or None to let the call pass."""


class Application:
    """moto behind the steps.

    Parameters
    ----------
    steps
        Asked in order before moto is.
    moto
        moto's WSGI application.
    """

    def __init__(self, steps: Sequence[Step], moto: Wsgi) -> None:
        self._chain = link([survive, *steps], partial(ask_wsgi, moto))

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        answer = self._chain(Exchange(environ))
        start_response(answer.status, answer.headers)
        return answer.body


def survive(exchange: Exchange, then: Next) -> Answer:
    """Tell a failure of ours as the service would tell one of its own."""
    try:
        return then(exchange)
    except ConnectionCut:
        raise
    except Exception:  # noqa: BLE001 - the edge of a request: the server must survive it
        call = exchange.head
        _log.exception("%s %s %s failed", call.service, call.method, call.target or call.path)
        return tell(
            *refuse(call, "500 Internal Server Error", "InternalFailure", "localcloud failed; its log says why")
        )


class Health:
    """The health route, which anybody may ask.

    Parameters
    ----------
    describe
        Returns what it shows.
    """

    def __init__(self, describe: Callable[[], Mapping[str, Any]]) -> None:
        self._describe = describe

    def __call__(self, exchange: Exchange, then: Next) -> Answer:
        """Answer the health route."""
        if exchange.path == HEALTH_PATH:
            return tell("200 OK", {}, json.dumps(self._describe()).encode())
        return then(exchange)


class Pages:
    """What is no AWS call.

    Parameters
    ----------
    pages
        WSGI applications by the start of their paths.
    """

    def __init__(self, pages: Mapping[str, Wsgi]) -> None:
        self._pages = dict(pages)

    def __call__(self, exchange: Exchange, then: Next) -> Answer:
        """Answer with the page whose prefix the path has."""
        for prefix, page in self._pages.items():
            if exchange.path.startswith(prefix):
                return ask_wsgi(page, exchange)
        return then(exchange)


class Checks:
    """Refuses what any of several checks refuses.

    Parameters
    ----------
    checks
        Asked in order.
    """

    def __init__(self, checks: Sequence[Check]) -> None:
        self._checks = tuple(checks)

    def __call__(self, exchange: Exchange, then: Next) -> Answer:
        """Pass on what no check refuses."""
        for check in self._checks:
            refusal = check(exchange.call)
            if refusal is not None:
                return tell(*refusal)
        return then(exchange)


def serialize(exchange: Exchange, then: Next) -> Answer:
    """Hold the service's lock while the call is carried out; its body has been read before."""
    with _lock_of(exchange.call):
        return then(exchange)


def _lock_of(call: Call) -> contextlib.AbstractContextManager[Any]:
    if call.service in {"dynamodb", "cloudformation"}:
        return service_lock(call.service)
    if call.service in {"s3", "logs"} and call.method not in _READING:
        return service_lock(call.service)
    return contextlib.nullcontext()
