"""XML bodies as trees of members, by botocore's shapes; names are taken without their namespaces."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element, ParseError

from localcloud.wire_rest import Unreadable
from localcloud.wire_text import read_scalar

_SCHEMA_INSTANCE = "{http://www.w3.org/2001/XMLSchema-instance}"


def read_xml(body: bytes, shape: Any) -> dict[str, Any]:
    """Return the members of a structure that a body's root element holds; an empty body holds none.

    Raises
    ------
    Unreadable
        When the body is no XML, or declares entities.
    """
    from xml.etree.ElementTree import fromstring

    if not body.strip():
        return {}
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise Unreadable("The XML you provided declares entities")
    try:
        root = fromstring(body)  # noqa: S314 - entities are refused above
    except ParseError as error:
        raise Unreadable("The XML you provided was not well-formed") from error
    return _structure(shape, root)


def _structure(shape: Any, element: Element) -> dict[str, Any]:
    by_wire = {member.serialization.get("name", name): member for name, member in shape.members.items()}
    children: dict[str, list[Element]] = {}
    for child in element:
        children.setdefault(_bare(child.tag), []).append(child)
    found: dict[str, Any] = {name: _unknown(name, given) for name, given in children.items() if name not in by_wire}
    for wire, member in by_wire.items():
        if member.serialization.get("xmlAttribute"):
            found |= _attribute(element, wire)
            continue
        given = children.get(_child_name(member, wire))
        if given:
            found.pop(_child_name(member, wire), None)
            found[wire] = _value(member, given)
    return found


def _child_name(member: Any, wire: str) -> str:
    """A flattened list's elements may have the name of its member."""
    if member.type_name == "list" and member.serialization.get("flattened"):
        return str(member.serialization.get("name", member.member.serialization.get("name", wire)))
    return wire


def _attribute(element: Element, wire: str) -> dict[str, str]:
    text = element.get(wire.replace("xsi:", _SCHEMA_INSTANCE))
    return {} if text is None else {wire: text}


def _value(shape: Any, elements: list[Element]) -> Any:
    if shape.type_name == "list":
        return _list(shape, elements)
    if shape.type_name == "structure":
        return _structure(shape, elements[-1])
    return read_scalar(shape.type_name, elements[-1].text or "")


def _list(shape: Any, elements: list[Element]) -> list[Any]:
    items = elements if shape.serialization.get("flattened") else list(elements[-1])
    return [_value(shape.member, [item]) for item in items]


def _unknown(name: str, elements: list[Element]) -> str:
    """What the model does not know stays, so that validation says so."""
    return elements[-1].text or name


def _bare(tag: str) -> str:
    return tag.rpartition("}")[2]
