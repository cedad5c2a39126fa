"""One request through the load balancer: choose a target, pass it on, and fail as an Application Load Balancer does."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from localcloud.loadbalancer_metric import Exchange, Observe
from localcloud.loadbalancer_route import (
    Action,
    FixedResponse,
    Forward,
    Incoming,
    Redirect,
    Rule,
    Spread,
    choose_action,
    fill_redirect,
)
from localcloud.loadbalancer_target import Target, TargetPool

_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-connection", "te", "trailer", "transfer-encoding"}
    | {"upgrade", "expect"}
)
_SMALL_BYTES = 64 * 1024  # bodies up to this size are passed on in one piece
_AUTOMATIC = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")  # the target sees what the client sent
_REASONS = {502: "Bad Gateway", 503: "Service Temporarily Unavailable", 504: "Gateway Time-out"}

_COUNTED_HERE: Mapping[type, str] = {
    FixedResponse: "HTTP_Fixed_Response_Count",
    Redirect: "HTTP_Redirect_Count",
}

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class Listener:
    """A port and the rules that hold on it; the rules may be exchanged between two requests."""

    arn: str
    port: int
    rules: tuple[Rule, ...]
    spreads: dict[Forward, Spread] = field(default_factory=dict)

    def choose_group(self, action: Forward) -> str | None:
        """Return the target group whose turn it is."""
        if action not in self.spreads:
            self.spreads[action] = Spread(action.weights)
        return self.spreads[action].choose()


@dataclass(frozen=True)
class Outgoing:
    """A request as a target gets it."""

    request: web.BaseRequest
    headers: CIMultiDict[str]
    body: object


class Proxy:
    """Answers the requests of all listeners. Lives in one event loop.

    Parameters
    ----------
    pools
        Target groups by ARN; looked up anew for each request.
    session
        Client for the targets; it must not decode bodies.
    observe
        Told of each exchange and the status of its answer.
    """

    def __init__(
        self, pools: Mapping[str, TargetPool], session: aiohttp.ClientSession, observe: Observe = lambda *_: None
    ) -> None:
        self._pools = pools
        self._session = session
        self._observe = observe

    async def answer(self, listener: Listener, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        incoming = _read_incoming(request)
        action = choose_action(listener.rules, incoming)
        exchange = Exchange(listener.arn)
        if isinstance(action, Forward):
            response = await self._forward(listener, action, request, exchange)
        else:
            exchange.answered_here = _COUNTED_HERE.get(type(action), "")
            response = _answer_here(action, incoming, listener.port)
        self._observe(exchange, response.status)
        return response

    async def _forward(
        self, listener: Listener, action: Forward, request: web.BaseRequest, exchange: Exchange
    ) -> web.StreamResponse:
        exchange.group = listener.choose_group(action) or ""
        pool = self._pools.get(exchange.group)
        if pool is None:
            return _failure(503)
        headers = _request_headers(request, listener.port)
        outgoing = Outgoing(request, headers, await _request_body(request))
        return await self._try_targets(pool, outgoing, exchange)

    async def _try_targets(self, pool: TargetPool, outgoing: Outgoing, exchange: Exchange) -> web.StreamResponse:
        tried: list[Target] = []
        status = 503
        while (target := pool.acquire(but=tried)) is not None:
            exchange.chosen = True
            try:
                return await self._exchange(target, outgoing, exchange)
            except aiohttp.ConnectionTimeoutError:
                status = 504
            except aiohttp.ClientConnectorError:
                status = 502
            except TimeoutError:
                exchange.target_status = None
                return _failure(504)
            except aiohttp.ClientError as error:
                _log.info("target %s:%s failed: %s", target.host, target.port, error)
                exchange.target_status = None
                return _failure(502)
            finally:
                pool.release(target)
            exchange.connection_errors += 1
            tried.append(target)  # it never got a byte of the request: another one may
        return _failure(status)

    async def _exchange(self, target: Target, outgoing: Outgoing, exchange: Exchange) -> web.StreamResponse:
        request, began = outgoing.request, time.monotonic()
        async with self._session.request(
            request.method,
            _target_url(target, request),
            headers=outgoing.headers,
            data=outgoing.body,
            allow_redirects=False,
            skip_auto_headers=_AUTOMATIC,
        ) as answer:
            exchange.target_status, exchange.target_seconds = answer.status, time.monotonic() - began
            length = answer.content_length
            if request.method != "HEAD" and length is not None and length <= _SMALL_BYTES:
                content = await answer.read()
                kept = _end_to_end(answer.headers)
                kept.popall("Content-Length", None)
                return web.Response(status=answer.status, reason=answer.reason, headers=kept, body=content)
            return await _stream(answer, request)


async def _stream(answer: aiohttp.ClientResponse, request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=_end_to_end(answer.headers))
    await response.prepare(request)
    try:
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
    except (aiohttp.ClientError, TimeoutError) as error:
        # The status is out already: a cut connection is the only way left to say that the body is not whole.
        _log.info("the target ended in the middle of its answer: %s", error)
        if request.transport is not None:
            request.transport.abort()
        return response
    await response.write_eof()
    return response


async def _request_body(request: web.BaseRequest) -> object:
    if not request.can_read_body:
        return None
    length = request.content_length
    if length is not None and length <= _SMALL_BYTES:
        return await request.read()
    return request.content


def _target_url(target: Target, request: web.BaseRequest) -> URL:
    raw = request.raw_path
    path = raw if raw.startswith("/") else request.path_qs
    return URL(f"http://{target.host}:{target.port}{path}", encoded=True)


def _request_headers(request: web.BaseRequest, port: int) -> CIMultiDict[str]:
    headers = _end_to_end(request.headers)
    source = request.remote or ""
    known = request.headers.get("X-Forwarded-For")
    headers["X-Forwarded-For"] = f"{known}, {source}" if known else source
    headers["X-Forwarded-Proto"] = "http"
    headers["X-Forwarded-Port"] = str(port)
    if "X-Amzn-Trace-Id" not in headers:
        headers["X-Amzn-Trace-Id"] = f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)}"
    return headers


def _end_to_end(headers: Mapping[str, str]) -> CIMultiDict[str]:
    named = {name.strip().lower() for name in headers.get("Connection", "").split(",")}
    dropped = _HOP_BY_HOP | named
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in dropped)


def _read_incoming(request: web.BaseRequest) -> Incoming:
    return Incoming(
        method=request.method,
        host=request.headers.get("Host", ""),
        path=request.rel_url.raw_path,
        query=tuple(request.rel_url.query.items()),
        headers=request.headers,
        source=request.remote or "127.0.0.1",
    )


def _answer_here(action: Action | None, incoming: Incoming, port: int) -> web.Response:
    if isinstance(action, FixedResponse):
        headers = {"Content-Type": action.content_type, "Server": "awselb/2.0"}
        return web.Response(status=action.status, body=action.body.encode(), headers=headers)
    if isinstance(action, Redirect):
        location = fill_redirect(action, incoming, port)
        return web.Response(status=action.status, headers={"Location": location, "Server": "awselb/2.0"})
    return _failure(503)


def _failure(status: int) -> web.Response:
    title = f"{status} {_REASONS[status]}"
    page = f"<html><head><title>{title}</title></head><body><center><h1>{title}</h1></center></body></html>\r\n"
    return web.Response(status=status, text=page, content_type="text/html", headers={"Server": "awselb/2.0"})
