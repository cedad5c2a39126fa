"""An execution environment: one process that runs one version of a function, one invocation at a time."""

from __future__ import annotations

import math
import queue
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from localcloud.engines.lambda_log import EnvironmentLog, Usage
from localcloud.engines.lambda_outcome import (
    Outcome,
    Verdict,
    exceed_response,
    exit_early,
    fail,
    fail_init,
    succeed,
    time_out,
)
from localcloud.engines.lambda_revision import Revision
from localcloud.process import Command, Supervisor
from localcloud.runtime_api import (
    MAXIMUM_RESPONSE_BYTES,
    Failed,
    InitFailed,
    Invocation,
    Ready,
    Responded,
    RuntimeApi,
    RuntimeEvent,
    TooLarge,
)

# As on AWS: loading the handler has ten seconds of its own, and what it takes beyond them counts as the invocation's.
_INIT_SECONDS = 10.0
_MIB_PER_CPU = 1769  # a function of this memory has one CPU
_OPEN_FILES = 1024
_STOP_GRACE_SECONDS = 0.5


@dataclass(frozen=True)
class Job:
    """What a caller wants run."""

    request_id: str
    payload: bytes
    invoked_arn: str
    trace_id: str
    client_context: str | None = None


@dataclass(frozen=True)
class Launch:
    """How to start the process of an environment; `scratch` is removed with it."""

    argv: tuple[str, ...]
    environment: dict[str, str]
    cwd: Path
    scratch: Path


@dataclass(frozen=True)
class _Exited:
    code: int


Prepare = Callable[[Revision, str, str], Launch]
"""(revision, log stream, address of the Runtime API) -> how to start it."""


class ExecutionEnvironment:
    """Starts at once; the first invocation waits until the handler is loaded.

    Attributes
    ----------
    usable
        Whether it may take another invocation.
    """

    def __init__(self, revision: Revision, supervisor: Supervisor, prepare: Prepare) -> None:
        self.revision = revision
        self.usable = True
        self._events: queue.SimpleQueue[RuntimeEvent | _Exited] = queue.SimpleQueue()
        self._log = EnvironmentLog(revision)
        self._api = RuntimeApi(self._events.put)
        self._began = time.monotonic()
        self._child_is_new = True
        self._peak_mib = 0.0
        self._runtime: psutil.Process | None = None
        try:
            self._launch = prepare(revision, self._log.stream, self._api.address)
            self._child = supervisor.start(
                Command(
                    self._launch.argv,
                    self._launch.environment,
                    self._launch.cwd,
                    memory_mib=revision.memory_mib,
                    cpus=revision.memory_mib / _MIB_PER_CPU,
                    ulimits={"nofile": (_OPEN_FILES, _OPEN_FILES)},
                ),
                on_line=self._log.take_line,
                on_exit=lambda code: self._events.put(_Exited(code)),
            )
        except BaseException:
            self._api.close()
            raise

    @property
    def alive(self) -> bool:
        """Whether the process runs and is fit for another invocation."""
        return self.usable and self._child.poll() is None

    def invoke(self, job: Job) -> Outcome:
        """Run one invocation to its end, however it ends."""
        verdict, init_ms = self._load(job) if self._child_is_new else (None, None)
        self._log.start(job.request_id)
        started = time.monotonic()
        if verdict is None:
            verdict = self._run(job)
        duration_ms = (time.monotonic() - started) * 1000
        self._peak_mib = max(self._peak_mib, self._measure_mib())
        if verdict.reusable:
            self._log.catch_up(self._child.pid)
            verdict = self._check_memory(job, verdict)
        self.usable = verdict.reusable
        if not self.usable:
            self._child.stop(0.0)
        usage = Usage(duration_ms, init_ms, self.revision.memory_mib, math.ceil(self._peak_mib))
        tail = self._log.end(job.request_id, usage, verdict)
        version = self.revision.identity.version
        return Outcome(job.request_id, verdict.payload, verdict.failed, version, tail, duration_ms)

    def stop(self) -> None:
        """End the process, and free the port and the scratch folder."""
        self.usable = False
        self._child.stop(_STOP_GRACE_SECONDS)
        self._api.close()
        self._log.send()
        shutil.rmtree(self._launch.scratch, ignore_errors=True)

    def _load(self, job: Job) -> tuple[Verdict | None, float | None]:
        """Wait for the handler to load; a verdict means that it will not."""
        self._child_is_new = False
        event = self._next_event(time.monotonic() + _INIT_SECONDS)
        verdict = None if event is None else self._judge(job, event)
        self._log.catch_up(self._child.pid)  # what loading printed comes before START
        return verdict, (time.monotonic() - self._began) * 1000

    def _run(self, job: Job) -> Verdict:
        timeout = self.revision.timeout_seconds
        until = time.monotonic() + timeout
        self._api.offer(
            Invocation(
                request_id=job.request_id,
                payload=job.payload,
                function_arn=job.invoked_arn,
                deadline_ms=int((time.time() + timeout) * 1000),
                trace_id=job.trace_id,
                client_context=job.client_context,
            )
        )
        while True:
            event = self._next_event(until)
            if event is None:
                return time_out(job.request_id, timeout)
            verdict = self._judge(job, event)
            if verdict is not None:
                return verdict

    def _next_event(self, until: float) -> RuntimeEvent | _Exited | None:
        try:
            return self._events.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            return None

    def _judge(self, job: Job, event: RuntimeEvent | _Exited) -> Verdict | None:
        match event:
            case Ready():
                return None
            case Responded(payload):
                return succeed(payload)
            case Failed(payload):
                return fail(payload)
            case InitFailed(payload):
                return fail_init(payload)
            case TooLarge():
                return exceed_response(job.request_id, MAXIMUM_RESPONSE_BYTES)
            case _Exited(code):
                return exit_early(job.request_id, code, out_of_memory=self._child.killed_for == "memory")

    def _check_memory(self, job: Job, verdict: Verdict) -> Verdict:
        # The supervisor looks four times a second; a shorter peak over the limit would have been fatal on AWS as well.
        if self._peak_mib <= self.revision.memory_mib:
            return verdict
        return exit_early(job.request_id, -signal.SIGKILL, out_of_memory=True)

    def _measure_mib(self) -> float:
        """Peak resident memory of the runtime's process in MiB; where there is no /proc, what it holds now."""
        try:
            if self._runtime is None:
                self._runtime = next(iter(psutil.Process(self._child.pid).children()), None)
            if self._runtime is None:
                return 0.0
            peak = _read_peak_mib(self._runtime.pid)
            return float(self._runtime.memory_info().rss) / 2**20 if peak is None else peak
        except psutil.Error:
            return float(self.revision.memory_mib) if self._child.killed_for == "memory" else 0.0


def _read_peak_mib(pid: int) -> float | None:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    line = next((line for line in status.splitlines() if line.startswith("VmHWM:")), None)
    return int(line.split()[1]) / 1024 if line else None
