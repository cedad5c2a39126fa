"""From the bytes of a request to the members of its operation, by the names that they have on the wire.

JSON: the body holds them. Query and EC2: the form does. REST: they lie in the path, the query string, the headers and
the body, which is JSON or XML.
"""

from __future__ import annotations

import json
from typing import Any

from localcloud.request import Call, form_of
from localcloud.route import Found
from localcloud.wire_form import read_form
from localcloud.wire_rest import Unreadable, read_rest

_CBOR = "/service/"


def read_members(model: Any, call: Call, found: Found) -> dict[str, Any] | None:
    """Return what was sent for the operation's members, or None for what is not covered.

    Raises
    ------
    Unreadable
        When the body cannot be parsed.
    """
    shape = found.operation.input_shape
    if shape is None or (call.path.startswith(_CBOR) and not call.target):
        return None
    if call.target:
        return read_json(call.body)
    if model.protocol == "rest-json":
        return read_rest(shape, call, found.labels, lambda body, _: read_json(body))
    if model.protocol == "rest-xml":
        from localcloud.wire_xml import read_xml

        return read_rest(shape, call, found.labels, read_xml)
    return read_form(shape, form_of(call), ec2=model.protocol == "ec2")


def read_json(body: bytes) -> dict[str, Any]:
    """Return a body's JSON object; an empty body is an empty one.

    Raises
    ------
    Unreadable
        When it is none.
    """
    if not body:
        return {}
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unreadable("The request body is not JSON") from error
    if not isinstance(found, dict):
        raise Unreadable("The request body is not a JSON object")
    return found
