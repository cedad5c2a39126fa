"""CloudWatch Logs as the engines see it: lines go into the same streams that clients read."""

from __future__ import annotations

import time
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.logs.models import logs_backends

from localcloud.lock import service_lock

_EVENT_LIMIT_BYTES = 256 * 1024


class LogStream:
    """One stream, made with its group on the first line. Safe to share among threads.

    Lines are visible as soon as `write` returns, so a poller that sees a job ended also sees its last words.
    """

    def __init__(
        self, group: str, stream: str, *, region: str = "us-east-1", account: str = DEFAULT_ACCOUNT_ID
    ) -> None:
        self.group = group
        self.stream = stream
        self._region = region
        self._account = account

    def write(self, line: str) -> None:
        """Append one line; empty ones are left out, as the service takes none."""
        self.write_lines([line])

    def write_lines(self, lines: list[str]) -> None:
        """Append several lines as one batch."""
        texts = [line[:_EVENT_LIMIT_BYTES] for line in lines if line]
        with service_lock("logs"):
            backend = self._open()
            now = int(time.time() * 1000)
            if texts:
                events = [{"timestamp": now, "message": text} for text in texts]
                backend.put_log_events(self.group, self.stream, events)

    def _open(self) -> Any:
        backend = logs_backends[self._account][self._region]
        backend.ensure_log_group(self.group)
        backend.ensure_log_stream(self.group, self.stream)
        return backend
