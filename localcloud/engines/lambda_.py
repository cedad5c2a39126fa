"""Lambda that runs functions: versions, weighted aliases, warm environments, function URLs, logs."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator

from moto.awslambda.models import LambdaBackend, lambda_backends

from localcloud.backend import every_backend
from localcloud.engine import Engine, Host
from localcloud.engines.lambda_backend import Backend
from localcloud.engines.lambda_environment import ExecutionEnvironment
from localcloud.engines.lambda_fleet import Fleet, Limits
from localcloud.engines.lambda_invoke import Services
from localcloud.engines.lambda_launch import Launcher
from localcloud.engines.lambda_queue import RETRY_DELAYS_SECONDS, EventQueue
from localcloud.engines.lambda_responses import replace_answers
from localcloud.engines.lambda_template import replace_resources

_SETTLE_SECONDS = 0.25


class LambdaEngine:
    """Hooks into moto's Lambda.

    Parameters
    ----------
    limits
        How many environments stay for how long.
    draw
        Decides about weighted aliases: returns a number from 0 up to but not including 1.
    settle_seconds
        How long a function shows `Pending` after it is made, and `InProgress` after a change, in seconds of `clock`.
    retry_delays_seconds
        Pauses before the retries of an asynchronous invocation.
    """

    name = "lambda"

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        draw: Callable[[], float] = random.random,
        settle_seconds: float = _SETTLE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        retry_delays_seconds: tuple[float, ...] = RETRY_DELAYS_SECONDS,
    ) -> None:
        self._limits = limits or Limits()
        self._draw = draw
        self._settle_seconds = settle_seconds
        self._clock = clock
        self._delays = retry_delays_seconds
        self._undo: list[Callable[[], None]] = []

    def install(self, host: Host) -> None:
        """Replace moto's backend, responses and CloudFormation resources."""
        launcher = Launcher(host)
        fleet = Fleet(lambda r: ExecutionEnvironment(r, host.supervisor, launcher.prepare), self._limits)
        events = EventQueue(self._delays)
        services = Services(host, fleet, events, self._draw, self._settle_seconds, self._clock)
        # moto finds a service's URLs by the module of its backend class.
        lambda_backends.clear()
        lambda_backends.backend = type(
            "LambdaBackend", (Backend,), {"services": services, "__module__": LambdaBackend.__module__}
        )
        self._undo = [
            launcher.close,
            replace_resources(),
            replace_answers(),
            _restore_backend,
            events.join,
            fleet.close,
            events.close,
            _close_backends,
        ]

    def resume(self) -> None:
        """Open the function URLs again; environments are cold, and no change is under way any more."""
        for backend in _backends():
            backend.resume()

    def close(self) -> None:
        """End URLs, queued events and environments, and undo what `install` changed."""
        while self._undo:
            self._undo.pop()()


def engine() -> Engine:
    """Return the engine, for `load_engines`."""
    return LambdaEngine()


def _backends() -> Iterator[Backend]:
    return every_backend(lambda_backends, Backend)


def _close_backends() -> None:
    for backend in _backends():
        backend.close()


def _restore_backend() -> None:
    lambda_backends.backend = LambdaBackend
    lambda_backends.clear()
