"""Errors in the form that the service's protocol gives them, so that every client can read them."""

from __future__ import annotations

import json
import uuid
from xml.sax.saxutils import escape

from localcloud.request import Call, is_form

Refusal = tuple[str, dict[str, str], bytes]
_XML_SERVICES = frozenset({"s3", "s3-object-lambda", "s3express"})


def refuse(call: Call, status: str, code: str, message: str) -> Refusal:
    """Return status line, headers and body of an error.

    Parameters
    ----------
    call
        What is refused; its protocol decides the form.
    status
        Status line, for example `400 Bad Request`.
    code, message
        The service's error.
    """
    if call.service in _XML_SERVICES:
        xml = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
        return status, {"Content-Type": "application/xml"}, xml.encode()
    if call.service == "ec2":
        xml = (
            f"<Response><Errors><Error><Code>{code}</Code><Message>{escape(message)}</Message></Error></Errors>"
            f"<RequestID>{uuid.uuid4()}</RequestID></Response>"
        )
        return status, {"Content-Type": "text/xml"}, xml.encode()
    if not call.target and is_form(call):
        fault = "Sender" if status.startswith("4") else "Receiver"
        xml = (
            f"<ErrorResponse><Error><Type>{fault}</Type><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
            f"<RequestId>{uuid.uuid4()}</RequestId></ErrorResponse>"
        )
        return status, {"Content-Type": "text/xml"}, xml.encode()
    # Some services spell the key with a capital letter, and each client reads its own.
    body = json.dumps({"__type": code, "message": message, "Message": message}).encode()
    kind = "application/x-amz-json-1.1" if call.target else "application/json"
    return status, {"Content-Type": kind, "x-amzn-ErrorType": code}, body
