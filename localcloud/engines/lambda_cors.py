"""Answers cross-origin questions on behalf of a function URL, by its Cors configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from localcloud.engines.lambda_url_event import HttpRequest, HttpResponse

_PREFIX = "access-control-"


def is_preflight(request: HttpRequest) -> bool:
    """Whether a browser asks if it may ask."""
    return request.method == "OPTIONS" and request.header("access-control-request-method") is not None


def answer_preflight(request: HttpRequest, cors: Mapping[str, Any]) -> HttpResponse:
    """Return what the URL itself answers; the function is not run."""
    return HttpResponse(200, tuple(_describe(request, cors, preflight=True).items()), b"")


def add_headers(request: HttpRequest, response: HttpResponse, cors: Mapping[str, Any] | None) -> HttpResponse:
    """Return the response with the URL's own headers, which replace the function's, as on AWS."""
    if not cors:
        return response
    own = _describe(request, cors, preflight=False)
    kept = tuple((name, value) for name, value in response.headers if name not in own)
    return HttpResponse(response.status, (*kept, *own.items()), response.body)


def _describe(request: HttpRequest, cors: Mapping[str, Any], *, preflight: bool) -> dict[str, str]:
    origin = request.header("origin")
    allowed: Sequence[str] = cors.get("AllowOrigins") or []
    if origin is None or not ({"*", origin} & set(allowed)):
        return {}
    wildcard = "*" in allowed and not cors.get("AllowCredentials")
    found = {"allow-origin": "*" if wildcard else origin}
    if not wildcard:
        found["vary"] = "Origin"
    if cors.get("AllowCredentials"):
        found["allow-credentials"] = "true"
    if cors.get("ExposeHeaders"):
        found["expose-headers"] = ",".join(cors["ExposeHeaders"])
    if preflight:
        found |= _describe_preflight(cors)
    return {name if name == "vary" else _PREFIX + name: value for name, value in found.items()}


def _describe_preflight(cors: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    if cors.get("AllowMethods"):
        found["allow-methods"] = ",".join(cors["AllowMethods"])
    if cors.get("AllowHeaders"):
        found["allow-headers"] = ",".join(cors["AllowHeaders"])
    if cors.get("MaxAge") is not None:
        found["max-age"] = str(cors["MaxAge"])
    return found
