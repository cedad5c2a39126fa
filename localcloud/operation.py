"""Which operation a request asks for, by the name that AWS gives it, whatever the protocol.

The target header or the form names it outright. REST services are matched by method, path and query string against
botocore's model; of several matches the one that asks for most wins: `UploadPart` needs what `PutObject` does not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from localcloud.chain import Answer, Exchange, Next
from localcloud.request import Call, form_of
from localcloud.validation import ModelShelf

# Signing name of REST services whose name in botocore is another one.
_BOTOCORE_NAMES = {
    "execute-api": "apigateway",
    "elasticloadbalancing": "elbv2",
    "monitoring": "cloudwatch",
    "elasticfilesystem": "efs",
    "aoss": "opensearchserverless",
}
_READING = re.compile(
    "Get|List|Describe|Head|Query|Scan|BatchGet|TransactGet|Select|Search|Lookup|Filter|Receive|Validate|Estimate"
    "|Simulate|Test|Check|Poll|Download|Detect|Preview|StartQuery|StopQuery|Discover"
)


def botocore_name(service: str) -> str:
    """Return the name that botocore has for a signing name."""
    return _BOTOCORE_NAMES.get(service, service)


def is_mutating(operation: str, method: str) -> bool:
    """Whether an operation changes something; one without a name is judged by its HTTP method.

    Receiving from a queue counts as reading, though it hides the messages for a while.
    """
    if not operation:
        return method not in {"GET", "HEAD", "OPTIONS"}
    return _READING.match(operation) is None


class Operations:
    """Names operations.

    Parameters
    ----------
    shelf
        Has the services' models.
    """

    def __init__(self, shelf: ModelShelf) -> None:
        self._shelf = shelf

    def name(self, call: Call, query: str) -> str:
        """Return the operation's name, or an empty string when it cannot be told.

        Parameters
        ----------
        call
            What is asked.
        query
            The raw query string.
        """
        if call.target:
            return call.target.rpartition(".")[2]
        asked = dict(parse_qsl(query, keep_blank_values=True))
        if action := form_of(call).get("Action") or asked.get("Action"):
            return action
        try:
            model = self._shelf.get(botocore_name(call.service))
        except Exception:  # noqa: BLE001 - the edge to botocore's loader: an unknown service has no model
            return ""
        return _match(_routes(model).get(call.method, []), call, asked)


class Naming:
    """Notes what each call asks for, for the steps after it."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    def __call__(self, exchange: Exchange, then: Next) -> Answer:
        """Name the operation and pass the call on."""
        exchange.operation = self._operations.name(exchange.call, str(exchange.environ.get("QUERY_STRING", "")))
        return then(exchange)


@dataclass(frozen=True)
class _Route:
    name: str
    path: re.Pattern[str]
    query: Mapping[str, str | None]
    headers: frozenset[str]

    @property
    def demands(self) -> int:
        return len(self.query) + len(self.headers)

    def takes(self, call: Call, path: str, asked: Mapping[str, str]) -> bool:
        return (
            self.path.fullmatch(path) is not None
            and all(name in asked and value in {None, asked[name]} for name, value in self.query.items())
            and all(name in call.headers for name in self.headers)
        )


def _match(routes: Sequence[_Route], call: Call, asked: Mapping[str, str]) -> str:
    path = call.path.rstrip("/") or "/"
    return next((route.name for route in routes if route.takes(call, path, asked)), "")


@lru_cache(maxsize=32)
def _routes(model: Any) -> dict[str, list[_Route]]:
    """Routes by HTTP method, those that ask for most and have the most fixed text first."""
    if not model.protocol.startswith("rest"):
        return {}
    found = []
    for name in model.operation_names:
        operation = model.operation_model(name)
        uri, _, query = operation.http["requestUri"].partition("?")
        pattern = re.sub(r"\\?\{(\w+)\\?(\\?\+)?\\?\}", lambda label: ".+" if label[2] else "[^/]+", re.escape(uri))
        fixed = {key: value or None for key, value in parse_qsl(query, keep_blank_values=True)}
        needed = {key: fixed.get(key) for key in [*fixed, *_required(operation, "querystring")]}
        headers = frozenset(header.lower() for header in _required(operation, "header"))
        route = _Route(name, re.compile(pattern.rstrip("/") or "/"), needed, headers)
        rank = (route.demands, len(re.sub(r"\{[^}]*\}", "", uri)), len(uri), not operation.deprecated)
        found.append((rank, operation.http["method"], route))
    found.sort(key=lambda entry: entry[0], reverse=True)
    by_method: dict[str, list[_Route]] = {}
    for _, method, route in found:
        by_method.setdefault(method, []).append(route)
    return by_method


def _required(operation: Any, location: str) -> list[str]:
    shape = operation.input_shape
    if shape is None:
        return []
    return [
        shape.members[name].serialization["name"]
        for name in shape.required_members
        if shape.members[name].serialization.get("location") == location
    ]
