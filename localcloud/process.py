"""Child processes with an owner: each is a process group that ends with its command, on request, or with localcloud."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil

from localcloud.cgroup import Cgroup, Cgroups
from localcloud.confinement import Confinement, choose_cpus, niceness, usable_cpus

LINE_LIMIT_BYTES = 64 * 1024
_CLOSE_GRACE_SECONDS = 5.0
_DRAIN_SECONDS = 2.0  # a process that left the group may hold the output open
_LOOK_SECONDS = 0.25
_CPU_MARGIN_SECONDS = 5
_GUARD = str(Path(__file__).with_name("guard.py"))

_log = logging.getLogger(__name__)

OnLine = Callable[[str], None]
OnExit = Callable[[int], None]


@dataclass(frozen=True)
class Command:
    """What to run. Nothing of localcloud's own environment is passed on.

    Attributes
    ----------
    argv
        Program and arguments.
    environment
        The whole environment; start from `base_environment()`.
    cwd
        Working directory; it must exist.
    memory_mib
        Resident memory of the whole group, in MiB, above which it is killed; None for no limit.
    cpus
        CPUs that the group may use; None for all.
    time_seconds
        Age at which the group is killed, whatever its owner does; None for no limit.
    ulimits
        Soft and hard limits of each process, by the names of `confinement.ULIMITS`.
    lingers
        Whether what the command leaves behind runs on, as on a machine; else it ends with the command.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    cwd: Path
    memory_mib: int | None = None
    cpus: float | None = None
    time_seconds: float | None = None
    ulimits: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    lingers: bool = False

    @property
    def is_limited(self) -> bool:
        """Whether somebody has to look at it while it runs."""
        return self.memory_mib is not None or self.time_seconds is not None


def base_environment() -> dict[str, str]:
    """Return the few variables every program needs. HOME is no user's, so no user's AWS settings are read."""
    scratch = tempfile.gettempdir()
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "HOME": scratch,
        "TMPDIR": scratch,
    }


class Child:
    """One running process group.

    Attributes
    ----------
    pid
        Id of the group's leader, and of the group.
    started_at
        Seconds since the epoch.
    killed_for
        `"memory"` or `"time"` when the group was killed for exceeding its limit, else None.
    """

    def __init__(
        self,
        command: Command,
        confinement: Confinement | None = None,
        *,
        on_line: OnLine | None,
        on_exit: OnExit | None,
        cgroup: Cgroup | None = None,
    ) -> None:
        self.command = command
        self.confinement = confinement or Confinement()
        self._cgroup = cgroup
        self.started_at = time.time()
        self.killed_for: str | None = None
        self._on_line = on_line
        self._on_exit = on_exit
        self._ended = threading.Event()
        self._code: int | None = None
        self._report, report_end = os.pipe()
        try:
            self._process = _start_guard(command, self.confinement, report_end)
        except OSError:
            os.close(self._report)
            raise
        finally:
            os.close(report_end)
        self.pid = self._process.pid
        self._reader = threading.Thread(target=self._read, name=f"read-{self.pid}", daemon=True)
        self._waiter = threading.Thread(target=self._await, name=f"wait-{self.pid}", daemon=True)
        self._reader.start()
        self._waiter.start()

    def poll(self) -> int | None:
        """Return the exit code (negative: the signal), or None while it runs or its output is being read."""
        return self._code

    def wait(self, timeout_seconds: float | None = None) -> int | None:
        """Wait for the end; None when it has not come in time."""
        self._ended.wait(timeout_seconds)
        return self._code

    def stop(self, grace_seconds: float) -> int:
        """SIGTERM to the group, SIGKILL after the grace; return the exit code."""
        self.signal(signal.SIGTERM)
        if self.wait(grace_seconds) is None:
            self.signal(signal.SIGKILL)
            self._ended.wait()
        return self._code if self._code is not None else -signal.SIGKILL

    def signal(self, number: int) -> None:
        """Send a signal to the group, SIGKILL also to what has left it; nothing happens when it has ended."""
        if self._process.returncode is not None:
            return
        members = self._members() if number == signal.SIGKILL else []
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)
        for member in members:
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                member.send_signal(number)
        if number == signal.SIGKILL and self._cgroup is not None:
            self._cgroup.kill()

    def resident_mib(self) -> float:
        """Resident memory of the group without its guard, in MiB."""
        total = 0
        for member in self._members():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total += member.memory_info().rss
        return total / 2**20

    def look(self) -> None:
        """Kill the group when it is over a limit that only looking can hold."""
        memory, seconds = self.command.memory_mib, self.command.time_seconds
        if self.poll() is not None:
            return
        if memory is not None and self.resident_mib() > memory:
            self.killed_for = "memory"
            self.signal(signal.SIGKILL)
        elif seconds is not None and time.time() - self.started_at > seconds:
            self.killed_for = "time"
            self.signal(signal.SIGKILL)

    def _members(self) -> list[psutil.Process]:
        """Return what is below the guard, which adopts what leaves the group."""
        try:
            return list(psutil.Process(self.pid).children(recursive=True))
        except psutil.NoSuchProcess:
            return []

    def join(self, timeout_seconds: float) -> None:
        """Wait for the threads that serve this child, unless called from one of them."""
        for thread in (self._reader, self._waiter):
            if thread is not threading.current_thread():
                thread.join(timeout_seconds)

    def _read(self) -> None:
        stream = self._process.stdout
        if stream is None:  # cannot be: it is always a pipe
            return
        with stream:
            for line in _lines(stream):
                if self._on_line is not None:
                    try:
                        self._on_line(line)
                    except Exception:  # noqa: BLE001 - the owner's fault must not block the child's output
                        _log.exception("the reader of the output of %s failed", self.command.argv[0])

    def _await(self) -> None:
        code = self._process.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)  # somebody killed the guard alone
        with os.fdopen(self._report, "rb") as report:
            reported = report.read()
        self._reader.join(_DRAIN_SECONDS)
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self._cgroup is not None:
            self._leave(self._cgroup)
        self._code = int(reported) if reported else code
        self._ended.set()
        if self._on_exit is not None:
            try:
                self._on_exit(self._code)
            except Exception:  # noqa: BLE001 - the edge of this thread
                _log.exception("the owner of %s failed on its exit", self.command.argv[0])

    def _leave(self, cgroup: Cgroup) -> None:
        if self.killed_for is None and cgroup.ran_out_of_memory():
            self.killed_for = "memory"
        cgroup.kill()
        cgroup.remove()


def _start_guard(command: Command, confinement: Confinement, report: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", _GUARD, str(report), confinement.to_argument(), *command.argv],
        env=dict(command.environment),
        cwd=command.cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=(report,),
        start_new_session=True,
    )


def _lines(stream: IO[bytes]) -> Iterator[str]:
    while raw := stream.readline(LINE_LIMIT_BYTES):
        yield raw.decode("utf-8", errors="replace").rstrip("\r\n")


class Supervisor:
    """Starts children, holds them to their limits, and ends all of them at the end.

    Parameters
    ----------
    cgroups
        Where control groups can be made; without it, limits are held by affinity, niceness and looking.
    """

    def __init__(self, cgroups: Cgroups | None = None) -> None:
        self._cgroups = cgroups
        self._lock = threading.Lock()
        self._children: set[Child] = set()
        self._closed = threading.Event()
        self._watcher: threading.Thread | None = None

    @property
    def isolation(self) -> str:
        """How limits are held: `cgroup2`, or `watched`."""
        return "watched" if self._cgroups is None else "cgroup2"

    def start(self, command: Command, *, on_line: OnLine | None = None, on_exit: OnExit | None = None) -> Child:
        """Start a command in its own session.

        Parameters
        ----------
        command
            What to run.
        on_line
            Called with each line of output (stdout and stderr merged, without its end, at most 64 KiB).
        on_exit
            Called once with the exit code, after the last line.

        Raises
        ------
        RuntimeError
            After `close`.
        OSError
            When the working directory does not exist or no process can be made. A program that does not exist is
            told as a container runtime does: a line of output and exit code 127.
        """
        with self._lock:
            if self._closed.is_set():
                raise RuntimeError("localcloud is closing and starts nothing more")
            self._children = {child for child in self._children if child.poll() is None}
            cgroup = self._make_cgroup(command)
            child = Child(command, self._confine(command, cgroup), on_line=on_line, on_exit=on_exit, cgroup=cgroup)
            self._children.add(child)
            if command.is_limited and self._watcher is None:
                self._watcher = threading.Thread(target=self._watch, name="limits", daemon=True)
                self._watcher.start()
        return child

    def close(self) -> None:
        """End every child: SIGTERM to all, SIGKILL to those left after five seconds."""
        with self._lock:
            self._closed.set()
            children = list(self._children)
        for child in children:
            child.signal(signal.SIGTERM)
        deadline = time.monotonic() + _CLOSE_GRACE_SECONDS
        for child in children:
            if child.wait(max(0.0, deadline - time.monotonic())) is None:
                child.signal(signal.SIGKILL)
        for child in children:
            child.join(_CLOSE_GRACE_SECONDS)
        if self._watcher is not None:
            self._watcher.join()

    def _make_cgroup(self, command: Command) -> Cgroup | None:
        if self._cgroups is None or (command.cpus is None and command.memory_mib is None):
            return None
        cgroup = self._cgroups.make()
        if cgroup is not None:
            cgroup.limit(command.cpus, command.memory_mib)
        return cgroup

    def _confine(self, command: Command, cgroup: Cgroup | None) -> Confinement:
        limits = {"core": (0, 0), **command.ulimits}
        if command.time_seconds is not None:
            # Each process of the group could keep every CPU busy all the time, and no longer.
            seconds = math.ceil(command.time_seconds * len(usable_cpus())) + _CPU_MARGIN_SECONDS
            limits.setdefault("cpu", (seconds, seconds))
        if command.cpus is None or cgroup is not None:
            folder = cgroup.folder if cgroup is not None else None
            return Confinement(folder, limits=limits, lingers=command.lingers)
        cpus = choose_cpus(command.cpus, self._promised())
        return Confinement(None, cpus, niceness(command.cpus), limits, command.lingers)

    def _promised(self) -> dict[int, float]:
        load = dict.fromkeys(usable_cpus(), 0.0)
        for child in self._children:
            for cpu in child.confinement.cpus & load.keys():
                load[cpu] += (child.command.cpus or 0.0) / len(child.confinement.cpus)
        return load

    def _watch(self) -> None:
        # Not RLIMIT_AS: MXNet and BLAS reserve far more address space than they use.
        while not self._closed.wait(_LOOK_SECONDS):
            with self._lock:
                limited = [child for child in self._children if child.command.is_limited]
            for child in limited:
                child.look()
