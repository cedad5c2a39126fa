"""The threads that keep things as they should be: one step for each, again and again, and at once after a change."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from localcloud.engines.ecs_rollout import ServiceScheduler
from localcloud.engines.ecs_service import LocalService
from localcloud.lock import service_lock

_BUSY_SECONDS = 0.05
_CALM_SECONDS = 0.5

_log = logging.getLogger(__name__)


class ServiceLoop:
    """Reconciles services until it is closed.

    Parameters
    ----------
    services
        Returns the services of all accounts and regions.
    """

    def __init__(self, services: Callable[[], Iterable[LocalService]]) -> None:
        self._services = services
        self._changed = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, scheduler: ServiceScheduler) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, args=(scheduler,), name="ecs-scheduler", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Look at every service now."""
        self._changed.set()

    def close(self) -> None:
        """End, after the step under way."""
        self._closed.set()
        self.wake()
        if self._thread is not None:
            self._thread.join()

    def _run(self, scheduler: ServiceScheduler) -> None:
        lock = service_lock("ecs")
        while not self._closed.is_set():
            self._changed.clear()
            calm = True
            with lock:
                for service in list(self._services()):
                    calm = self._reconcile(scheduler, service) and calm
            self._changed.wait(_CALM_SECONDS if calm else _BUSY_SECONDS)

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


class PlacementLoop:
    """Places waiting tasks until it is closed.

    Parameters
    ----------
    backends
        Returns ECS of all accounts and regions.
    """

    def __init__(self, backends: Callable[[], Iterable[Placing]]) -> None:
        self._backends = backends
        self._changed = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ecs-placement", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Look at everything now."""
        self._changed.set()

    def close(self) -> None:
        """End, after the step under way."""
        self._closed.set()
        self.wake()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.is_set():
            self._changed.clear()
            for backend in self._backends():
                try:
                    backend.place_waiting()
                except Exception:  # noqa: BLE001 - the edge of this thread
                    _log.exception("tasks could not be placed")
            self._changed.wait(_CALM_SECONDS)
