"""A request's way through localcloud: a chain of small steps, each of which answers it or passes it on.

A step is a function of the exchange and of what comes after it. It may answer by itself, look at the exchange and pass
it on, or change the answer on the way back. `localcloud/server.py` says in which order the steps stand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from typing import Any

from localcloud.principal import Principal
from localcloud.request import Call, read_call

STREAMS_KEY = "localcloud.streams"
DOWNLOAD_KEY = "localcloud.download"

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]
Wsgi = Callable[[Environ, StartResponse], Iterable[bytes]]


class ConnectionCut(Exception):
    """The connection ends here, as if the network had failed: nothing more is sent."""


@dataclass
class Exchange:
    """One request on its way.

    Attributes
    ----------
    environ
        WSGI's; a step may change it for those after it.
    principal
        Who calls, once that is known.
    operation
        What the call asks for, by AWS's name, once that is known.
    """

    environ: Environ
    principal: Principal | None = None
    operation: str = ""

    @property
    def path(self) -> str:
        """The decoded path."""
        return str(self.environ.get("PATH_INFO", ""))

    @cached_property
    def call(self) -> Call:
        """The call that the request stands for; the first look at it reads the body."""
        body = self.environ["wsgi.input"].read()
        self.environ["wsgi.input"] = BytesIO(body)
        return read_call(self.environ, body)

    @property
    def head(self) -> Call:
        """The call without its body: nothing is read."""
        return read_call(self.environ, b"")


@dataclass(frozen=True)
class Answer:
    """What goes back.

    Attributes
    ----------
    status
        Status line, for example `200 OK`.
    headers
        Names and values, in their order.
    body
        Parts of the body.
    """

    status: str
    headers: list[tuple[str, str]]
    body: Iterable[bytes] = field(default_factory=tuple)


Next = Callable[[Exchange], Answer]
Step = Callable[[Exchange, Next], Answer]


def link(steps: Sequence[Step], last: Next) -> Next:
    """Return the chain as one function: the first step is asked first."""
    chain = last
    for step in reversed(steps):
        chain = _joint(step, chain)
    return chain


def _joint(step: Step, then: Next) -> Next:
    return lambda exchange: step(exchange, then)


def tell(status: str, headers: Mapping[str, str], body: bytes) -> Answer:
    """Return an answer of one piece; JSON unless the headers say otherwise."""
    named = {"Content-Type": "application/json", **headers, "Content-Length": str(len(body))}
    return Answer(status, list(named.items()), [body])


def ask_wsgi(app: Wsgi, exchange: Exchange) -> Answer:
    """Return what a WSGI application answers."""
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], _error: Any = None) -> None:
        started.append((status, headers))

    exchange.environ[STREAMS_KEY] = True
    body = [b"".join(app(exchange.environ, start_response))]
    download = exchange.environ.pop(DOWNLOAD_KEY, None)  # a large object is no part of the answer until it is sent
    return Answer(*started[-1], body if download is None else download)
