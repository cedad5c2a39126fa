"""When a dataset's prefix has been still for long enough to be frozen: a pure decision."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Observation:
    """What one look at a dataset's prefix saw; all three times are S3's own.

    Attributes
    ----------
    newest_change
        When an object was last written or deleted; None when there never was one.
    marker_at
        When the `_SUCCESS` marker was last written; None when there is none.
    observed_at
        S3's time of the answer, so that a worker's wrong clock neither hurries nor delays anything; None if unknown.
    fingerprint
        Tells two states of the dataset apart; empty when it holds no object.
    """

    newest_change: datetime | None
    marker_at: datetime | None = None
    observed_at: datetime | None = None
    fingerprint: str = ""


@dataclass(frozen=True)
class Settled:
    """Whether to freeze now, and why or why not yet."""

    settled: bool
    reason: str


def still_for(
    seen: Observation,
    *,
    first_seen: datetime,
    now: datetime,
    quiet_seconds: float,
    max_wait_seconds: float,
) -> Settled:
    """Decide whether the prefix may be frozen.

    Parameters
    ----------
    seen
        The newest look.
    first_seen
        When this wait began, by S3's clock.
    now
        The caller's time, for a look that did not bring S3's.
    quiet_seconds
        How long nothing may have changed.
    max_wait_seconds
        After this long the prefix is frozen, still or not.
    """
    if seen.newest_change is None:
        return Settled(True, "the prefix is empty")
    if seen.marker_at is not None and seen.marker_at >= seen.newest_change:
        return Settled(True, f"the uploader's _SUCCESS marker is of {_time(seen.marker_at)}, after the last change")
    moment = seen.observed_at or now
    age = moment - seen.newest_change
    if age >= timedelta(seconds=quiet_seconds):
        return Settled(True, f"still for {_seconds(age)}, since {_time(seen.newest_change)}")
    if moment - first_seen >= timedelta(seconds=max_wait_seconds):
        return Settled(True, f"still changing after {max_wait_seconds:g} s of waiting: frozen as it is")
    return Settled(False, f"changed {_seconds(age)} ago, waiting until it has been still for {quiet_seconds:g} s")


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _seconds(age: timedelta) -> str:
    return f"{max(0.0, age.total_seconds()):.0f} s"
