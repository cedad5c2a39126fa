"""The processes of one job, one for each of its hosts: started together, watched, and ended together."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Protocol

from localcloud.process import Child, Command, Supervisor


class EndedBy(Enum):
    """What ended a job's processes."""

    ITSELF = "exit"
    STOP = "stop"
    TIMEOUT = "timeout"
    SPOT = "spot"
    WAIT = "wait"


class Interrupted(Exception):
    """The job must end while no process of it runs; the cause is `ended_by`."""

    def __init__(self, ended_by: EndedBy) -> None:
        super().__init__(ended_by.value)
        self.ended_by = ended_by


@dataclass(frozen=True)
class Exit:
    """How the processes ended: the first code that is not 0 (negative: the signal), and why."""

    code: int
    ended_by: EndedBy


class Watch(Protocol):
    """Who looks after a job while its processes run."""

    def reason_to_stop(self) -> EndedBy | None:
        """Return why the processes must end now, or None."""

    def announce_stop(self, why: EndedBy) -> None:
        """Tell pollers; called once, before the first signal."""

    def look(self) -> None:
        """Do what is done from time to time while the processes run."""

    def patience_seconds(self) -> float:
        """Return how long to sleep at most when nothing wakes us."""

    def is_closing(self) -> bool:
        """Whether localcloud ends, which leaves no time for a grace period."""


class Cluster:
    """Runs a job's commands, one process group for each host.

    Parameters
    ----------
    supervisor
        Starts them.
    wake
        Set when somebody should look at the job; it is set here when a process ends.
    grace_seconds
        Between SIGTERM and SIGKILL.
    """

    def __init__(self, supervisor: Supervisor, wake: threading.Event, grace_seconds: float) -> None:
        self._supervisor = supervisor
        self._wake = wake
        self._grace_seconds = grace_seconds

    def run(self, commands: Sequence[Command], watch: Watch, on_line: Callable[[int, str], None]) -> Exit:
        """Run the commands until all have succeeded, one has failed, or there is a reason to end them.

        Parameters
        ----------
        commands
            One for each host.
        watch
            Asked for reasons.
        on_line
            Gets the number of a host, from 0, and a line that it printed.
        """
        children: list[Child] = []
        try:
            for index, command in enumerate(commands):
                children.append(self._start(command, partial(on_line, index)))
            ended_by = self._watch(children, watch)
            if ended_by is not EndedBy.ITSELF:
                watch.announce_stop(ended_by)
                self._stop(children, watch)
            code = _first_failure(children)
        finally:
            for child in children:
                child.signal(signal.SIGKILL)
            for child in children:
                child.wait()
        return Exit(code if code is not None else -signal.SIGKILL, ended_by)

    def _start(self, command: Command, on_line: Callable[[str], None]) -> Child:
        return self._supervisor.start(command, on_line=on_line, on_exit=lambda _code: self._wake.set())

    def _watch(self, children: Sequence[Child], watch: Watch) -> EndedBy:
        while _first_failure(children) is None:
            found = watch.reason_to_stop()
            if found is not None:
                return found
            self._sleep(watch, watch.patience_seconds())
        return EndedBy.ITSELF

    def _stop(self, children: Sequence[Child], watch: Watch) -> None:
        """Ask the processes to end, and wait for them through the grace period at most."""
        for child in children:
            child.signal(signal.SIGTERM)
        patience = time.monotonic() + self._grace_seconds
        while not watch.is_closing() and time.monotonic() < patience and _runs(children):
            self._sleep(watch, min(watch.patience_seconds(), patience - time.monotonic()))

    def _sleep(self, watch: Watch, at_most_seconds: float) -> None:
        self._wake.wait(max(0.0, at_most_seconds))
        self._wake.clear()
        watch.look()


def _runs(children: Sequence[Child]) -> bool:
    return any(child.poll() is None for child in children)


def _first_failure(children: Sequence[Child]) -> int | None:
    """Return the first code that is not 0, 0 when all have succeeded, None while it is open."""
    codes = [child.poll() for child in children]
    failed = [code for code in codes if code]
    if failed:
        return failed[0]
    return None if None in codes else 0
