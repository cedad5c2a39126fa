"""Asynchronous invocations: accepted at once, run later, tried again twice when they fail."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from localcloud.engines.lambda_fleet import Throttled

_log = logging.getLogger(__name__)

# AWS waits one minute, then two; a laptop's clock runs sixty times faster.
RETRY_DELAYS_SECONDS = (1.0, 2.0)
_WORKERS = 8


@dataclass(frozen=True)
class Attempt:
    """What one try came to: whether to be content, and why not."""

    succeeded: bool
    reason: str = ""


class EventQueue:
    """Runs events on a few threads. What waits when localcloud ends is lost."""

    def __init__(self, delays_seconds: Sequence[float] = RETRY_DELAYS_SECONDS) -> None:
        self._delays = tuple(delays_seconds)
        self._closing = threading.Event()
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="lambda-event")
        self._waiting: set[threading.Timer] = set()
        self._lock = threading.Lock()

    def put(self, attempt: Callable[[], Attempt], *, name: str, retries: int = 2) -> None:
        """Run an event until it succeeds, at most `1 + retries` times."""
        self._submit(attempt, name, self._delays[:retries])

    def close(self) -> None:
        """Forget what waits, and take nothing more."""
        self._closing.set()
        with self._lock:
            for timer in self._waiting:
                timer.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def join(self) -> None:
        """Wait for what runs."""
        self._pool.shutdown()

    def _submit(self, attempt: Callable[[], Attempt], name: str, delays: Sequence[float]) -> None:
        with self._lock:
            if not self._closing.is_set():
                self._pool.submit(self._run, attempt, name, delays)

    def _run(self, attempt: Callable[[], Attempt], name: str, delays: Sequence[float]) -> None:
        try:
            result = attempt()
        except Throttled as error:
            result = Attempt(succeeded=False, reason=str(error))
        except Exception:  # noqa: BLE001 - the edge of this thread
            _log.exception("an event for the function %s was lost", name)
            return
        if result.succeeded:
            return
        if not delays:
            _log.warning("an event for the function %s is given up: %s", name, result.reason)
            return
        self._retry(attempt, name, delays)

    def _retry(self, attempt: Callable[[], Attempt], name: str, delays: Sequence[float]) -> None:
        def fire() -> None:
            with self._lock:
                self._waiting.discard(timer)
            self._submit(attempt, name, delays[1:])

        timer = threading.Timer(delays[0], fire)
        timer.daemon = True
        with self._lock:
            if not self._closing.is_set():
                self._waiting.add(timer)
                timer.start()
