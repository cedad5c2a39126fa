"""One key from the terminal, without Enter and without waiting for ever."""

from __future__ import annotations

import select
import sys
import termios
import tty


def read_key(allowed: str, *, limit_seconds: float) -> str | None:
    """Return the first allowed key pressed within the limit, or None.

    Parameters
    ----------
    allowed
        Small letters; capitals count as well.
    """
    handle = sys.stdin.fileno()
    saved = termios.tcgetattr(handle)
    try:
        tty.setcbreak(handle)
        ready, _, _ = select.select([handle], [], [], limit_seconds)
        key = sys.stdin.read(1).lower() if ready else ""
    finally:
        termios.tcsetattr(handle, termios.TCSADRAIN, saved)
    return key if key and key in allowed else None
