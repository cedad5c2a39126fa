"""What a request asks for, read from its headers before moto sees it: service, region, operation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

_FORM = "application/x-www-form-urlencoded"
_UNSIGNED_ACTION = b"Action=AssumeRoleWith"  # in exchange for another's signature
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
    encoded_path
        The path as it was sent; a bucket in the host's name stands before it.
    query
        The query string as it was sent.
    """

    service: str
    region: str
    method: str
    path: str
    target: str
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    encoded_path: str = ""
    query: str = ""


def read_call(environ: Mapping[str, Any], body: bytes) -> Call:
    """Return the call that a WSGI request stands for."""
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    service, region = _scope(environ) or (_unsigned_service(target, body), "us-east-1")
    path = environ.get("PATH_INFO", "/")
    return Call(
        service=service,
        region=region,
        method=environ.get("REQUEST_METHOD", "GET"),
        path=path,
        target=target,
        content_type=environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower(),
        body=body,
        headers={
            name[len("HTTP_") :].replace("_", "-").lower(): str(value)
            for name, value in environ.items()
            if name.startswith("HTTP_")
        },
        encoded_path=_bucket_of_host(service, environ) + _encoded_path(environ, path),
        query=environ.get("QUERY_STRING", ""),
    )


def form_of(call: Call) -> dict[str, str]:
    """Return the form of a query-protocol call, which may stand in the query string; empty for others."""
    if call.content_type == _FORM:
        return _last_values(call.body.decode("utf-8", errors="replace"))
    found = query_of(call)
    return found if "Action" in found else {}


def is_form(call: Call) -> bool:
    """Whether the call speaks the query protocol; true also of one whose body was not read."""
    return call.content_type == _FORM or bool(form_of(call))


def query_of(call: Call) -> dict[str, str]:
    """Return the query string's values by their names; of several with one name, the last."""
    return _last_values(call.query)


def _last_values(text: str) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(text, keep_blank_values=True).items()}


def _encoded_path(environ: Mapping[str, Any], path: str) -> str:
    raw = str(environ.get("RAW_URI", ""))
    return (urlsplit(raw).path if "://" in raw else raw.partition("?")[0]) or path


def _bucket_of_host(service: str, environ: Mapping[str, Any]) -> str:
    """A bucket may be the first part of the host's name: `pages.localhost`."""
    bucket, dot, rest = str(environ.get("HTTP_HOST", "")).partition(":")[0].rpartition(".localhost")
    return f"/{bucket}" if service == "s3" and dot and not rest and bucket != "s3" else ""


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


def _unsigned_service(target: str, body: bytes) -> str:
    if target.startswith("DynamoDB_"):
        return "dynamodb"
    return "sts" if body.startswith(_UNSIGNED_ACTION) else _UNSIGNED
