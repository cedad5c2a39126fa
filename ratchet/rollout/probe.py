"""Asks a service over HTTP, with limits on time, size and where it may lead."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from ratchet.errors import SpecError
from ratchet.rollout.question import Question

_TIMEOUT_SECONDS = 15
_MAX_ANSWER_BYTES = 1024 * 1024
_SHOWN_BYTES = 300


class _StayHere(urllib.request.HTTPRedirectHandler):
    """A prediction never leads elsewhere: a redirect is an answer like any other."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow nothing."""


# No proxy: the load balancer is asked, not what stands in between.
_OPENER = urllib.request.build_opener(_StayHere, urllib.request.ProxyHandler({}))


def ask_service(service_url: str, question: Question) -> dict[str, Any]:
    """POST a question to `/predict`.

    Returns
    -------
    The answer's JSON object; `{"error": ...}` for anything else, also for no answer at all.

    Raises
    ------
    SpecError
        When the address is no HTTP address.
    """
    if urlsplit(service_url).scheme not in ("http", "https"):
        raise SpecError(f"the stack's output ServiceUrl {service_url!r} is no HTTP address")
    request = urllib.request.Request(  # noqa: S310 - the scheme was checked
        f"{service_url.rstrip('/')}/predict", data=question.body, headers={"Content-Type": question.content_type}
    )
    try:
        status, content = _send(request)
    except (OSError, HTTPException) as error:
        return {"error": f"nothing that can be read: {error}"}
    if status != 200:
        return {"error": f"HTTP {status}: {content[:_SHOWN_BYTES].decode('utf-8', 'replace')}"}
    return read_object(content)


def read_object(content: bytes) -> dict[str, Any]:
    """Read a JSON object; `{"error": ...}` for anything else."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return {"error": f"no JSON: {content[:_SHOWN_BYTES]!r}"}
    return body if isinstance(body, dict) else {"error": f"JSON that is no object: {content[:_SHOWN_BYTES]!r}"}


def _send(request: urllib.request.Request) -> tuple[int, bytes]:
    try:
        with _OPENER.open(request, timeout=_TIMEOUT_SECONDS) as answer:
            return answer.status, answer.read(_MAX_ANSWER_BYTES)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(_MAX_ANSWER_BYTES)
