"""One lock per service, for what moto does in several steps that AWS does in one: conditional writes above all."""

from __future__ import annotations

import threading

_guard = threading.Lock()
_locks: dict[str, threading.RLock] = {}


def service_lock(service: str) -> threading.RLock:
    """Return the lock of a service; whoever changes the service's state directly holds it while it does."""
    with _guard:
        return _locks.setdefault(service, threading.RLock())
