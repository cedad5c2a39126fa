"""What a request has come near: the backends it asked moto for, and the entries of the large collections it looked at.

A thread that answers a request records for that request; every other thread records for the next sweep.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Touches:
    """What may have changed.

    Attributes
    ----------
    backends
        moto's backends, by identity.
    units
        Entries of a collection, by the identity of the object that holds it; what the entries are is the collection's
        own business.
    condemned
        Files that nothing refers to once this is written.
    """

    backends: dict[int, Any] = field(default_factory=dict)
    units: dict[int, set[str]] = field(default_factory=dict)
    condemned: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.backends or self.condemned)

    def merge(self, other: Touches) -> None:
        """Take over another's."""
        self.backends.update(other.backends)
        for owner, units in other.units.items():
            self.units.setdefault(owner, set()).update(units)
        self.condemned.extend(other.condemned)


class Recorder:
    """Gathers touches, each thread's by themselves."""

    def __init__(self) -> None:
        self._local = threading.local()
        self._lock = threading.Lock()
        self._others = Touches()

    @contextmanager
    def recording(self) -> Iterator[Touches]:
        """Gather what this thread touches until the end of the block."""
        before = getattr(self._local, "touches", None)
        self._local.touches = Touches()
        try:
            yield self._local.touches
        finally:
            self._local.touches = before

    def note_backend(self, backend: Any) -> None:
        """Note that somebody asked for a backend."""
        touches = getattr(self._local, "touches", None)
        if touches is not None:
            touches.backends[id(backend)] = backend
        elif id(backend) not in self._others.backends:
            with self._lock:
                self._others.backends[id(backend)] = backend

    def note_unit(self, owner: Any, unit: str) -> None:
        """Note that somebody looked at an entry."""
        touches = getattr(self._local, "touches", None)
        if touches is not None:
            touches.units.setdefault(id(owner), set()).add(unit)
            return
        with self._lock:
            self._others.units.setdefault(id(owner), set()).add(unit)

    def note_condemned(self, name: str) -> None:
        """Note a file that nothing needs any more."""
        touches = getattr(self._local, "touches", None)
        if touches is not None:
            touches.condemned.append(name)
            return
        with self._lock:
            self._others.condemned.append(name)

    def take_others(self) -> Touches:
        """Return what threads outside of any block have touched, and forget it."""
        with self._lock:
            taken, self._others = self._others, Touches()
        return taken
