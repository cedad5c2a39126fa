"""Writes what has changed before anybody is told: look at what a request came near, commit, answer.

The look is made while the service's lock is held, so that the order of the journal is the order of the effects. The
commit is made after it is given back: who comes first commits for all who wait.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from localcloud.durable.graph import Change, Graph
from localcloud.durable.store import Store
from localcloud.durable.touch import Recorder, Touches
from localcloud.durable.vault import Vault
from localcloud.lock import service_lock

_SWEEP_SECONDS = 1.0
_SWEEP_SHARE = 100  # a sweep is followed by a pause of at least this many times its own length: 1 % of a core

_log = logging.getLogger(__name__)


class Ledger:
    """The journal of a running localcloud.

    Parameters
    ----------
    store, vault
        Where rows and files go.
    graph
        What is written so far.
    recorder
        What has been touched.
    moving
        Returns the backends that change by themselves: their engines' work goes on between requests.
    """

    def __init__(
        self,
        *,
        store: Store,
        vault: Vault,
        graph: Graph,
        recorder: Recorder,
        moving: Callable[[], Iterable[Any]],
    ) -> None:
        self._store = store
        self._vault = vault
        self._graph = graph
        self._recorder = recorder
        self._moving = moving
        self._looking = threading.Lock()
        self._committing = threading.Lock()
        self._changes: list[Change] = []
        self._condemned: list[str] = []
        self._noted = 0
        self._committed = 0
        self._closing = threading.Event()
        self._sweeper = threading.Thread(target=self._sweep_on, name="ledger", daemon=True)

    def start(self) -> None:
        """Write down what is there, and begin to look at what changes between requests."""
        self.sweep()
        self._sweeper.start()

    def close(self) -> None:
        """Write what is left and close the journal."""
        self._closing.set()
        if self._sweeper.is_alive():
            self._sweeper.join()
        self.sweep()
        self._store.close()

    @contextmanager
    def recording(self) -> Iterator[Touches]:
        """Gather what this thread touches; pass it to `note` before the service's lock is given back."""
        with self._recorder.recording() as touches:
            yield touches

    def note(self, touches: Touches, unchanged: Container[str] = ()) -> int:
        """Look at what was touched, but for services that are known to be unchanged; return the ticket to settle."""
        with self._looking:
            for backend in list(touches.backends.values()):
                if self._graph.service_of(backend) in unchanged:
                    continue
                self._graph.look(backend, touches.units, self._changes)
            self._condemned.extend(touches.condemned)
            self._noted += 1
            return self._noted

    def note_reset(self) -> int:
        """Look at everything: moto was told to forget, and whole backends are gone."""
        with self._looking:
            for backend in self._graph.backends():
                self._graph.look_again(backend, self._changes)
            self._noted += 1
            return self._noted

    def settle(self, ticket: int) -> None:
        """Return when everything up to a ticket is on the disk."""
        with self._committing:
            if self._committed >= ticket:
                return
            with self._looking:
                changes, self._changes = self._changes, []
                condemned, self._condemned = self._condemned, []
                noted = self._noted
            try:
                if changes:
                    self._store.commit(changes)
            except BaseException:
                with self._looking:  # the next commit carries them; nobody is told that they are written
                    self._changes[:0] = changes
                    self._condemned[:0] = condemned
                raise
            self._committed = noted
        for name in condemned:
            if not self._vault.is_held(name):
                self._vault.remove(name)

    def take_others(self) -> Touches:
        """Return what threads besides requests have touched; whoever takes it notes it."""
        return self._recorder.take_others()

    def sweep(self) -> None:
        """Write what threads besides requests have changed."""
        touches = self.take_others()
        for backend in self._moving():
            touches.backends[id(backend)] = backend
        last = 0
        for backend in list(touches.backends.values()):
            with service_lock(self._graph.service_of(backend)):
                last = self.note(Touches({id(backend): backend}, touches.units))
        last = max(last, self.note(Touches(condemned=touches.condemned))) if touches.condemned else last
        self.settle(last)

    def copy(self, target: Path, link: Callable[[str], None]) -> None:
        """Write a copy of the journal, and call `link` with each file's name, while nothing changes."""
        self.sweep()
        with self._committing, self._looking:
            if self._changes:
                self._store.commit(self._changes)
                self._changes = []
                self._committed = self._noted
            self._store.copy(target)
            for file in list(self._vault.folder.iterdir()):
                link(file.name)

    def _sweep_on(self) -> None:
        pause = _SWEEP_SECONDS
        while not self._closing.wait(pause):
            began = time.monotonic()
            try:
                self.sweep()
            except Exception:  # noqa: BLE001 - the edge of this thread: the next sweep tries again
                _log.exception("what changed between requests could not be written")
            pause = max(_SWEEP_SECONDS, _SWEEP_SHARE * (time.monotonic() - began))
