"""The form of a query-protocol request as a tree of members, by botocore's shapes.

Lists are numbered keys: `Names.member.1`, or without the middle part where they are flattened, as EC2's all are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localcloud.wire_text import read_scalar

_NOT_MEMBERS = frozenset({"Action", "Version"})


def read_form(shape: Any, form: Mapping[str, str], *, ec2: bool) -> dict[str, Any]:
    """Return the members that a form holds.

    Parameters
    ----------
    shape
        botocore's input shape.
    form
        Names and values.
    ec2
        Whether members have EC2's names.
    """
    tree: dict[str, Any] = {}
    for key, text in form.items():
        if key not in _NOT_MEMBERS:
            _plant(tree, key.split("."), text)
    return _Reader(ec2=ec2).structure(shape, tree)


def _plant(tree: dict[str, Any], path: list[str], text: str) -> None:
    for step in path[:-1]:
        below = tree.get(step)
        if not isinstance(below, dict):
            below = tree[step] = {}
        tree = below
    tree.setdefault(path[-1], text)


class _Reader:
    def __init__(self, *, ec2: bool) -> None:
        self._ec2 = ec2

    def structure(self, shape: Any, tree: dict[str, Any]) -> dict[str, Any]:
        found = {}
        for name, member in shape.members.items():
            wire = self._sent_name(name, member)
            if wire in tree:
                found[member.serialization.get("name", name)] = self._value(member, tree[wire])
            elif member.type_name == "structure" and name in shape.required_members:
                found[member.serialization.get("name", name)] = {}  # a form has no word for an empty one
        return found

    def _sent_name(self, name: str, member: Any) -> str:
        if not self._ec2:
            return str(member.serialization.get("name", name))
        given = str(member.serialization.get("name", name))
        return str(member.serialization.get("queryName") or given[:1].upper() + given[1:])

    def _value(self, shape: Any, node: Any) -> Any:
        if shape.type_name == "structure":
            return self.structure(shape, node) if isinstance(node, dict) else node
        if shape.type_name == "list":
            return self._list(shape, node)
        if shape.type_name == "map":
            return self._map(shape, node)
        return read_scalar(shape.type_name, node)

    def _list(self, shape: Any, node: Any) -> list[Any]:
        if not self._ec2 and not shape.serialization.get("flattened") and isinstance(node, dict):
            node = node.get(shape.member.serialization.get("name", "member"), {})
        return [self._value(shape.member, item) for item in _numbered(node)]

    def _map(self, shape: Any, node: Any) -> dict[str, Any]:
        if not shape.serialization.get("flattened") and isinstance(node, dict):
            node = node.get("entry", {})
        key_name = shape.key.serialization.get("name", "key")
        value_name = shape.value.serialization.get("name", "value")
        entries = [entry for entry in _numbered(node) if isinstance(entry, dict)]
        return {entry.get(key_name, ""): self._value(shape.value, entry.get(value_name)) for entry in entries}


def _numbered(node: Any) -> list[Any]:
    if not isinstance(node, dict):
        return [] if node == "" else [node]
    return [node[key] for key in sorted((key for key in node if key.isdigit()), key=int)]
