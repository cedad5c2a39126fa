"""Who may come in at all: this machine's own programs and pages.

localcloud runs what it is told to run, so a page in a browser must not be able to talk to it: requests that carry a
foreign origin, or come by another name than the loopback's, are refused.
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from localcloud.chain import Answer, Exchange, Next, tell

_OWN_PATHS = "/_localcloud/"
_OWNER_ONLY = b'{"error": "this is the owner\'s alone: sign with the access key of this instance"}'
_REFUSAL = b'{"__type": "AccessDeniedException", "message": "localcloud answers this machine only"}'


def admit_loopback(exchange: Exchange, then: Next) -> Answer:
    """Pass on what comes by a name of the loopback and from no foreign page."""
    if _is_local(exchange.environ):
        return then(exchange)
    return tell("403 Forbidden", {}, _REFUSAL)


def admit_owner(exchange: Exchange, then: Next) -> Answer:
    """Keep what steers this instance, and is no call of AWS, to its owner; it stands after the signature's check."""
    if exchange.path.startswith(_OWN_PATHS) and (exchange.principal is None or not exchange.principal.is_root):
        return tell("403 Forbidden", {}, _OWNER_ONLY)
    return then(exchange)


def _is_local(environ: Mapping[str, Any]) -> bool:
    origin = environ.get("HTTP_ORIGIN")
    return _is_loopback(f"//{environ.get('HTTP_HOST', 'localhost')}") and (origin is None or _is_loopback(origin))


def _is_loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False
