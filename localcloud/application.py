"""The WSGI application: moto's, with what it lacks around it.

A conditional write is one step on AWS and several in moto, so calls that change DynamoDB, S3, logs or stacks hold their
service's lock. Bodies are read before, or a slow client would hold it.

localcloud runs what it is told to run, so a page in a browser must not be able to talk to it: requests that carry a
foreign origin, or come by another name than the loopback's, are refused.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import BytesIO
from typing import Any, Protocol
from urllib.parse import urlsplit

from localcloud.lock import service_lock
from localcloud.refusal import Refusal, refuse
from localcloud.request import Call, read_call

HEALTH_PATH = "/_localcloud/health"
_READING = frozenset({"GET", "HEAD"})

_log = logging.getLogger(__name__)

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]
Wsgi = Callable[[Environ, StartResponse], Iterable[bytes]]


class Check(Protocol):
    """Looks at a call before moto does; returns the status and the body of a refusal, or None."""

    def __call__(self, call: Call) -> Refusal | None:
        """Return status line, headers and body of the refusal, or None to let the call pass."""


class Application:
    """moto behind a door: health, origin, validation, locks, and errors told as AWS tells them.

    Parameters
    ----------
    moto
        moto's WSGI application.
    checks
        Asked in order before moto is.
    health
        Returns what the health route shows.
    loopback_only
        Whether requests by another name than the loopback's are refused.
    pages
        WSGI applications for what is no AWS call, by the start of their paths.
    """

    def __init__(
        self,
        moto: Wsgi,
        *,
        checks: Sequence[Check],
        health: Callable[[], Mapping[str, Any]],
        loopback_only: bool,
        pages: Mapping[str, Wsgi] | None = None,
    ) -> None:
        self._moto = moto
        self._checks = tuple(checks)
        self._health = health
        self._loopback_only = loopback_only
        self._pages = dict(pages or {})

    def __call__(self, environ: Environ, start_response: StartResponse) -> list[bytes]:
        """Answer one request; its body is already in memory."""
        if environ.get("PATH_INFO") == HEALTH_PATH:
            return _answer(start_response, "200 OK", {}, json.dumps(self._health()).encode())
        if self._loopback_only and not _is_local(environ):
            message = b'{"__type": "AccessDeniedException", "message": "localcloud answers this machine only"}'
            return _answer(start_response, "403 Forbidden", {}, message)
        path = str(environ.get("PATH_INFO", ""))
        for prefix, page in self._pages.items():
            if path.startswith(prefix):
                return self._answer_with(page, read_call(environ, b""), environ, start_response)
        return self._call(environ, start_response)

    def _call(self, environ: Environ, start_response: StartResponse) -> list[bytes]:
        body = environ["wsgi.input"].read()
        environ["wsgi.input"] = BytesIO(body)
        call = read_call(environ, body)
        for check in self._checks:
            refusal = check(call)
            if refusal is not None:
                return _answer(start_response, *refusal)
        with _lock_of(call):
            return self._answer_with(self._moto, call, environ, start_response)

    def _answer_with(self, app: Wsgi, call: Call, environ: Environ, start_response: StartResponse) -> list[bytes]:
        try:
            return [b"".join(app(environ, start_response))]
        except Exception:  # noqa: BLE001 - the edge of a request: the server must survive it
            _log.exception("%s %s %s failed", call.service, call.method, call.target or call.path)
            failure = "localcloud failed; its log says why"
            return _answer(start_response, *refuse(call, "500 Internal Server Error", "InternalFailure", failure))


def _lock_of(call: Call) -> contextlib.AbstractContextManager[Any]:
    if call.service in {"dynamodb", "cloudformation"}:
        return service_lock(call.service)
    if call.service in {"s3", "logs"} and call.method not in _READING:
        return service_lock(call.service)
    return contextlib.nullcontext()


def _is_local(environ: Mapping[str, Any]) -> bool:
    origin = environ.get("HTTP_ORIGIN")
    return _is_loopback(f"//{environ.get('HTTP_HOST', 'localhost')}") and (origin is None or _is_loopback(origin))


def _is_loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def _answer(start_response: StartResponse, status: str, headers: Mapping[str, str], body: bytes) -> list[bytes]:
    named = {"Content-Type": "application/json", **headers, "Content-Length": str(len(body))}
    start_response(status, list(named.items()))
    return [body]
