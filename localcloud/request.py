"""What a request asks for, read from its headers before moto sees it: service, region, operation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

_FORM = "application/x-www-form-urlencoded"
_UNSIGNED = "s3"  # browsers and presigned links: only objects are fetched without a signature


@dataclass(frozen=True)
class Call:
    """One request to one service.

    Attributes
    ----------
    service
        Signing name, for example `dynamodb`, `s3`, `elasticloadbalancing`.
    region
        Region in the signature's scope.
    method, path
        Of HTTP; the path is decoded.
    target
        Value of `X-Amz-Target`, or an empty string.
    content_type
        Media type without parameters, in lower case.
    body
        The whole body.
    headers
        By their names in lower case.
    """

    service: str
    region: str
    method: str
    path: str
    target: str
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def read_call(environ: Mapping[str, Any], body: bytes) -> Call:
    """Return the call that a WSGI request stands for."""
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    service, region = _scope(environ) or (_service_of_target(target), "us-east-1")
    return Call(
        service=service,
        region=region,
        method=environ.get("REQUEST_METHOD", "GET"),
        path=environ.get("PATH_INFO", "/"),
        target=target,
        content_type=environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower(),
        body=body,
        headers={
            name[len("HTTP_") :].replace("_", "-").lower(): str(value)
            for name, value in environ.items()
            if name.startswith("HTTP_")
        },
    )


def form_of(call: Call) -> dict[str, str]:
    """Return the form of a query-protocol call; empty for others."""
    if call.content_type != _FORM:
        return {}
    parsed = parse_qs(call.body.decode("utf-8", errors="replace"), keep_blank_values=True)
    return {name: values[-1] for name, values in parsed.items()}


def _scope(environ: Mapping[str, Any]) -> tuple[str, str] | None:
    """Service and region of a version 4 signature, in the header or in a presigned link."""
    header = environ.get("HTTP_AUTHORIZATION", "")
    credential = header.partition("Credential=")[2].partition(",")[0]
    if not credential:
        query = parse_qs(environ.get("QUERY_STRING", ""))
        credential = query.get("X-Amz-Credential", [""])[0]
    parts = credential.strip().split("/")
    if len(parts) < 5:
        return None
    return parts[-2].lower(), parts[-3]


def _service_of_target(target: str) -> str:
    return "dynamodb" if target.startswith("DynamoDB_") else _UNSIGNED
