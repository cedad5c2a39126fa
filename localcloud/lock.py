"""One lock per service, for what moto does in several steps that AWS does in one: conditional writes above all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_guard = threading.Lock()
_locks: dict[str, threading.RLock] = {}


@contextmanager
def every_lock() -> Iterator[None]:
    """Hold every service's lock: nothing that an engine does by itself happens meanwhile."""
    with _guard:
        found = [_locks[service] for service in sorted(_locks)]
    with ExitStack() as held:
        for lock in found:
            held.enter_context(lock)
        yield


def service_lock(service: str) -> threading.RLock:
    """Return the lock of a service; whoever changes the service's state directly holds it while it does."""
    with _guard:
        return _locks.setdefault(service, threading.RLock())
