"""Translates between HTTP and the function URL's payload format 2.0: pure functions, both ways.

Source: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

_TEXT_TYPES = frozenset({"application/json", "application/javascript", "application/xml"})
_DEFAULT_TYPE = "application/json"
# What belongs to one connection is the server's to say, not the function's.
_OWN_HEADERS = frozenset({"connection", "content-length", "date", "keep-alive", "transfer-encoding", "upgrade"})


@dataclass(frozen=True)
class HttpRequest:
    """A request as it came in; `target` is the path with its query string."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    source_ip: str
    protocol: str = "HTTP/1.1"

    def header(self, name: str) -> str | None:
        """Value of the first header of this name, in any case."""
        return next((value for key, value in self.headers if key.lower() == name), None)


@dataclass(frozen=True)
class HttpResponse:
    """A response to send; header names are in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True)
class Caller:
    """Whose URL it is, and who calls: `access_key` is set when the request is signed."""

    url_id: str
    domain: str
    account: str
    access_key: str | None = None


def refuse(status: int, message: str) -> HttpResponse:
    """Answer that the URL itself gives, not the function."""
    body = json.dumps({"Message": message}).encode()
    return HttpResponse(status, (("content-type", "application/json"),), body)


def to_event(request: HttpRequest, caller: Caller, *, request_id: str, now: datetime) -> dict[str, Any]:
    """Return the event of payload format 2.0. Keys that would be empty are left out, as AWS does."""
    path, _, query = request.target.partition("?")
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": _join(request.headers),
        "requestContext": _describe_context(request, caller, request_id=request_id, now=now),
        "isBase64Encoded": False,
    }
    if cookies := _list_cookies(request.headers):
        event["cookies"] = cookies
    if parameters := _join(parse_qsl(query, keep_blank_values=True), lower=False):
        event["queryStringParameters"] = parameters
    if request.body:
        event["body"], event["isBase64Encoded"] = _encode_body(request)
    return event


def from_result(payload: bytes) -> HttpResponse:
    """Return the HTTP response that a function's result stands for.

    A JSON object with `statusCode` is taken as it says; anything else becomes the body of a 200.
    """
    try:
        result = json.loads(payload or b"null")
    except ValueError:
        return refuse(502, "Internal Server Error")
    if not isinstance(result, dict) or "statusCode" not in result:
        return HttpResponse(200, (("content-type", _DEFAULT_TYPE),), payload)
    try:
        return _from_object(result)
    except (TypeError, ValueError, binascii.Error):
        return refuse(502, "Internal Server Error")


def read_access_key(authorization: str | None, *, region: str) -> str | None:
    """Return the access key of a Signature Version 4 header that is meant for Lambda in this region."""
    scheme, _, rest = (authorization or "").partition(" ")
    fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    scope = fields.get("Credential", "").split("/")
    complete = scheme == "AWS4-HMAC-SHA256" and fields.get("Signature") and fields.get("SignedHeaders")
    if not complete or len(scope) != 5 or scope[2:] != [region, "lambda", "aws4_request"]:
        return None
    return scope[0] or None


def _from_object(result: Mapping[str, Any]) -> HttpResponse:
    status = int(result["statusCode"])
    if not 100 <= status <= 599:
        raise ValueError(status)
    told = result.get("headers") or {}
    if not isinstance(told, dict):
        raise TypeError(told)
    headers = [(str(name).lower(), _header_text(value)) for name, value in told.items()]
    headers = [(name, value) for name, value in headers if name not in _OWN_HEADERS]
    if not any(name == "content-type" for name, _ in headers):
        headers.append(("content-type", _DEFAULT_TYPE))
    headers += [("set-cookie", _header_text(cookie)) for cookie in result.get("cookies") or []]
    return HttpResponse(status, tuple(headers), _decode_body(result.get("body"), bool(result.get("isBase64Encoded"))))


def _header_text(value: Any) -> str:
    text = ("true" if value else "false") if isinstance(value, bool) else str(value)
    if "\r" in text or "\n" in text:
        raise ValueError("a header holds a line break")
    return text


def _decode_body(body: Any, encoded: bool) -> bytes:
    if body is None:
        return b""
    if not isinstance(body, str):
        return json.dumps(body).encode()
    return base64.b64decode(body, validate=True) if encoded else body.encode()


def _encode_body(request: HttpRequest) -> tuple[str, bool]:
    kind = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if kind.startswith("text/") or kind in _TEXT_TYPES or kind.endswith("+json"):
        try:
            return request.body.decode(), False
        except UnicodeDecodeError:
            pass  # it says it is text and is not: the bytes still have to arrive
    return base64.b64encode(request.body).decode(), True


def _join(pairs: Iterable[tuple[str, str]], *, lower: bool = True) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in pairs:
        key = name.lower() if lower else name
        if lower and key == "cookie":
            continue
        joined[key] = f"{joined[key]},{value}" if key in joined else value
    return joined


def _list_cookies(headers: Iterable[tuple[str, str]]) -> list[str]:
    lines = [value for name, value in headers if name.lower() == "cookie"]
    return [cookie.strip() for line in lines for cookie in line.split(";") if cookie.strip()]


def _describe_context(request: HttpRequest, caller: Caller, *, request_id: str, now: datetime) -> dict[str, Any]:
    context: dict[str, Any] = {
        "accountId": caller.account if caller.access_key else "anonymous",
        "apiId": caller.url_id,
        "domainName": caller.domain,
        "domainPrefix": caller.url_id,
        "http": {
            "method": request.method,
            "path": request.target.partition("?")[0],
            "protocol": request.protocol,
            "sourceIp": request.source_ip,
            "userAgent": request.header("user-agent") or "",
        },
        "requestId": request_id,
        "routeKey": "$default",
        "stage": "$default",
        "time": now.astimezone(UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "timeEpoch": int(now.timestamp() * 1000),
    }
    if caller.access_key:
        context["authorizer"] = {"iam": {"accessKey": caller.access_key, "accountId": caller.account}}
    return context
