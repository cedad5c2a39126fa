"""What a series of looks says about a server: consecutive good and bad answers, as AWS's health checks count them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

_EAGER_SECONDS = 0.25


class Health(StrEnum):
    """What is known of a server."""

    UNKNOWN = "UNKNOWN"
    HEALTHY = "HEALTHY"
    UNHEALTHY = "UNHEALTHY"


@dataclass
class HealthRecord:
    """The looks at one server so far.

    A new server is healthy after its first good answer, as on AWS. It is looked at more often than the interval until
    then, so that nobody waits for nothing; a bad answer still counts once per interval only, so that a slow start is
    given as long as on AWS.

    Attributes
    ----------
    since_seconds
        When the looking began, on the clock that `note` is given.
    interval_seconds
        Time between two looks.
    rise, fall
        Consecutive answers that make an unhealthy server healthy, and any server unhealthy.
    """

    since_seconds: float
    interval_seconds: float
    rise: int
    fall: int
    health: Health = Health.UNKNOWN
    _streak: int = 0
    _counted_seconds: float = field(init=False)

    def __post_init__(self) -> None:
        self._counted_seconds = self.since_seconds

    @property
    def pause_seconds(self) -> float:
        """Time until the next look."""
        if self.health is Health.UNKNOWN:
            return min(_EAGER_SECONDS, self.interval_seconds)
        return self.interval_seconds

    def note(self, *, good: bool, now_seconds: float) -> Health:
        """Take in one answer and return what it makes of the server."""
        if good:
            self._note_good(now_seconds)
        elif self._is_due(now_seconds):
            self._note_bad(now_seconds)
        return self.health

    def _is_due(self, now_seconds: float) -> bool:
        # A tenth of tolerance: two looks an interval apart may come a little early.
        return self.health is not Health.UNKNOWN or (now_seconds - self._counted_seconds >= self.interval_seconds)

    def _note_good(self, now_seconds: float) -> None:
        self._counted_seconds = now_seconds
        if self.health is Health.UNHEALTHY:
            self._streak += 1
            if self._streak < self.rise:
                return
        self.health = Health.HEALTHY
        self._streak = 0

    def _note_bad(self, now_seconds: float) -> None:
        self._counted_seconds = now_seconds
        if self.health is Health.UNHEALTHY:
            self._streak = 0
            return
        self._streak += 1
        if self._streak >= self.fall:
            self.health = Health.UNHEALTHY
            self._streak = 0
