"""The console of an instance: the last of what its scripts have printed, as GetConsoleOutput returns it."""

from __future__ import annotations

import threading
from collections import deque
from datetime import UTC, datetime

_KEPT_BYTES = 64 * 1024


class Console:
    """Keeps the last 64 KiB of lines; safe to share among threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: deque[str] = deque()
        self._bytes = 0
        self.changed_at = datetime.now(UTC)

    def write(self, line: str) -> None:
        """Append a line."""
        with self._lock:
            self._lines.append(line)
            self._bytes += _size(line)
            while self._bytes > _KEPT_BYTES and len(self._lines) > 1:
                self._bytes -= _size(self._lines.popleft())
            self.changed_at = datetime.now(UTC)

    def read(self) -> str:
        """Return what is kept."""
        with self._lock:
            return "".join(f"{line}\n" for line in self._lines)


def _size(line: str) -> int:
    return len(line.encode()) + 1
