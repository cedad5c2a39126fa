"""The power switch of an instance: a pipe in its folder that its `shutdown` writes to, and that is listened to here."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from localcloud.engines.ec2_folder import read_boot
from localcloud.engines.ec2_state import Power, PowerOrder, read_order

_CLOSE = b"\0\n"


class PowerSwitch:
    """Listens until it is closed.

    Parameters
    ----------
    path
        A named pipe.
    on_order
        Called, in a thread of its own, when it is time for an order.
    on_booted
        Called with the exit code of the instance's scripts.
    """

    def __init__(self, path: Path, on_order: Callable[[Power], None], on_booted: Callable[[int], None]) -> None:
        self._on_order = on_order
        self._on_booted = on_booted
        self._pending: threading.Timer | None = None
        # Open for both, so that it neither waits for a writer nor ends with one.
        self._pipe = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._listen, name=f"power-{path.parent.name}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        os.write(self._pipe, _CLOSE)
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _listen(self) -> None:
        with os.fdopen(self._pipe, "r+b", buffering=0) as pipe:
            for line in iter(pipe.readline, _CLOSE):
                self._take(line.decode("utf-8", errors="replace").strip())
        self._forget()

    def _take(self, line: str) -> None:
        code = read_boot(line)
        if code is not None:
            self._on_booted(code)
        order = read_order(line)
        if order is not None:
            self._obey(order)

    def _obey(self, order: PowerOrder) -> None:
        self._forget()
        if order.power is Power.CANCEL:
            return
        self._pending = threading.Timer(order.delay_seconds, self._on_order, [order.power])
        self._pending.daemon = True
        self._pending.start()

    def _forget(self) -> None:
        if self._pending is not None:
            self._pending.cancel()
