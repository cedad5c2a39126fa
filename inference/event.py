"""Reads the events that reach a Lambda function: direct ones, and API Gateway's payload formats 1.0 and 2.0."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, Optional

from inference.failure import ServingError
from inference.limit import MAX_BODY_BYTES
from inference.media import ANY_IMAGE, is_image_type, plain_type

_ASKED = ("rows", "columns", "texts")
_BODIES = ("text/csv", "text/plain")
_MAX_ENCODED_LETTERS = MAX_BODY_BYTES * 4 // 3 + 4


@dataclass(frozen=True)
class Question:
    """What to classify: an image's URL, a body of some type, or a JSON object with rows or texts."""

    url: Optional[str] = None
    data: Optional[bytes] = None
    content_type: str = ANY_IMAGE
    asked: Optional[Mapping[str, Any]] = None


@dataclass(frozen=True)
class HttpEvent:
    """What both payload formats say of an HTTP request."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    content_type: str = ""
    body: bytes = b""


def is_http(event: Mapping[str, Any]) -> bool:
    """Whether an event wants an HTTP envelope for an answer."""
    return "httpMethod" in event or "requestContext" in event


def read_http(event: Mapping[str, Any]) -> HttpEvent:
    """Read payload format 1.0 (REST API, load balancer) or 2.0 (HTTP API, function URL).

    Raises
    ------
    ServingError
        400 for an event that is neither, or a body that is not what it says; 413 for one that is too large.
    """
    context = _mapping(event.get("requestContext"))
    http = _mapping(context.get("http"))
    method = http.get("method") or event.get("httpMethod")
    if not isinstance(method, str):
        raise ServingError(400, "bad_event", "The event names no HTTP method.")
    path = str(event.get("rawPath") or event.get("path") or "/")
    stage = "/" + str(context.get("stage") or "$default")
    if path == stage or path.startswith(stage + "/"):
        path = path[len(stage) :] or "/"
    headers = {str(name).lower(): str(value) for name, value in _mapping(event.get("headers")).items()}
    query = {str(name): str(value) for name, value in _mapping(event.get("queryStringParameters")).items()}
    return HttpEvent(method.upper(), path, query, headers.get("content-type", ""), _read_body(event))


def read_direct(event: Mapping[str, Any]) -> Question:
    """Read a direct invocation, `{"url": …}` or `{"dataurl": …}`, `{"rows": …}`, `{"columns": …}` or `{"texts": …}`."""
    url, dataurl = event.get("url"), event.get("dataurl")
    if isinstance(url, str) and url:
        return Question(url=url)
    if isinstance(dataurl, str) and dataurl:
        return Question(data=decode_data_url(dataurl))
    if any(name in event for name in _ASKED):
        return Question(asked=event)
    message = 'Say what to classify: {"url": "https://…"}, {"dataurl": …}, {"rows": …}, {"columns": …} or {"texts": …}.'
    raise ServingError(400, "missing_url", message)


def read_question(http: HttpEvent) -> Question:
    """What an HTTP request asks about: by query, by JSON body, or as bytes."""
    if http.method == "GET":
        url = http.query.get("url") or http.query.get("image")
        if not url:
            raise ServingError(400, "missing_url", "Say which image: GET ?url=<URL>.")
        return Question(url=url)
    if is_image_type(http.content_type):
        return Question(data=http.body)
    if plain_type(http.content_type) in _BODIES:
        return Question(data=http.body, content_type=http.content_type)
    try:
        asked: Dict[str, Any] = json.loads(http.body.decode("utf-8"), parse_int=float)
    except (ValueError, RecursionError) as error:
        message = 'Send JSON, {"url": "https://…"} for example, or an image, rows or a text with their Content-Type.'
        raise ServingError(400, "bad_json", message) from error
    return read_direct(_mapping(asked))


def decode_data_url(text: str) -> bytes:
    """The bytes of a `data:` URL, or of bare base64."""
    encoded = text
    if text[:5].lower() == "data:":
        kind, comma, encoded = text.partition(",")
        if not comma or not kind.lower().endswith(";base64"):
            raise ServingError(400, "bad_dataurl", "Only base64 data URLs are read: data:image/png;base64,….")
    return _decode_base64("".join(encoded.split()), "bad_dataurl")


def _read_body(event: Mapping[str, Any]) -> bytes:
    body = event.get("body") or ""
    if not isinstance(body, str):
        raise ServingError(400, "bad_event", "The event's body is no text.")
    if event.get("isBase64Encoded"):
        return _decode_base64(body, "bad_body")
    data = body.encode("utf-8", "surrogatepass")
    if len(data) > MAX_BODY_BYTES:
        raise _too_large()
    return data


def _decode_base64(text: str, code: str) -> bytes:
    if len(text) > _MAX_ENCODED_LETTERS:
        raise _too_large()
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ServingError(400, code, "The base64 text is broken.") from error


def _too_large() -> ServingError:
    return ServingError(413, "body_too_large", "The body is larger than %d bytes." % MAX_BODY_BYTES)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
