"""Which operation of a service a request is, by the rules of the service's protocol.

JSON: the target header names it. RPC over CBOR: the path ends with it. Query and EC2: the form's `Action`, in the body
or the query string. REST: method and path choose it, and the parts of the query string and the headers that it demands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs

from localcloud.request import Call, form_of, query_of

_RPC_PATH = re.compile(r"/service/[^/]+/operation/(\w+)")
_LABEL = re.compile(r"\{(\w+)(\+?)\}")


@dataclass(frozen=True)
class Found:
    """An operation and what the path says.

    Attributes
    ----------
    operation
        botocore's model of it.
    labels
        The path's parts by their names on the wire, still encoded.
    """

    operation: Any
    labels: Mapping[str, str]


@dataclass(frozen=True)
class _Route:
    method: str
    path: re.Pattern[str]
    query: Mapping[str, str]
    query_names: frozenset[str]
    headers: frozenset[str]
    name: str

    def match(self, call: Call, path: str, query: Mapping[str, str]) -> Mapping[str, str] | None:
        if (
            self.method != call.method
            or not self.query_names <= query.keys()
            or not self.headers <= call.headers.keys()
        ):
            return None
        if any(value and query.get(key) != value for key, value in self.query.items()):
            return None
        found = self.path.fullmatch(path)
        return found.groupdict() if found else None


def find_operation(model: Any, call: Call) -> Found | None:
    """Return the operation of a service's model that a call is, or None when the model has no such operation."""
    name = _named(model, call)
    if name is not None:
        return Found(model.operation_model(name), {}) if name in model.operation_names else None
    return _routed(model, call) if model.protocol.startswith("rest-") else None


def _named(model: Any, call: Call) -> str | None:
    if call.target:
        prefix, _, name = call.target.rpartition(".")
        return name if prefix == model.metadata.get("targetPrefix", prefix) else ""
    rpc = _RPC_PATH.fullmatch(call.path)
    if rpc and "smithy-rpc-v2-cbor" in model.metadata.get("protocols", ()):
        return rpc.group(1)
    if model.protocol.startswith("rest-"):
        return None
    form = form_of(call)
    return form.get("Action", "") if form.get("Version", model.api_version) == model.api_version else ""


def _routed(model: Any, call: Call) -> Found | None:
    path, query = call.encoded_path or "/", query_of(call)
    for route in _routes(model):
        labels = route.match(call, path, query)
        if labels is not None:
            return Found(model.operation_model(route.name), labels)
    return None


@lru_cache(maxsize=64)
def _routes(model: Any) -> list[_Route]:
    """Those that demand most first; of two that demand the same, the one that AWS has not retired."""
    operations = map(model.operation_model, model.operation_names)
    found = [(_route(operation, demanding=model.protocol == "rest-xml"), operation) for operation in operations]
    found.sort(key=lambda entry: (*(-weight for weight in _weights(entry[0])), entry[1].deprecated, entry[0].name))
    return [route for route, _ in found]


def _weights(route: _Route) -> tuple[int, int, int]:
    fixed = re.sub(r"\(\?P<\w+>[^)]*\)", "", route.path.pattern)
    return len(route.query_names) + len(route.headers), len(fixed), -route.path.groups


def _route(operation: Any, *, demanding: bool) -> _Route:
    """With `demanding`, required members choose the operation too: S3 tells UploadPart from PutObject by them."""
    path, _, fixed = operation.http["requestUri"].partition("?")
    query = {key: values[0] for key, values in parse_qs(fixed, keep_blank_values=True).items()}
    demanded: dict[str, set[str]] = {"querystring": set(query), "header": set()}
    shape: Any = operation.input_shape
    for name in shape.required_members if demanding and shape is not None else ():
        placed = shape.members[name].serialization
        if placed.get("location") in demanded:
            demanded[placed["location"]].add(placed.get("name", name))
    return _Route(
        method=operation.http["method"],
        path=re.compile(_pattern(path)),
        query=query,
        query_names=frozenset(demanded["querystring"]),
        headers=frozenset(header.lower() for header in demanded["header"]),
        name=operation.name,
    )


def _pattern(path: str) -> str:
    """The rest of a path may hold slashes; every other part holds none. A slash at the end decides nothing."""
    pieces, last = [], 0
    for label in _LABEL.finditer(path):
        pieces += [
            re.escape(path[last : label.start()]),
            f"(?P<{label.group(1)}>{'.+' if label.group(2) else '[^/]+'})",
        ]
        last = label.end()
    pieces.append(re.escape(path[last:].rstrip("/")))
    return "".join(pieces).rstrip("/") + "/?"
