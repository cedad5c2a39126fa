"""Waiting in tests: a condition is looked at until it holds, and a limit ends the wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

LIMIT_SECONDS = 60.0
_LOOK_SECONDS = 0.02


def wait_until(condition: Callable[[], Any], what: str, limit_seconds: float = LIMIT_SECONDS) -> Any:
    """Return the first true thing that the condition gives."""
    deadline = time.monotonic() + limit_seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(_LOOK_SECONDS)
    raise AssertionError(f"not seen within {limit_seconds} s: {what}")
