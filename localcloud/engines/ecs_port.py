"""Free ports for tasks: each task has its own, as each has its own address on AWS."""

from __future__ import annotations

import random
import socket
import threading

# Below the range from which Linux takes the ports of outgoing connections: nobody takes one between our look and the
# task's own bind by accident.
_FIRST, _LAST = 20_000, 32_000
_TRIES = 1000


class NoFreePort(Exception):
    """Every port that was tried is taken."""


class Ports:
    """Hands out ports; safe to share among threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: set[int] = set()
        self._random = random.Random()  # noqa: S311 - spreads ports, hides nothing

    def take(self) -> int:
        """Return a port that nobody listens on and no other task has."""
        with self._lock:
            for _ in range(_TRIES):
                port = self._random.randrange(_FIRST, _LAST)
                if port not in self._taken and _is_free(port):
                    self._taken.add(port)
                    return port
        raise NoFreePort(f"no free port was found between {_FIRST} and {_LAST}")

    def give_back(self, port: int) -> None:
        """Let others have a port."""
        with self._lock:
            self._taken.discard(port)


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104 - bound for a moment, never listened on
        except OSError:
            return False
    return True
