"""From the bytes of a request to its operation and members, for the protocols that validation covers.

JSON: the target header names the operation, the body holds the members. REST-JSON: method and path name the operation;
the members in path and body are read, those in headers and the query string are not. Query: the form holds both.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from localcloud.request import Call, form_of

_NUMBERS: dict[str, type[int] | type[float]] = {"integer": int, "long": int, "float": float, "double": float}


class Unreadable(Exception):
    """The body is not what the protocol says."""


def read_members(model: Any, call: Call) -> tuple[Any, dict[str, Any]] | None:
    """Return botocore's model of the operation and its members, or None for what is not covered.

    Raises
    ------
    Unreadable
        When the body cannot be parsed.
    """
    if call.target:
        return _read_json(model, call)
    if model.protocol == "rest-json":
        return _read_rest_json(model, call)
    if form := form_of(call):
        return _read_query(model, form)
    return None


def _read_json(model: Any, call: Call) -> tuple[Any, dict[str, Any]] | None:
    name = call.target.rpartition(".")[2]
    if name not in model.operation_names:
        return None
    return model.operation_model(name), _json_object(call.body)


def _json_object(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unreadable("The request body is not JSON") from error
    if not isinstance(found, dict):
        raise Unreadable("The request body is not a JSON object")
    return found


def _read_rest_json(model: Any, call: Call) -> tuple[Any, dict[str, Any]] | None:
    for method, pattern, name in _routes(model):
        found = pattern.fullmatch(call.path.rstrip("/") or "/")
        if method == call.method and found:
            operation = model.operation_model(name)
            if operation.input_shape is None or "payload" in operation.input_shape.serialization:
                return None  # the body is the caller's own: an event, not members
            members = {label: unquote(text) for label, text in found.groupdict().items()}
            return operation, {**_named_in_path(operation, members), **_json_object(call.body)}
    return None


@lru_cache(maxsize=32)
def _routes(model: Any) -> list[tuple[str, re.Pattern[str], str]]:
    """Method, path and operation, those with the most fixed text first."""
    routes = []
    for name in model.operation_names:
        http = model.operation_model(name).http
        path = http["requestUri"].partition("?")[0].rstrip("/")
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)
        routes.append((len(re.sub(r"\{\w+\}", "", path)), http["method"], re.compile(pattern), name))
    routes.sort(key=lambda route: -route[0])
    return [(method, pattern, name) for _, method, pattern, name in routes]


def _named_in_path(operation: Any, labels: dict[str, str]) -> dict[str, str]:
    """Keep what the model places in the path, under the name it has on the wire."""
    placed = {
        member.serialization.get("name")
        for member in operation.input_shape.members.values()
        if member.serialization.get("location") == "uri"
    }
    return {label: text for label, text in labels.items() if label in placed}


def _read_query(model: Any, form: dict[str, str]) -> tuple[Any, dict[str, Any]] | None:
    name = form.get("Action", "")
    if name not in model.operation_names:
        return None
    operation = model.operation_model(name)
    if operation.input_shape is None:
        return None
    tree: dict[str, Any] = {}
    for key, text in form.items():
        _plant(tree, key.split("."), text)
    return operation, _structure(operation.input_shape, tree)


def _plant(tree: dict[str, Any], path: list[str], text: str) -> None:
    for step in path[:-1]:
        below = tree.get(step)
        if not isinstance(below, dict):
            below = tree[step] = {}
        tree = below
    tree.setdefault(path[-1], text)


def _structure(shape: Any, tree: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for name, member in shape.members.items():
        wire = member.serialization.get("name", name)
        if wire in tree:
            found[wire] = _value(member, tree[wire])
    return found


def _value(shape: Any, node: Any) -> Any:
    if shape.type_name == "structure":
        return _structure(shape, node) if isinstance(node, dict) else node
    if shape.type_name == "list":
        return _list(shape, node)
    if shape.type_name == "map":
        return _map(shape, node)
    return _scalar(shape.type_name, node)


def _numbered(node: Any) -> list[Any]:
    if not isinstance(node, dict):
        return [] if node == "" else [node]
    return [node[key] for key in sorted((key for key in node if key.isdigit()), key=int)]


def _list(shape: Any, node: Any) -> list[Any]:
    if not shape.serialization.get("flattened") and isinstance(node, dict):
        node = node.get(shape.member.serialization.get("name", "member"), {})
    return [_value(shape.member, item) for item in _numbered(node)]


def _map(shape: Any, node: Any) -> dict[str, Any]:
    if not shape.serialization.get("flattened") and isinstance(node, dict):
        node = node.get("entry", {})
    key_name = shape.key.serialization.get("name", "key")
    value_name = shape.value.serialization.get("name", "value")
    entries = [entry for entry in _numbered(node) if isinstance(entry, dict)]
    return {entry.get(key_name, ""): _value(shape.value, entry.get(value_name)) for entry in entries}


def _scalar(kind: str, text: Any) -> Any:
    """Numbers and truth values from text; what cannot be read stays text, and validation says so."""
    if kind == "boolean":
        return {"true": True, "false": False}.get(str(text).lower(), text)
    if kind in _NUMBERS:
        try:
            return _NUMBERS[kind](text)
        except (TypeError, ValueError):
            return text
    return text
