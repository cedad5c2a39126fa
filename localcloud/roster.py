"""The engines of a running localcloud: those of the plain services at once, the others when somebody asks for them.

Loading moto's EC2 and CloudFormation takes longer than everything else together; who only keeps objects and items does
not wait for them.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Sequence

from localcloud.chain import Answer, Environ, Exchange, Next, StartResponse, Wsgi
from localcloud.engine import Engine, Host

# Services whose calls reach no engine but their own, by their signing names; an engine of that name is loaded at once.
PLAIN_SERVICES = frozenset({"s3", "dynamodb", "sqs", "sts", "iam"})


class Roster:
    """Installs engines, and lets go of them.

    Parameters
    ----------
    given
        The engines to install; None for all that there are, each when it is needed.
    """

    def __init__(self, given: Sequence[Engine] | None = None) -> None:
        self._given = given
        self._installed: list[Engine] = []
        self._lock = threading.Lock()
        self._waits = given is None
        self._host: Host | None = None

    @property
    def names(self) -> list[str]:
        """What can be asked for: the names of the engines, loaded or not."""
        from localcloud.engines import engine_names

        return [engine.name for engine in self._installed] if self._given is not None else engine_names()

    def install(self, host: Host, services: Collection[str] = ()) -> None:
        """Install what is given, or what the plain services need; all when other services are named."""
        from localcloud.engines import load_engines

        self._host = host
        self._add(load_engines(PLAIN_SERVICES) if self._given is None else self._given)
        for service in services:
            self.need(service)

    def need(self, service: str) -> None:
        """Install the rest unless a service is a plain one."""
        if not self._waits or service in PLAIN_SERVICES:
            return
        with self._lock:
            if self._waits:
                from localcloud.engines import load_engines

                known = {engine.name for engine in self._installed}
                self._add([engine for engine in load_engines() if engine.name not in known])
                self._waits = False

    def resume(self) -> None:
        """Let each engine take up what an earlier localcloud left."""
        for engine in self._installed:
            engine.resume()

    def close(self) -> None:
        """Let go of every engine, the last one first. Can be called again."""
        while self._installed:
            self._installed.pop().close()

    def awaken(self, exchange: Exchange, then: Next) -> Answer:
        """The step that makes sure that a call finds its engine."""
        if self._waits:
            call = exchange.head
            # A call without a signature says no more than its target: moto finds out by itself whose it is.
            signed = "authorization" in call.headers or call.method in {"GET", "HEAD", "PUT"}
            self.need(call.service if signed else "")
        return then(exchange)

    def awakening(self, moto: Wsgi) -> Wsgi:
        """Return a WSGI application that makes sure of every engine before it asks moto."""

        def ask(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            self.need("")
            return moto(environ, start_response)

        return ask

    def _add(self, engines: Sequence[Engine]) -> None:
        assert self._host is not None  # noqa: S101 - install comes first
        for engine in engines:
            self._installed.append(engine)
            engine.install(self._host)
