"""How much this process takes on at once: bounds on bodies, waits and requests in flight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping

MAX_BODY_BYTES = 10 * 1024 * 1024
ENV_MAX_IN_FLIGHT = "RATCHET_MAX_IN_FLIGHT"
ENV_DRAIN_SECONDS = "RATCHET_DRAIN_SECONDS"


@dataclass(frozen=True)
class Limits:
    """Bounds of one serving process.

    Images in flight are bounded by number, and apart from them the fetches: strangers' slow web servers must not
    keep those out who bring their bytes along.
    """

    in_flight: int = 32
    fetches_in_flight: int = 16
    headers_seconds: float = 10.0
    body_seconds: float = 10.0
    drain_seconds: int = 25  # ECS sends SIGKILL 30 s after SIGTERM

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Limits:
        """Read the bounds that an operator may set; `ValueError` names a variable that is no positive number."""
        in_flight = _read_positive(environment, ENV_MAX_IN_FLIGHT, cls.in_flight)
        return cls(
            in_flight=in_flight,
            fetches_in_flight=max(1, in_flight // 2),
            drain_seconds=_read_positive(environment, ENV_DRAIN_SECONDS, cls.drain_seconds),
        )


def _read_positive(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, "")
    if not text:
        return default
    if not text.isdigit() or int(text) == 0:
        raise ValueError("%s is %r, it must be a whole number above zero" % (name, text))
    return int(text)
