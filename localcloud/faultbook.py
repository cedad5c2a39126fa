"""The faults that are in force, and how often each has struck."""

from __future__ import annotations

import itertools
import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from localcloud.fault import Effect, Fault, Seen, matches

_Key = tuple[str, str]  # service and operation


@dataclass
class _Entry:
    fault: Fault
    dice: dict[_Key, random.Random] = field(default_factory=dict)
    hits: Counter[_Key] = field(default_factory=Counter)

    def strikes(self, seen: Seen) -> bool:
        """Decide about one call, and count it when it is struck."""
        key = (seen.services[0], seen.operation)
        if self._is_spent(key):
            return False
        # Each operation has dice of its own: how calls of several threads interleave decides nothing.
        dice = self.dice.setdefault(key, random.Random(f"{self.fault.seed}/{'/'.join(key)}"))  # noqa: S311 - no secret
        if dice.random() >= self.fault.probability:
            return False
        self.hits[key] += 1
        return True

    def _is_spent(self, key: _Key) -> bool:
        if self.fault.count is None:
            return False
        return (self.hits[key] if self.fault.each else self.hits.total()) >= self.fault.count


class FaultBook:
    """Keeps faults; safe to share among threads.

    Parameters
    ----------
    clock
        The time as it is, in UTC.
    """

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}
        self._doomed: set[str] = set()
        self._numbers = itertools.count(1)

    def add(self, fault: Fault) -> str:
        """Put a fault in force; return its id."""
        with self._lock:
            name = f"fault-{next(self._numbers)}"
            self._entries[name] = _Entry(fault)
            return name

    def remove(self, name: str) -> None:
        """Take a fault back; `KeyError` when there is none of this id."""
        with self._lock:
            del self._entries[name]

    def clear(self) -> int:
        """Take all back; return how many there were."""
        with self._lock:
            count = len(self._entries)
            self._entries.clear()
            return count

    def describe(self) -> list[dict[str, Any]]:
        """Every fault with its id, how often it has struck, and what."""
        with self._lock:
            return [
                {
                    "id": name,
                    **entry.fault.model_dump(mode="json", exclude_defaults=True),
                    "hits": entry.hits.total(),
                    "hit": {f"{service}:{operation}": n for (service, operation), n in sorted(entry.hits.items())},
                }
                for name, entry in self._entries.items()
            ]

    @property
    def is_empty(self) -> bool:
        """Whether no fault is in force."""
        return not self._entries

    def strike(self, seen: Seen, effects: frozenset[Effect]) -> list[Fault]:
        """Return the faults of these effects that strike a call or an event, in the order in which they were added."""
        if self.is_empty:
            return []
        with self._lock:
            return [
                entry.fault
                for entry in self._entries.values()
                if entry.fault.effect in effects and matches(entry.fault, seen) and entry.strikes(seen)
            ]

    def doom(self, job: str) -> None:
        """Let a job find no machine."""
        with self._lock:
            self._doomed.add(job)

    def is_doomed(self, job: str) -> bool:
        """Whether a job finds no machine; asked once for each."""
        with self._lock:
            found = job in self._doomed
            self._doomed.discard(job)
            return found

    def now(self) -> datetime:
        """The time that this instance believes it is."""
        with self._lock:
            skews = [entry.fault.seconds for entry in self._entries.values() if entry.fault.effect is Effect.SKEW]
        return self._clock() + timedelta(seconds=sum(skews))
