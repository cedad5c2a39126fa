"""The log of one execution environment: its lines in CloudWatch Logs, and the tail that Invoke can return."""

from __future__ import annotations

import contextlib
import math
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from localcloud.engines.lambda_outcome import Verdict
from localcloud.engines.lambda_revision import Revision
from localcloud.journal import LogStream

TAIL_BYTES = 4096
_FLUSH_SECONDS = 0.5
_FENCE_WAIT_SECONDS = 1.0


@dataclass(frozen=True)
class Usage:
    """What an invocation took. `init_ms` is `None` in a warm environment."""

    duration_ms: float
    init_ms: float | None
    memory_mib: int
    memory_used_mib: int


def name_stream(version: str, now: datetime) -> str:
    """Return a new stream's name, of the form `2030/01/31/[7]0123456789abcdef0123456789abcdef`."""
    return f"{now.astimezone(UTC):%Y/%m/%d}/[{version}]{secrets.token_hex(16)}"


def describe_report(request_id: str, usage: Usage, verdict: Verdict) -> str:
    """Return the REPORT line. Billed is what AWS would bill: duration and initialization, rounded up to 1 ms."""
    billed = math.ceil(usage.duration_ms + (usage.init_ms or 0.0))
    parts = [
        f"REPORT RequestId: {request_id}",
        f"Duration: {usage.duration_ms:.2f} ms",
        f"Billed Duration: {billed} ms",
        f"Memory Size: {usage.memory_mib} MB",
        f"Max Memory Used: {min(usage.memory_used_mib, usage.memory_mib)} MB",
    ]
    if usage.init_ms is not None:
        parts.append(f"Init Duration: {usage.init_ms:.2f} ms")
    if verdict.status:
        parts.append(f"Status: {verdict.status}")
    if verdict.error_type:
        parts.append(f"Error Type: {verdict.error_type}")
    return "\t".join(parts)


class EnvironmentLog:
    """Collects what one environment prints, between the lines that Lambda itself writes."""

    def __init__(self, revision: Revision, *, clock: Callable[[], float] = time.monotonic) -> None:
        identity = revision.identity
        self.stream = name_stream(identity.version, datetime.now(UTC))
        self._version = identity.version
        self._out = LogStream(revision.log_group, self.stream, region=identity.region, account=identity.account)
        self._clock = clock
        self._lock = threading.Lock()
        self._unsent: list[str] = []
        self._unsent_since = 0.0
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._fence = f"-- {secrets.token_hex(16)} --"
        self._fenced = threading.Event()

    def take_line(self, line: str) -> None:
        """Take a line of output; called on the thread that reads it."""
        if line == self._fence:
            self._fenced.set()
        elif line:
            self._append(line)

    def start(self, request_id: str) -> None:
        """Begin an invocation: the tail holds its lines only."""
        with self._lock:
            self._tail.clear()
            self._tail_size = 0
        self._append(f"START RequestId: {request_id} Version: {self._version}")

    def end(self, request_id: str, usage: Usage, verdict: Verdict) -> bytes:
        """Write the closing lines, send everything, and return the tail, at most 4 KiB."""
        for line in (verdict.message or "").splitlines():
            self._append(line)
        self._append(f"END RequestId: {request_id}")
        self._append(describe_report(request_id, usage, verdict))
        self.send()
        with self._lock:
            return b"".join(self._tail)[-TAIL_BYTES:]

    def catch_up(self, pid: int) -> None:
        """Wait until the lines that a process has printed so far have been taken.

        A line of our own goes through the process's own output pipe: when it comes out, all before it has.
        Without /proc the last lines of an invocation may come after its END.
        """
        self._fenced.clear()
        with contextlib.suppress(OSError):
            pipe = os.open(f"/proc/{pid}/fd/1", os.O_WRONLY | os.O_NONBLOCK)
            try:
                os.write(pipe, f"\n{self._fence}\n".encode())
            finally:
                os.close(pipe)
            self._fenced.wait(_FENCE_WAIT_SECONDS)

    def send(self) -> None:
        """Write what has been collected to CloudWatch Logs."""
        with self._lock:
            lines, self._unsent = self._unsent, []
        if lines:
            self._out.write_lines(lines)

    def _append(self, line: str) -> None:
        encoded = line.encode() + b"\n"
        with self._lock:
            now = self._clock()
            if not self._unsent:
                self._unsent_since = now
            self._unsent.append(line)
            due = now - self._unsent_since > _FLUSH_SECONDS
            self._tail.append(encoded)
            self._tail_size += len(encoded)
            while self._tail_size - len(self._tail[0]) >= TAIL_BYTES:
                self._tail_size -= len(self._tail.popleft())
        if due:
            self.send()
