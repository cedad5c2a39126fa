"""The objects below moto's backends, numbered, and what of them is written already: `look` says what has changed.

Every object of moto's or localcloud's is a node with a row of its own, so that two who refer to it still refer to one
and the same after a restart. What compares by its value (an address, a key of a dictionary) lies within its holder.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from localcloud.durable.form import Blobs, Form, Writer
from localcloud.durable.naming import Unwritable, is_ours, name_class
from localcloud.durable.shelf import Known, Shelf, TailShelf

Root = tuple[str, str, str]
Change = tuple[str, tuple[Any, ...]]

_PUT_NODE = "INSERT OR REPLACE INTO node (number, root, kind, form) VALUES (?, ?, ?, ?)"
_DROP_NODE = "DELETE FROM node WHERE number = ?"
_DROP_ENTRIES = "DELETE FROM entry WHERE number = ?"
_PUT_ROOT = "INSERT OR REPLACE INTO root (number, service, account, region) VALUES (?, ?, ?, ?)"
_ADD_ENTRY = "INSERT OR REPLACE INTO entry (number, attribute, unit, key, form) VALUES (?, ?, ?, ?, ?)"
_CHANGE_ENTRY = "UPDATE entry SET form = ? WHERE number = ? AND attribute = ? AND unit = ? AND key = ?"
_DROP_ENTRY = "DELETE FROM entry WHERE number = ? AND attribute = ? AND unit = ? AND key = ?"

_log = logging.getLogger(__name__)


@dataclass
class Node:
    """An object with a row of its own."""

    number: int
    object: Any
    root: int
    hash: int = 0


@dataclass
class Tree:
    """The nodes of one backend, and the foreign ones that they refer to."""

    number: int
    nodes: set[int] = field(default_factory=set)
    foreign: set[int] = field(default_factory=set)


class Graph:
    """What is written.

    Parameters
    ----------
    blobs
        Takes long bytes.
    shelves
        The collections that are written entry by entry.
    name_root
        Returns service, account and region of a backend; None when it is none of moto's own.
    """

    def __init__(self, blobs: Blobs, shelves: Iterable[Shelf], name_root: Callable[[Any], Root | None]) -> None:
        self._shelves = {shelf.kind: shelf for shelf in shelves}
        self._name_root = name_root
        self._nodes: dict[int, Node] = {}
        self._by_identity: dict[int, Node] = {}
        self._trees: dict[int, Tree] = {}
        self._known: dict[int, Known] = {}
        self._next = 1
        self._tree: Tree | None = None
        self._pending: list[Node] = []
        self._node_writer = Writer(blobs, self._refer)
        self._entry_writer = Writer(blobs, self._refer_from_entry)
        self._inline: list[int] = []
        self._twins: dict[tuple[int, str], Node] = {}

    # -- what a restart brings back ------------------------------------------------------------------------------------

    def adopt(self, number: int, found: Any, root: int, form: str) -> None:
        """Take a node over from the journal."""
        node = Node(number, found, root, hash(form))
        self._nodes[number] = self._by_identity[id(found)] = node
        self._trees.setdefault(root, Tree(root)).nodes.add(number)
        self._next = max(self._next, number + 1)

    def adopt_reference(self, number: int, target: int) -> None:
        """Note that a node refers to another one."""
        tree = self._trees[self._nodes[number].root]
        if target in self._nodes and target not in tree.nodes:
            tree.foreign.add(target)

    def adopt_entry(self, place: tuple[int, str, str], stamp: Any, form: str) -> None:
        """Take an entry over: the number of its holder, its unit and key."""
        number, unit, key = place
        known = self._known.setdefault(number, Known())
        known.units.setdefault(unit, {})[key] = (stamp, hash(form))

    def adopt_shelf(self, number: int) -> None:
        """Note that a node's collection is as it is written."""
        owner = self._nodes[number].object
        shelf = self._shelf_of(owner)
        if shelf is not None:
            known = self._known.setdefault(number, Known())
            known.container = id(getattr(owner, shelf.attribute, None))
            self._note_twin(self._nodes[number])

    def shelf(self, kind: type) -> Shelf | None:
        """Return the shelf of a class."""
        return next((self._shelves[base] for base in kind.__mro__ if base in self._shelves), None)

    # -- what has changed ----------------------------------------------------------------------------------------------

    def look(self, backend: Any, units: dict[int, set[str]], changes: list[Change]) -> None:
        """Add what has changed below a backend since the last look.

        Parameters
        ----------
        backend
            One of moto's backends.
        units
            Entries that may have changed in place, by the identity of their holder.
        changes
            Where changes are added one by one: what was seen is not looked at again.
        """
        root = self._name_root(backend)
        if root is None:
            return
        anchor = self._by_identity.get(id(backend))
        if anchor is None:
            anchor = self._number(backend, self._next)
            changes.append((_PUT_ROOT, (anchor.number, *root)))
        heirs = self._walk(anchor, units, changes)
        for heir in heirs:  # they refer to what this backend has let go of: it is theirs now
            self.look(heir, {}, changes)

    def service_of(self, backend: Any) -> str:
        """Return the name under which a backend's service is locked."""
        root = self._name_root(backend)
        return root[0] if root is not None else ""

    def look_again(self, backend: Any, changes: list[Change]) -> None:
        """Add what has changed below a backend that may be no more."""
        if self._name_root(backend) is not None:
            self.look(backend, {}, changes)
            return
        anchor = self._by_identity.get(id(backend))
        if anchor is not None:
            for number in list(self._trees.pop(anchor.number, Tree(0)).nodes):
                self._drop(number, changes)
            changes.append(("DELETE FROM root WHERE number = ?", (anchor.number,)))

    def backends(self) -> list[Any]:
        """Return the backends that are written."""
        return [self._nodes[number].object for number in list(self._trees)]

    def _walk(self, anchor: Node, units: dict[int, set[str]], changes: list[Change]) -> list[Any]:
        """Write what differs; return the backends that refer to objects that are no longer below this one."""
        tree = self._tree = self._trees.setdefault(anchor.number, Tree(anchor.number))
        before, tree.foreign = set(tree.nodes), set()
        tree.nodes = {anchor.number}
        self._pending = [anchor]
        shelved: list[tuple[Node, Shelf]] = []
        while self._pending:
            node = self._pending.pop()
            shelf = self._shelf_of(node.object)
            self._write_node(node, shelf, changes)
            if shelf is not None:
                shelved.append((node, shelf))
        # Before the entries: one that holds what was a node until now holds it within itself from now on.
        heirs = [heir for number in before - tree.nodes for heir in self._let_go(number, changes)]
        for node, shelf in shelved:
            self._write_shelf(node, shelf, units.get(id(node.object), set()), changes)
        return heirs

    def _let_go(self, number: int, changes: list[Change]) -> list[Any]:
        self._drop(number, changes)
        heirs = [tree for tree in self._trees.values() if number in tree.foreign]
        for tree in heirs:
            tree.foreign.discard(number)
        return [self._nodes[tree.number].object for tree in heirs]

    def _write_node(self, node: Node, shelf: Shelf | None, changes: list[Change]) -> None:
        but = shelf.but if shelf is not None else frozenset()
        base = self._node_writer.write_base(node.object)
        form = json.dumps([self._node_writer.write_attributes(node.object, but), base], separators=(",", ":"))
        if hash(form) != node.hash:
            node.hash = hash(form)
            is_root = node.number == node.root
            kind = "" if is_root else name_class(type(node.object))
            changes.append((_PUT_NODE, (node.number, node.root, kind, form)))

    def _refer(self, value: Any) -> Form:
        """Return the reference to an object, which is looked at in its turn."""
        root = self._name_root(value)
        if root is not None:
            return ["k", *root]
        kind = type(value)
        name_class(kind)
        if not is_ours(kind) or _compares_by_value(kind):
            return self._write_inline(self._node_writer, value)
        tree = self._tree
        assert tree is not None  # noqa: S101 - set by _walk, the only way here
        node = self._by_identity.get(id(value))
        if node is not None and node.root != tree.number:
            tree.foreign.add(node.number)
            return ["r", node.number]
        if node is None:
            node = self._rebind(value, tree) or self._number(value, tree.number)
        if node.number not in tree.nodes:
            tree.nodes.add(node.number)
            self._pending.append(node)
        return ["r", node.number]

    def _refer_from_entry(self, value: Any) -> Form:
        """Return the reference to an object with a row, or the object itself."""
        root = self._name_root(value)
        if root is not None:
            return ["k", *root]
        node = self._by_identity.get(id(value))
        if node is not None:
            return ["r", node.number]
        name_class(type(value))
        return self._write_inline(self._entry_writer, value)

    def _write_inline(self, writer: Writer, value: Any) -> Form:
        if id(value) in self._inline:
            raise Unwritable("an object that lies within itself")
        self._inline.append(id(value))
        try:
            return writer.write_inline(value)
        finally:
            self._inline.pop()

    def _rebind(self, value: Any, tree: Tree) -> Node | None:
        """Let an object take the place of the one whose twin it is: moto takes a failed transaction back by copies."""
        shelf = self._shelf_of(value)
        twin = shelf.twin(value) if shelf is not None else None
        if twin is None:
            return None
        node = self._twins.get((tree.number, twin))
        if node is None or node.number not in self._nodes or node.number in tree.nodes:
            return None
        if self._by_identity.get(id(node.object)) is node:
            del self._by_identity[id(node.object)]
        node.object = value
        self._by_identity[id(value)] = node
        return node

    def _number(self, value: Any, root: int) -> Node:
        node = Node(self._next, value, root)
        self._next += 1
        self._nodes[node.number] = self._by_identity[id(value)] = node
        self._note_twin(node)
        return node

    def _note_twin(self, node: Node) -> None:
        shelf = self._shelf_of(node.object)
        twin = shelf.twin(node.object) if shelf is not None else None
        if twin is not None:
            self._twins[node.root, twin] = node

    def _drop(self, number: int, changes: list[Change]) -> None:
        node = self._nodes.pop(number, None)
        if node is None:
            return
        if self._by_identity.get(id(node.object)) is node:
            del self._by_identity[id(node.object)]
        changes.append((_DROP_NODE, (number,)))
        if self._known.pop(number, None) is not None:
            changes.append((_DROP_ENTRIES, (number,)))

    # -- collections ---------------------------------------------------------------------------------------------------

    def _shelf_of(self, owner: Any) -> Shelf | None:
        return self.shelf(type(owner))

    def _write_shelf(self, node: Node, shelf: Shelf, touched: set[str], changes: list[Change]) -> None:
        known = self._known.get(node.number)
        container = id(getattr(node.object, shelf.attribute))
        if known is None:
            known = self._known[node.number] = Known()
        if isinstance(shelf, TailShelf):
            self._write_tail(node, shelf, known, changes)
        elif shelf.stamped or known.container != container:
            known.container = container
            for unit in {*shelf.units(node.object), *known.units}:
                self._write_unit(node, shelf, unit, changes)
        else:
            for unit in touched:
                self._write_unit(node, shelf, unit, changes)

    def _write_unit(self, node: Node, shelf: Shelf, unit: str, changes: list[Change]) -> None:
        known = self._known[node.number].units.setdefault(unit, {})
        gone = dict(known)
        place = (node.number, shelf.attribute, unit)
        for entry in shelf.entries(node.object, unit):
            stamp, digest = gone.pop(entry.key, (None, None))
            if shelf.stamped and stamp == entry.stamp:
                continue
            form = self._write_entry(entry.value)
            known[entry.key] = (entry.stamp, hash(form))
            if digest is None or (stamp != entry.stamp and not shelf.stamped and digest != hash(form)):
                changes.append((_ADD_ENTRY, (*place, entry.key, form)))
            elif digest != hash(form):
                changes.append((_CHANGE_ENTRY, (form, *place, entry.key)))
        for key in gone:
            del known[key]
            changes.append((_DROP_ENTRY, (*place, key)))
        if not known:
            del self._known[node.number].units[unit]

    def _write_tail(self, node: Node, shelf: TailShelf, known: Known, changes: list[Change]) -> None:
        unit = known.units.setdefault("", {})
        holds, begin, part = shelf.tail(node.object, unit)
        if not holds:
            changes.append((_DROP_ENTRIES, (node.number,)))
        if part or not holds:
            whole = getattr(node.object, shelf.attribute)
            unit.clear()
            if part:
                unit["0"] = ((id(whole[0]), begin + len(part)), 0)
                form = self._write_entry(part)
                changes.append((_ADD_ENTRY, (node.number, shelf.attribute, "", f"{begin:012d}", form)))

    def _write_entry(self, value: Any) -> str:
        return json.dumps(self._entry_writer.write(value), separators=(",", ":"))


def _compares_by_value(kind: Any) -> bool:
    return kind.__hash__ is not None and kind.__hash__ is not object.__hash__
