"""Asks a service over HTTP, with limits on time, size and where it may lead."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from ratchet.errors import SpecError

_TIMEOUT_SECONDS = 15
_MAX_ANSWER_BYTES = 1024 * 1024


class _StayHere(urllib.request.HTTPRedirectHandler):
    """A prediction never leads elsewhere: a redirect is an answer like any other."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow nothing."""


# No proxy: the load balancer is asked, not what stands in between.
_OPENER = urllib.request.build_opener(_StayHere, urllib.request.ProxyHandler({}))


def ask_service(service_url: str, image: bytes) -> dict[str, Any]:
    """POST an image to `/predict`.

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
        f"{service_url.rstrip('/')}/predict", data=image, headers={"Content-Type": "application/octet-stream"}
    )
    try:
        with _OPENER.open(request, timeout=_TIMEOUT_SECONDS) as answer:
            body = json.loads(answer.read(_MAX_ANSWER_BYTES))
    except urllib.error.HTTPError as error:
        with error:
            return {"error": f"HTTP {error.code}: {error.read(300).decode('utf-8', 'replace')}"}
    except (OSError, ValueError) as error:
        return {"error": f"nothing that can be read: {error}"}
    return body if isinstance(body, dict) else {"error": "JSON that is no object"}
