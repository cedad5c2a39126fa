"""One HTTP request to one address, inside one deadline that covers every byte."""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import ssl
import time
from typing import Any, Callable, Iterator, Tuple, cast

from inference.address import Target

SocketAddress = Tuple[str, int]


class Deadline:
    """A point in time after which nothing is waited for."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + seconds

    def remaining_seconds(self) -> float:
        """What is left, more than zero.

        Raises
        ------
        TimeoutError
            When nothing is left.
        """
        left = self._end - self._clock()
        if left <= 0:
            raise TimeoutError("the time is over")
        return left


class PinnedConnection(http.client.HTTPConnection):
    """Connects to the address that was checked, and talks to the host that was named.

    A second look at DNS could answer differently: there is none. TLS verifies the certificate for the host's name.
    """

    def __init__(self, target: Target, address: SocketAddress, deadline: Deadline) -> None:
        super().__init__(target.host, target.port)
        self._target = target
        self._address = address
        self._deadline = deadline
        self._plain: Any = None

    def connect(self) -> None:
        """Open the socket; from here on every wait is cut by the deadline."""
        self._plain = socket.create_connection(self._address, timeout=self._deadline.remaining_seconds())
        if self._target.scheme == "https":
            self._plain.settimeout(self._deadline.remaining_seconds())
            context = ssl.create_default_context()
            self._plain = context.wrap_socket(self._plain, server_hostname=self._target.host)
        self.sock = cast(Any, _DeadlineSocket(self._plain, self._deadline))

    def hang_up(self) -> None:
        """Close the socket. `close` alone must not: http.client calls it before the last body is read."""
        self.close()
        if self._plain is not None:
            self._plain.close()


@contextlib.contextmanager
def connect_pinned(target: Target, address: str, deadline: Deadline) -> Iterator[http.client.HTTPConnection]:
    """A connection for `target` that goes to `address`, and ends with the `with` block."""
    connection = PinnedConnection(target, (address, target.port), deadline)
    try:
        yield connection
    finally:
        connection.hang_up()


class _DeadlineSocket:
    """The part of a socket that http.client uses, with the time that is left as the limit of each wait."""

    def __init__(self, plain: Any, deadline: Deadline) -> None:
        self._plain = plain
        self._deadline = deadline

    def sendall(self, data: Any) -> None:
        self._plain.settimeout(self._deadline.remaining_seconds())
        self._plain.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_DeadlineReader(self._plain, self._deadline))

    def close(self) -> None:
        """Left to the connection: a response may still be read after http.client lets go of its socket."""


class _DeadlineReader(io.RawIOBase):
    def __init__(self, plain: Any, deadline: Deadline) -> None:
        super().__init__()
        self._plain = plain
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._plain.settimeout(self._deadline.remaining_seconds())
        return int(self._plain.recv_into(buffer))
