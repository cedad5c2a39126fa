"""One folder that holds a localcloud's state: the journal, and the files of large objects."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from localcloud.durable.current import set_ledger
from localcloud.durable.graph import Graph
from localcloud.durable.hook import listen
from localcloud.durable.ledger import Ledger
from localcloud.durable.load import Loader
from localcloud.durable.reading import is_moving
from localcloud.durable.root import Roots
from localcloud.durable.shelf import make_shelves
from localcloud.durable.store import Store
from localcloud.durable.touch import Recorder
from localcloud.durable.vault import Vault

JOURNAL = Path("state") / "journal.sqlite"
OBJECTS = Path("objects")


class Durability:
    """The state of a localcloud that survives it.

    Parameters
    ----------
    home
        The folder.
    """

    def __init__(self, home: Path) -> None:
        self.store = Store(home / JOURNAL)
        self._roots = Roots()
        self._recorder = Recorder()
        self.vault = Vault(home / OBJECTS, self._recorder.note_condemned, is_durable=True)
        graph = Graph(self.vault, make_shelves(), self._roots.name)
        self.ledger = Ledger(
            store=self.store, vault=self.vault, graph=graph, recorder=self._recorder, moving=self._moving
        )
        self._loader = Loader(self.store, self.vault, graph, self._roots)
        self._undo: Callable[[], None] | None = None

    def services(self) -> set[str]:
        """Return the services that have a state, by moto's names."""
        return {service for _, service, _, _ in self.store.roots()}

    def load(self) -> None:
        """Bring the state back.

        Raises
        ------
        JournalUnreadable
            When it cannot be read.
        """
        _finish(self._loader.load())

    def start(self) -> None:
        """Write down what changes from now on."""
        self._undo = listen(self._recorder)
        self.ledger.start()
        set_ledger(self.ledger)
        self.vault.sweep()

    def close(self) -> None:
        """Write what is left."""
        set_ledger(None)
        if self._undo is not None:
            self._undo()
            self._undo = None
            self.ledger.close()
        else:
            self.store.close()

    def _moving(self) -> list[Any]:
        return [backend for backend in self._roots.all() if is_moving(self._roots.name(backend)[0])]  # type: ignore[index]


def forget(home: Path) -> None:
    """Remove the state of a home that no localcloud uses; `HomeInUse` when one does."""
    if not (home / JOURNAL).exists():
        return
    Store(home / JOURNAL).close()  # only its owner may
    shutil.rmtree(home / JOURNAL.parent)
    shutil.rmtree(home / OBJECTS, ignore_errors=True)


def _finish(objects: list[Any]) -> None:
    """Set up what moto keeps beside its backends."""
    from moto.logs.models import LogEvent, LogStream
    from moto.s3.models import FakeBucket, s3_backends

    events = [-1]
    for found in objects:
        if isinstance(found, FakeBucket):
            s3_backends.bucket_accounts[found.name] = (found.partition, found.account_id)
        elif isinstance(found, LogStream):
            events.extend(event.event_id for event in found.events)
    LogEvent._event_id = max(LogEvent._event_id, max(events) + 1)
