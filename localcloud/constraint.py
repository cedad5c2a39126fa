"""What botocore's service models demand of a request, checked on its wire form.

botocore's own validator looks at Python values, and at types, required members and lower bounds only; AWS itself also
refuses upper bounds, patterns and values outside of an enumeration. The messages are AWS's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "character": (str,),
    "blob": (str,),  # base64
    "timestamp": (int, float, str),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float, str),  # NaN and the infinities travel as text
    "double": (int, float, str),
}
_SHOWN_CHARACTERS = 200


def violations(shape: Any, value: Any, path: str = "") -> Iterator[str]:
    """Yield what AWS would say against a value, in the words of its validation errors.

    Parameters
    ----------
    shape
        botocore's shape.
    value
        The value as it travels in JSON: blobs are text, timestamps numbers or text.
    path
        Where the value is, in AWS's notation; empty for the request itself.
    """
    if shape.metadata.get("document") or shape.type_name not in _TYPES:
        return
    if not _has_type(shape.type_name, value):
        yield f"Value at '{path}' failed to satisfy constraint: Member must be of type {shape.type_name}"
        return
    inner = _INNER.get(shape.type_name)
    if inner is None:
        yield from _scalar(shape, value, path)
        return
    if shape.type_name != "structure":
        yield from _bounded(shape, len(value), _show(value), path)
    yield from inner(shape, value, path)


def _has_type(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    return isinstance(value, _TYPES[name])


def _structure(shape: Any, value: dict[str, Any], path: str) -> Iterator[str]:
    members = {member.serialization.get("name", name): (name, member) for name, member in shape.members.items()}
    for required in shape.required_members:
        wire = shape.members[required].serialization.get("name", required)
        if value.get(wire) is None:
            yield f"Value at '{_below(path, required)}' failed to satisfy constraint: Member must not be null"
    if shape.is_tagged_union and len([1 for given in value.values() if given is not None]) != 1:
        yield f"Value at '{path}' failed to satisfy constraint: Exactly one member of the union must be set"
    for wire, given in value.items():
        if wire not in members:
            if wire != "__type":
                yield f"Value at '{_below(path, wire)}' failed to satisfy constraint: Member is not known"
        elif given is not None:
            name, member = members[wire]
            yield from violations(member, given, _below(path, name))


def _list(shape: Any, value: list[Any], path: str) -> Iterator[str]:
    for number, item in enumerate(value, start=1):
        if item is not None:
            yield from violations(shape.member, item, f"{path}.{number}.member")


def _map(shape: Any, value: dict[str, Any], path: str) -> Iterator[str]:
    for key, item in value.items():
        yield from violations(shape.key, key, f"{path}.key")
        if item is not None:
            yield from violations(shape.value, item, f"{path}.{key}.member")


def _scalar(shape: Any, value: Any, path: str) -> Iterator[str]:
    if shape.type_name in {"integer", "long", "float", "double"} and not isinstance(value, str):
        yield from _bounded(shape, value, str(value), path)
    if shape.type_name == "string":
        yield from _text(shape, value, path)


def _text(shape: Any, value: str, path: str) -> Iterator[str]:
    out_of_bounds = list(_bounded(shape, len(value), value, path))
    yield from out_of_bounds
    allowed = shape.metadata.get("enum")
    if allowed and value not in allowed:
        options = ", ".join(allowed)
        yield _refusal(value, path, f"Member must satisfy enum value set: [{options}]")
    pattern = shape.metadata.get("pattern")
    # What is too long is refused already, and a pattern may take for ever on it.
    if pattern and not out_of_bounds and not _matches(pattern, value):
        yield _refusal(value, path, f"Member must satisfy regular expression pattern: {pattern}")


def _bounded(shape: Any, size: float, shown: str, path: str) -> Iterator[str]:
    what = "value" if shape.type_name in {"integer", "long", "float", "double"} else "length"
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < float(low):
        yield _refusal(shown, path, f"Member must have {what} greater than or equal to {low}")
    if high is not None and size > float(high):
        yield _refusal(shown, path, f"Member must have {what} less than or equal to {high}")


def _refusal(shown: str, path: str, constraint: str) -> str:
    return f"Value '{shown[:_SHOWN_CHARACTERS]}' at '{path}' failed to satisfy constraint: {constraint}"


def _matches(pattern: str, value: str) -> bool:
    compiled = _compile(pattern)
    return compiled is None or compiled.fullmatch(value) is not None


@lru_cache(maxsize=4096)
def _compile(pattern: str) -> re.Pattern[str] | None:
    try:
        return re.compile(pattern)
    except re.error:
        return None  # Java's dialect; what we cannot read we do not refuse


def _below(path: str, name: str) -> str:
    """AWS names members with a small first letter."""
    shown = name[:1].lower() + name[1:]
    return f"{path}.{shown}" if path else shown


def _show(value: Any) -> str:
    return str(value)


_INNER: dict[str, Callable[[Any, Any, str], Iterator[str]]] = {"structure": _structure, "list": _list, "map": _map}
