"""The members of a REST request: in its path, its query string, its headers and its body."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

from localcloud.request import Call
from localcloud.wire_text import read_scalar

_RAW = frozenset({"blob", "string", "timestamp"})

ReadBody = Callable[[bytes, Any], dict[str, Any]]


class Unreadable(Exception):
    """The body is not what the protocol says."""


def read_rest(shape: Any, call: Call, labels: Mapping[str, str], read_body: ReadBody) -> dict[str, Any]:
    """Return what was sent for the members of an input shape.

    Parameters
    ----------
    shape
        botocore's input shape.
    call
        The request.
    labels
        The path's parts, still encoded.
    read_body
        Reads a body by the shape of the structure that it holds.

    Raises
    ------
    Unreadable
        When the body cannot be parsed.
    """
    outside = _Outside(call, labels, parse_qs(call.query, keep_blank_values=True))
    found: dict[str, Any] = {}
    for name, member in shape.members.items():
        wire = member.serialization.get("name", name)
        for value in outside.find(member, wire):
            found[wire] = value
    return {**found, **_in_body(shape, call, read_body)}


@dataclass(frozen=True)
class _Outside:
    """What a request says outside of its body."""

    call: Call
    labels: Mapping[str, str]
    query: Mapping[str, list[str]]

    def find(self, member: Any, wire: str) -> Iterator[Any]:
        """Yield the member's value, if it was sent there."""
        location, headers = member.serialization.get("location"), self.call.headers
        if location == "uri" and wire in self.labels:
            yield read_scalar(member.type_name, unquote(self.labels[wire]))
        if location == "querystring":
            yield from _in_query(member, wire, self.query)
        if location == "header" and wire.lower() in headers:
            yield _of_header(member, headers[wire.lower()])
        if location == "headers":
            start = wire.lower()
            yield {name.removeprefix(start): text for name, text in headers.items() if name.startswith(start)}


def _in_query(member: Any, wire: str, query: Mapping[str, list[str]]) -> Iterator[Any]:
    if member.type_name == "map":
        return  # whatever else stands in the query string
    if wire in query:
        values = query[wire]
        if member.type_name == "list":
            yield [read_scalar(member.member.type_name, text) for text in values]
        else:
            yield read_scalar(member.type_name, values[-1])


def _of_header(member: Any, text: str) -> Any:
    if member.type_name == "list":
        return [read_scalar(member.member.type_name, part.strip()) for part in text.split(",") if part.strip()]
    return read_scalar(member.type_name, text)


def _in_body(shape: Any, call: Call, read_body: ReadBody) -> dict[str, Any]:
    payload = shape.serialization.get("payload")
    if payload is None:
        return read_body(call.body, shape) if _has_body_members(shape) else {}
    member = shape.members[payload]
    wire = member.serialization.get("name", payload)
    if member.type_name in _RAW or member.metadata.get("document"):
        return {wire: ""}  # the caller's own bytes: there, and nobody's to judge
    return {wire: read_body(call.body, member)} if call.body else {}


def _has_body_members(shape: Any) -> bool:
    return any("location" not in member.serialization for member in shape.members.values())
