"""The job's log lines on their way to CloudWatch Logs, a second behind at most while it answers."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections import deque
from typing import Any, Deque, Dict, List

_PAUSE_SECONDS = 0.5
_TROUBLE_SECONDS = 5.0  # to the next try after one that failed
_BATCH_LINES = 5000
_BATCH_BYTES = 900_000  # CloudWatch takes a mebibyte, and counts 26 bytes for each line
_LINE_BYTES = 26
_KEPT_LINES = 200_000  # while CloudWatch does not answer; then the oldest go


class LogStream:
    """One stream of a group; lines are sent by a thread, in order.

    Parameters
    ----------
    client
        CloudWatch Logs.
    """

    def __init__(self, client: Any, group: str, stream: str) -> None:
        self._client = client
        self._names = {"logGroupName": group, "logStreamName": stream}
        self._waiting: Deque[Dict[str, Any]] = deque(maxlen=_KEPT_LINES)
        self._is_made = False
        self._closing = threading.Event()
        self._patience_ends = 0.0
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Send a line."""
        if line:  # CloudWatch refuses empty ones
            self._waiting.append({"timestamp": int(time.time() * 1000), "message": line})

    def close(self, patience_seconds: float = 30.0) -> None:
        """Send what is left; give up when CloudWatch does not take it in time."""
        self._patience_ends = time.monotonic() + patience_seconds
        self._closing.set()
        self._thread.join(patience_seconds)

    def _run(self) -> None:
        pause = _PAUSE_SECONDS
        while not self._closing.wait(pause) or self._has_to_go_on(pause):
            try:
                self._send()
                pause = _PAUSE_SECONDS
            except Exception as error:  # noqa: BLE001 - a log that does not go out must not end the job
                sys.stderr.write("the log cannot be sent now: %s\n" % error)
                pause = _TROUBLE_SECONDS

    def _has_to_go_on(self, pause: float) -> bool:
        """Whether lines are left when it is time to close, and it may still be tried; a failed try waits before it."""
        if pause > _PAUSE_SECONDS:
            time.sleep(min(pause, max(0.0, self._patience_ends - time.monotonic())))
        return bool(self._waiting) and time.monotonic() < self._patience_ends

    def _send(self) -> None:
        if not self._waiting:
            return
        self._make()
        while self._waiting:
            batch = self._batch()
            self._client.put_log_events(logEvents=batch, **self._names)
            for _ in batch:
                self._waiting.popleft()

    def _make(self) -> None:
        if self._is_made:
            return
        with contextlib.suppress(self._client.exceptions.ResourceAlreadyExistsException):
            self._client.create_log_stream(**self._names)
        self._is_made = True

    def _batch(self) -> List[Dict[str, Any]]:
        batch: List[Dict[str, Any]] = []
        size = 0
        for event in list(self._waiting)[:_BATCH_LINES]:
            size += len(event["message"].encode("utf-8")) + _LINE_BYTES
            if batch and size > _BATCH_BYTES:
                break
            batch.append(event)
        return batch
