"""How a training goes: its epochs, read from the metric lines of its log, and how long the rest may take."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from ratchet.contract import METRIC_NAMES, metric_regex

_PATTERNS = {name: re.compile(metric_regex(name)) for name in METRIC_NAMES}
Epoch = Mapping[str, float]


def read_epoch(line: str) -> Epoch | None:
    """The metrics of a metric line by their names; None for any other line."""
    found = {name: match.group(1) for name, pattern in _PATTERNS.items() if (match := pattern.search(line))}
    try:
        values = {name: float(text) for name, text in found.items()}
    except ValueError:
        return None
    return values if "epoch" in values else None


class Course:
    """The epochs seen so far; a training that resumed tells some of them twice, and the later telling counts.

    Parameters
    ----------
    total
        Epochs that the training may take; 0 when nobody knows.
    """

    def __init__(self, total: int = 0) -> None:
        self.total = total
        self._epochs: dict[int, Epoch] = {}
        self._first: tuple[int, datetime] | None = None

    @property
    def epochs(self) -> Sequence[Epoch]:
        """Every complete epoch, in order."""
        return [self._epochs[number] for number in sorted(self._epochs)]

    def note(self, lines: Iterable[str], now: datetime) -> bool:
        """Take in new lines of the log; return whether an epoch was among them."""
        found = [epoch for line in lines if (epoch := read_epoch(line))]
        self._epochs |= {int(epoch["epoch"]): epoch for epoch in found}
        if found and self._first is None:
            self._first = (max(self._epochs), now)
        return bool(found)

    def remaining_seconds(self, started_at: datetime | None, now: datetime) -> float | None:
        """How long the rest takes at most, at the pace so far; None while there is nothing to tell it from.

        The pace is that of the epochs whose ends were seen; a look that comes late sees many at once, and then the time
        since the job's start has to do.
        """
        done = max(self._epochs, default=0)
        if self._first is None or not done or self.total <= done:
            return None
        seen, since = self._first
        counted = done - seen
        if not counted:
            if started_at is None:
                return None
            counted, since = done, started_at
        return max(0.0, (now - since).total_seconds() / counted * (self.total - done))

    def tell(self, started_at: datetime | None, now: datetime) -> str:
        """The newest epoch in words, with the time that is left; empty before the first one."""
        if not self._epochs:
            return ""
        newest = self.epochs[-1]
        of = f" of {self.total}" if self.total else ""
        words = [f"epoch {newest['epoch']:.0f}{of}"]
        words += [f"{name} {newest[name]:.4f}" for name in ("validation_accuracy", "train_loss") if name in newest]
        left = self.remaining_seconds(started_at, now)
        if left is not None:
            words.append(f"at most {tell_duration(left)} left")
        return ", ".join(words)


def tell_duration(seconds: float) -> str:
    """Seconds in the two units that a person would name."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
