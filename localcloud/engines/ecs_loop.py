"""The threads that keep things as they should be: one step for each, again and again, and at once after a change."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

from localcloud.engines.ecs_rollout import ServiceScheduler
from localcloud.engines.ecs_service import LocalService
from localcloud.lock import service_lock

_BUSY_SECONDS = 0.05
_CALM_SECONDS = 0.5

_log = logging.getLogger(__name__)


class _Loop:
    """A thread that takes one step after another until it is closed."""

    def __init__(self) -> None:
        self._changed = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Take the next step now."""
        self._changed.set()

    def close(self) -> None:
        """End, after the step under way."""
        self._closed.set()
        self.wake()
        if self._thread is not None:
            self._thread.join()

    def _begin(self, name: str, step: Callable[[], float]) -> None:
        """Start the thread; a step returns the seconds until the next one, unless it is woken."""
        self._thread = threading.Thread(target=self._repeat, args=(step,), name=name, daemon=True)
        self._thread.start()

    def _repeat(self, step: Callable[[], float]) -> None:
        while not self._closed.is_set():
            self._changed.clear()
            self._changed.wait(step())


class ServiceLoop(_Loop):
    """Reconciles services until it is closed.

    Parameters
    ----------
    services
        Returns the services of all accounts and regions.
    """

    def __init__(self, services: Callable[[], Iterable[LocalService]]) -> None:
        super().__init__()
        self._services = services

    def start(self, scheduler: ServiceScheduler) -> None:
        """Begin."""
        self._begin("ecs-scheduler", partial(self._step, scheduler))

    def _step(self, scheduler: ServiceScheduler) -> float:
        with service_lock("ecs"):
            calm = [self._reconcile(scheduler, service) for service in list(self._services())]
        return _CALM_SECONDS if all(calm) else _BUSY_SECONDS

    def _reconcile(self, scheduler: ServiceScheduler, service: LocalService) -> bool:
        try:
            scheduler.reconcile(service, time.monotonic())
        except Exception:  # noqa: BLE001 - the edge of this thread: one service's trouble must not stop the others
            _log.exception("service %s could not be reconciled", service.name)
        return service.steady or service.status == "INACTIVE"


class Placing(Protocol):
    """ECS of one account and region."""

    def place_waiting(self) -> None:
        """Place what waits for capacity, and let groups grow and shrink."""


class PlacementLoop(_Loop):
    """Places waiting tasks until it is closed.

    Parameters
    ----------
    backends
        Returns ECS of all accounts and regions.
    """

    def __init__(self, backends: Callable[[], Iterable[Placing]]) -> None:
        super().__init__()
        self._backends = backends

    def start(self) -> None:
        """Begin."""
        self._begin("ecs-placement", self._step)

    def _step(self) -> float:
        for backend in self._backends():
            try:
                backend.place_waiting()
            except Exception:  # noqa: BLE001 - the edge of this thread
                _log.exception("tasks could not be placed")
        return _CALM_SECONDS
