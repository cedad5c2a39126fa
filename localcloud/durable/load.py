"""Brings the state back: first every object, empty; then what each holds; then the large collections."""

from __future__ import annotations

import json
import logging
from typing import Any

from localcloud.durable.form import Reader
from localcloud.durable.graph import Graph
from localcloud.durable.naming import NameRefused
from localcloud.durable.root import Roots
from localcloud.durable.shelf import TailShelf
from localcloud.durable.store import JournalUnreadable, Store
from localcloud.durable.vault import Vault

_log = logging.getLogger(__name__)


class Loader:
    """Reads a journal into moto.

    Parameters
    ----------
    store, vault
        Where rows and files lie.
    graph
        Learns what is written.
    roots
        Makes the backends.
    """

    def __init__(self, store: Store, vault: Vault, graph: Graph, roots: Roots) -> None:
        self._store = store
        self._graph = graph
        self._roots = roots
        self._reader = Reader(vault, self._resolve)
        self._objects: dict[int, Any] = {}
        self._backends: dict[tuple[str, str, str], Any] = {}
        self._at = 0

    def load(self) -> list[Any]:
        """Return every object that is back, the backends first.

        Raises
        ------
        JournalUnreadable
            When the journal names what this version does not know, or is not whole.
        """
        try:
            self._load_nodes()
            self._load_entries()
        except (NameRefused, KeyError, IndexError, TypeError, ValueError, OSError) as error:
            for root in self._backends:
                self._roots.drop(root)  # half a backend is none
            raise JournalUnreadable(
                f"The state cannot be read ({type(error).__name__}: {error}): "
                "start with --fresh, or restore a snapshot."
            ) from error
        return list(self._objects.values())

    def _load_nodes(self) -> None:
        for number, service, account, region in self._store.roots():
            made = self._roots.make((service, account, region))
            self._backends[service, account, region] = self._objects[number] = made
        rows = [(number, root, kind, form, json.loads(form)) for number, root, kind, form in self._store.nodes()]
        for number, root, kind, form, (_, base) in rows:
            if number not in self._objects:
                self._objects[number] = self._reader.make(kind, base)
            self._graph.adopt(number, self._objects[number], root, form)
        for number, _, _, _, (attributes, base) in rows:
            self._at = number
            self._reader.fill(self._objects[number], attributes, base)

    def _load_entries(self) -> None:
        self._at = 0
        found: dict[int, list[tuple[str, str, Any, str]]] = {}
        for number, _, unit, key, form in self._store.entries():
            found.setdefault(number, []).append((unit, key, self._reader.read(json.loads(form)), form))
        for number, owner in self._objects.items():
            shelf = self._graph.shelf(type(owner))
            if shelf is not None:
                entries = found.get(number, [])
                shelf.fill(owner, [(unit, key, value) for unit, key, value, _ in entries])
                self._adopt_entries(number, owner, shelf, entries)

    def _adopt_entries(self, number: int, owner: Any, shelf: Any, entries: list[tuple[str, str, Any, str]]) -> None:
        if isinstance(shelf, TailShelf):
            for entry in shelf.entries(owner, ""):
                self._graph.adopt_entry((number, "", entry.key), entry.stamp, "")
        elif shelf.stamped:
            stamps = {entry.key: entry.stamp for entry in shelf.entries(owner, "")}
            for unit, key, _, form in entries:
                self._graph.adopt_entry((number, unit, key), stamps[key], form)
        else:
            for unit, key, value, form in entries:
                self._graph.adopt_entry((number, unit, key), id(value), form)
        self._graph.adopt_shelf(number)

    def _resolve(self, form: list[Any]) -> Any:
        if form[0] == "k":
            root = (form[1], form[2], form[3])
            if root not in self._backends:  # written before the backend itself was
                self._backends[root] = self._other_backend(root)
            return self._backends[root]
        if self._at:
            self._graph.adopt_reference(self._at, form[1])
        if form[1] not in self._objects:
            _log.warning("the object %s is missing in the journal", form[1])
        return self._objects.get(form[1])

    def _other_backend(self, root: tuple[str, str, str]) -> Any:
        from moto.backends import get_backend

        service, account, region = root
        return get_backend(service)[account][region]
