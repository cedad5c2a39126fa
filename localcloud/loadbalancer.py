"""The data plane of ELBv2: listeners that answer on real ports, target groups whose servers are watched and drained."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import threading
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import aiohttp
from aiohttp import web

from localcloud.loadbalancer_metric import Observe
from localcloud.loadbalancer_probe import watch_target
from localcloud.loadbalancer_proxy import Listener, Proxy
from localcloud.loadbalancer_route import Rule
from localcloud.loadbalancer_target import HealthCheck, Target, TargetPool

_CONNECT_SECONDS = 10.0  # ALB's own
_IDLE_SECONDS = 60.0  # ALB's default
_REUSE_SECONDS = 3.0  # shorter than servers' own limit, so that none closes what we are about to use
_CALL_SECONDS = 10.0
_BACKLOG = 1024
_LINE_BYTES = 16 * 1024

T = TypeVar("T")


class PortUnavailable(Exception):
    """A listener's port cannot be opened here."""


class DataPlane:
    """All listeners and target groups, served by one event loop in a thread of its own.

    Every method may be called from any thread, and returns when what it asks for is in force.

    Parameters
    ----------
    addresses
        Where listeners listen; the first has to work, the others are used when the machine has them.
    idle_seconds
        How long a target may say nothing before the client gets a 504.
    observe
        Told of each exchange, in the thread that serves them all: it must be quick.
    """

    def __init__(
        self,
        addresses: Sequence[str] = ("127.0.0.1", "::1"),
        *,
        idle_seconds: float = _IDLE_SECONDS,
        observe: Observe = lambda *_: None,
    ) -> None:
        self._addresses = tuple(addresses)
        self._idle_seconds = idle_seconds
        self._observe = observe
        self._pools: dict[str, TargetPool] = {}
        self._listeners: dict[str, tuple[Listener, web.Server, list[asyncio.Server]]] = {}
        self._watches: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def open_listener(self, arn: str, port: int, rules: tuple[Rule, ...]) -> None:
        """Listen on a port.

        Raises
        ------
        PortUnavailable
            When another program has the port, or it needs a privilege.
        """
        sockets = self._bind(port)
        self._call(self._serve(arn, Listener(arn, port, rules), sockets))

    def check_port(self, port: int) -> None:
        """Raise PortUnavailable when a port cannot be opened."""
        for opened in self._bind(port):
            opened.close()

    def set_rules(self, arn: str, rules: tuple[Rule, ...]) -> None:
        """Exchange a listener's rules; requests under way end under the old ones."""
        listener = self._listeners[arn][0]
        listener.rules = rules
        listener.spreads = {}

    def close_listener(self, arn: str) -> None:
        """Free a listener's port; nothing happens when it has none."""
        entry = self._listeners.pop(arn, None)
        if entry is not None:
            self._call(_shut(entry[1], entry[2]))

    def set_group(self, arn: str, check: HealthCheck, *, least_outstanding: bool = False) -> None:
        """Add a target group, or change how its targets are looked at and chosen."""
        pool = self._pools.setdefault(arn, TargetPool(check))
        pool.set_check(check)
        pool.least_outstanding = least_outstanding

    def drop_group(self, arn: str) -> None:
        """Forget a target group and its targets."""
        pool = self._pools.pop(arn, None)
        for target in pool.targets() if pool is not None else []:
            target.removed.set()

    def pool(self, arn: str) -> TargetPool:
        """Return a target group's pool."""
        return self._pools[arn]

    def register(self, arn: str, host: str, port: int) -> None:
        """Add a server to a group and begin to look at it."""
        pool = self._pools[arn]
        target = pool.add(host, port)
        if target is not None:
            self._call(self._watch(pool, target))

    def deregister(self, arn: str, host: str, port: int, *, delay_seconds: float) -> threading.Event | None:
        """Give a server no more requests, and forget it when its last one ends or the delay is over.

        Returns
        -------
        threading.Event
            Set when the server is forgotten; None when it was not in.
        """
        pool = self._pools[arn]
        target = pool.drain(host, port)
        if target is None:
            return None
        self._call(self._forget_later(pool, target, delay_seconds))
        return target.removed

    def close(self) -> None:
        """Close every port and end the thread."""
        for arn in list(self._listeners):
            self.close_listener(arn)
        for arn in list(self._pools):
            self.drop_group(arn)
        if self._loop is not None and self._thread is not None:
            self._call(self._end())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            self._loop = self._thread = None

    def _bind(self, port: int) -> list[socket.socket]:
        sockets: list[socket.socket] = []
        for address in self._addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            try:
                sockets.append(_listen(family, address, port))
            except OSError as error:
                if not sockets:
                    raise PortUnavailable(
                        f"port {port} of {address} cannot be opened ({error.strerror}): choose another listener port"
                    ) from error
        return sockets

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._running_loop()).result(_CALL_SECONDS)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="loadbalancer", daemon=True)
                self._thread.start()
                asyncio.run_coroutine_threadsafe(self._begin(), self._loop).result(_CALL_SECONDS)
            return self._loop

    async def _begin(self) -> None:
        # No limit on connections and no cookies: the load balancer adds nothing of its own.
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_REUSE_SECONDS)
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=self._idle_seconds),
            max_line_size=_LINE_BYTES,
            max_field_size=_LINE_BYTES,
        )
        self._proxy = Proxy(self._pools, self._session, self._observe)

    async def _end(self) -> None:
        for task in self._watches:
            task.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        await self._session.close()

    async def _serve(self, arn: str, listener: Listener, sockets: list[socket.socket]) -> None:
        server = web.Server(
            functools.partial(self._proxy.answer, listener),
            access_log=None,
            handler_cancellation=True,
            keepalive_timeout=_IDLE_SECONDS,
            max_line_size=_LINE_BYTES,
            max_field_size=_LINE_BYTES,
        )
        loop = asyncio.get_running_loop()
        opened = [await loop.create_server(server, sock=each) for each in sockets]
        self._listeners[arn] = (listener, server, opened)

    async def _watch(self, pool: TargetPool, target: Target) -> None:
        self._keep(watch_target(pool, target, self._session))

    async def _forget_later(self, pool: TargetPool, target: Target, delay_seconds: float) -> None:
        self._keep(_forget(pool, target, delay_seconds))

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._watches.add(task)
        task.add_done_callback(self._watches.discard)


async def _forget(pool: TargetPool, target: Target, delay_seconds: float) -> None:
    deadline = asyncio.get_running_loop().time() + delay_seconds
    while not target.drained.is_set() and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.02)
    pool.remove(target)


async def _shut(server: web.Server, opened: list[asyncio.Server]) -> None:
    for each in opened:
        each.close()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(server.shutdown(timeout=1.0), timeout=5.0)


def _listen(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind((address, port))
        opened.listen(_BACKLOG)
        opened.setblocking(False)
    except OSError:
        opened.close()
        raise
    return opened
