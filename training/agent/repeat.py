"""Something that is done again and again beside the training, until nobody needs it any more."""

from __future__ import annotations

import sys
import threading
import time
from typing import Callable

_PAUSE_SECONDS = 5.0
_PATIENCE_SECONDS = 600.0


def insist(action: Callable[[], None], patience_seconds: float = _PATIENCE_SECONDS) -> None:
    """Do something that must not be lost, again and again while AWS does not answer; then let the error out."""
    from botocore.exceptions import BotoCoreError, ClientError

    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            return action()
        except (BotoCoreError, ClientError, OSError) as error:
            if time.monotonic() > deadline:
                raise
            sys.stderr.write("trying again: %s\n" % error)
            time.sleep(_PAUSE_SECONDS)


class Repeater:
    """A thread that calls an action every so many seconds; an error is told, and the next call tries again."""

    def __init__(self, seconds: float, action: Callable[[], None]) -> None:
        self._seconds = seconds
        self._action = action
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="repeat", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Wait for the call that is under way, and make no further one."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._seconds):
            try:
                self._action()
            except Exception as error:  # noqa: BLE001 - the edge of this thread; S3 may be away for a while
                sys.stderr.write("%s: %s\n" % (type(error).__name__, error))
