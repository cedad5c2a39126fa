"""Arguments for any operation, made from botocore's model of it: the fewest, or one of everything."""

from __future__ import annotations

import datetime
from typing import Any

_DEPTH = 5
_WHEN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def sample(shape: Any, *, full: bool = False, depth: int = 0) -> Any:
    """Return a value that keeps a shape's types, bounds and enumerations (patterns it does not know)."""
    if shape.type_name == "structure":
        return _structure(shape, full=full, depth=depth)
    if shape.type_name == "list":
        count = max(1, int(shape.metadata.get("min", 1)))
        return [sample(shape.member, full=full, depth=depth + 1) or _first(shape.member) for _ in range(count)]
    if shape.type_name == "map":
        value = sample(shape.value, full=full, depth=depth + 1)
        return dict.fromkeys(_keys(shape.key, max(1, int(shape.metadata.get("min", 1)))), value)
    return _scalar(shape)


def _first(shape: Any) -> dict[str, Any]:
    """A form has no word for an empty structure in a list."""
    return {name: sample(member) or _first(member) for name, member in list(shape.members.items())[:1]}


def _keys(shape: Any, count: int) -> list[str]:
    return list(shape.enum[:count]) if shape.enum else [_text(shape)[:-1] + str(number) for number in range(count)]


def _structure(shape: Any, *, full: bool, depth: int) -> dict[str, Any]:
    names = shape.required_members if not full or depth > _DEPTH else list(shape.members)
    if shape.is_tagged_union:
        names = list(shape.members)[:1]
    return {name: sample(shape.members[name], full=full, depth=depth + 1) for name in names}


def _scalar(shape: Any) -> Any:
    kind = shape.type_name
    if kind in {"integer", "long"}:
        return int(shape.metadata.get("min", 1))
    if kind in {"float", "double"}:
        return float(shape.metadata.get("min", 1))
    others: dict[str, Any] = {"blob": b"x", "timestamp": _WHEN, "boolean": True}
    return others[kind] if kind in others else _text(shape)


def _text(shape: Any) -> str:
    if shape.enum:
        return str(shape.enum[0])
    letters = "x" * max(3, int(shape.metadata.get("min", 3)))
    return letters[: int(shape.metadata.get("max", len(letters)))]
