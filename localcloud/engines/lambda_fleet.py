"""Keeps execution environments warm: one per concurrent invocation of a version, and ends those that idle."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from localcloud.engines.lambda_environment import ExecutionEnvironment, Job
from localcloud.engines.lambda_outcome import Outcome
from localcloud.engines.lambda_revision import Identity, Revision

_log = logging.getLogger(__name__)

Open = Callable[[Revision], ExecutionEnvironment]


class Throttled(Exception):
    """No environment is free, and no more may be started; the message is AWS's reason."""


@dataclass(frozen=True)
class Limits:
    """How many environments, and for how long.

    Attributes
    ----------
    per_version
        Environments of one version at the same time; a laptop has less room than AWS.
    queue_seconds
        How long an invocation waits for a free one. (AWS starts another instead.)
    idle_seconds
        How long an unused environment stays.
    """

    per_version: int = 4
    queue_seconds: float = 60.0
    idle_seconds: float = 300.0


@dataclass
class _Idle:
    environment: ExecutionEnvironment
    since: float


class Fleet:
    """All execution environments of this cloud."""

    def __init__(self, open_environment: Open, limits: Limits, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._open = open_environment
        self._limits = limits
        self._clock = clock
        self._changed = threading.Condition()
        self._idle: dict[Identity, list[_Idle]] = defaultdict(list)
        self._count: Counter[Identity] = Counter()
        self._running: Counter[str] = Counter()
        self._retired: set[Identity] = set()
        self._busy: set[ExecutionEnvironment] = set()
        self._closing = threading.Event()
        self._undertaker = ThreadPoolExecutor(max_workers=4, thread_name_prefix="lambda-end")
        self._reaper = threading.Thread(target=self._reap, name="lambda-reaper", daemon=True)
        self._reaper.start()

    def invoke(self, revision: Revision, job: Job, *, reserved: int | None = None) -> Outcome:
        """Run a job in a warm environment, or in a new one.

        Parameters
        ----------
        reserved
            The function's reserved concurrency; more invocations than that are refused at once.

        Raises
        ------
        Throttled
            When the reserved concurrency is used up, or no environment came free in time.
        """
        with self._admit(revision.identity.arn, reserved), self._lease(revision) as environment:
            return environment.invoke(job)

    def count_running(self, arn: str) -> int:
        """Return how many invocations of a function run, of whichever version."""
        with self._changed:
            return self._running[arn]

    def retire(self, matches: Callable[[Identity], bool]) -> None:
        """End the environments of some versions: idle ones now, busy ones after their invocation."""
        with self._changed:
            found = [identity for identity in self._count if matches(identity)]
            self._retired.update(found)
            ending = [idle.environment for identity in found for idle in self._idle.pop(identity, [])]
        self._end(ending)

    def close(self) -> None:
        """End every environment, and the threads that look after them; who waits for an answer gets an error."""
        self._closing.set()
        self.retire(lambda _: True)
        with self._changed:
            busy = list(self._busy)
        for environment in busy:
            environment.stop()
        self._reaper.join()
        self._undertaker.shutdown()

    @contextmanager
    def _admit(self, arn: str, reserved: int | None) -> Iterator[None]:
        with self._changed:
            if reserved is not None and self._running[arn] >= reserved:
                raise Throttled("ReservedFunctionConcurrentInvocationLimitExceeded")
            self._running[arn] += 1
        try:
            yield
        finally:
            with self._changed:
                self._running[arn] -= 1

    @contextmanager
    def _lease(self, revision: Revision) -> Iterator[ExecutionEnvironment]:
        environment = self._take(revision) or self._start(revision)
        with self._changed:
            self._busy.add(environment)
        try:
            yield environment
        except BaseException:
            environment.usable = False
            raise
        finally:
            self._give_back(environment)

    def _take(self, revision: Revision) -> ExecutionEnvironment | None:
        """Return a warm environment; `None` reserves the place for a new one."""
        identity = revision.identity
        until = self._clock() + self._limits.queue_seconds
        with self._changed:
            while True:
                if warm := self._pop_warm(identity):
                    return warm
                if self._count[identity] < self._limits.per_version:
                    self._count[identity] += 1
                    return None
                if not self._changed.wait(until - self._clock()) and self._clock() >= until:
                    raise Throttled("ConcurrentInvocationLimitExceeded")

    def _pop_warm(self, identity: Identity) -> ExecutionEnvironment | None:
        idle = self._idle[identity]
        while idle:
            environment = idle.pop().environment  # the last used first, so that the others can end
            if environment.alive:
                return environment
            self._end([environment])
        return None

    def _start(self, revision: Revision) -> ExecutionEnvironment:
        try:
            return self._open(revision)
        except BaseException:
            self._release_place(revision.identity)
            raise

    def _give_back(self, environment: ExecutionEnvironment) -> None:
        identity = environment.revision.identity
        with self._changed:
            self._busy.discard(environment)
            keep = environment.alive and identity not in self._retired and not self._closing.is_set()
            if keep:
                self._idle[identity].append(_Idle(environment, self._clock()))
                self._changed.notify()
        if not keep:
            self._end([environment])

    def _release_place(self, identity: Identity) -> None:
        with self._changed:
            self._count[identity] -= 1
            if not self._count[identity]:
                del self._count[identity]
                self._retired.discard(identity)
            self._changed.notify()

    def _end(self, environments: list[ExecutionEnvironment]) -> None:
        for environment in environments:
            self._release_place(environment.revision.identity)
            try:
                self._undertaker.submit(environment.stop)  # takes a moment, and the caller waits for its answer
            except RuntimeError:  # closing: nobody is left to do it later
                environment.stop()

    def _reap(self) -> None:
        while not self._closing.wait(min(10.0, self._limits.idle_seconds / 4)):
            oldest = self._clock() - self._limits.idle_seconds
            with self._changed:
                ending = [idle for found in self._idle.values() for idle in found if idle.since < oldest]
                for idle in ending:
                    self._idle[idle.environment.revision.identity].remove(idle)
            for idle in ending:
                _log.info("ending an idle environment of %s", idle.environment.revision.identity.arn)
            self._end([idle.environment for idle in ending])
