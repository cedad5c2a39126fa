"""The clock of CloudWatch: samples what has a level, and evaluates each alarm when a period of its may have ended."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Iterable
from typing import Any

from localcloud.engines.cloudwatch_alarm import period_of
from localcloud.engines.cloudwatch_backend import Backend
from localcloud.metric import Metrics

_MINUTE_SECONDS = 60
_SHORT_SECONDS = 10
_LOOK_SECONDS = 2.0
_SETTLE_SECONDS = 2.0  # log lines and answers of the last moment of a period are still on their way

_log = logging.getLogger(__name__)


class AlarmLoop:
    """Evaluates alarms until it is closed.

    Parameters
    ----------
    metrics
        Their clock says what time it is.
    backends
        Returns the backends of all accounts and regions.
    """

    def __init__(self, metrics: Metrics, backends: Callable[[], Iterable[Backend]]) -> None:
        self._metrics = metrics
        self._backends = backends
        self._evaluated: weakref.WeakKeyDictionary[Any, float] = weakref.WeakKeyDictionary()
        self._sampled = 0.0
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="alarms", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End, after the alarm under way."""
        self._closed.set()
        self._thread.join()

    def step(self) -> None:
        """Do what is due: at most once in ten seconds the levels, each alarm once for each end of a period."""
        now = self._metrics.clock()
        if now // _SHORT_SECONDS != self._sampled // _SHORT_SECONDS:
            self._sampled = now
            self._metrics.read_gauges()
        for backend in self._backends():
            for alarm in list(backend.alarms.values()):
                self._look(backend, alarm, now)

    def _look(self, backend: Backend, alarm: Any, now: float) -> None:
        try:
            if alarm.rule is not None:
                backend.evaluate_composite(alarm)
                return
            grain = min(period_of(alarm), _MINUTE_SECONDS)
            end = (now - _SETTLE_SECONDS) // grain * grain
            if self._evaluated.get(alarm) != end:
                self._evaluated[alarm] = end
                backend.evaluate_alarm(alarm, end)
        except Exception:  # noqa: BLE001 - the edge of this thread: one alarm's trouble must not stop the others
            _log.exception("the alarm %s could not be evaluated", alarm.name)

    def _run(self) -> None:
        while not self._closed.wait(_LOOK_SECONDS):
            try:
                self.step()
            except Exception:  # noqa: BLE001 - the edge of this thread
                _log.exception("the metrics could not be sampled")
