"""May this caller do this: counts who called what, and refuses what no policy grants when that is switched on."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from localcloud.chain import Answer, Exchange, Next, tell
from localcloud.permission import Permission, permissions_of
from localcloud.principal import Principal
from localcloud.refusal import Refusal, refuse
from localcloud.request import Call

PATH = "/_localcloud/calls"
_MOST_ENTRIES = 10_000
_ELSEWHERE = "*"  # where a resource is counted that came when there was no room any more

Grants = Callable[[Principal, Permission], bool]
_Entry = tuple[str, str, str, str, bool]


class Calls:
    """Who called what, how often, and whether a policy grants it; safe to share among threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[_Entry] = Counter()

    def note(self, principal: Principal, operation: str, permission: Permission, *, granted: bool) -> None:
        """Count one permission that a call needed."""
        entry = (_who(principal), operation, permission.action, _where(permission), granted)
        with self._lock:
            if entry not in self._counts and len(self._counts) >= _MOST_ENTRIES:
                entry = (*entry[:3], _ELSEWHERE, granted)
            self._counts[entry] += 1

    def describe(self) -> list[dict[str, Any]]:
        """Every combination with its count."""
        names = ("principal", "operation", "action", "resource", "granted")
        with self._lock:
            return [
                {**dict(zip(names, entry, strict=True)), "count": count}
                for entry, count in sorted(self._counts.items())
            ]

    def clear(self) -> None:
        """Begin anew."""
        with self._lock:
            self._counts.clear()

    def __call__(self, exchange: Exchange, then: Next) -> Answer:
        """Show the counts, or begin anew."""
        if exchange.path != PATH:
            return then(exchange)
        method = exchange.environ.get("REQUEST_METHOD")
        if method == "DELETE":
            self.clear()
        elif method != "GET":
            return tell("405 Method Not Allowed", {}, b'{"error": "GET shows the calls, DELETE begins anew"}')
        return tell("200 OK", {}, json.dumps({"calls": self.describe()}).encode())


class Authorization:
    """Holds each call against the policies of its caller.

    Parameters
    ----------
    calls
        Where it is noted.
    grants
        Whether a caller has a permission.
    enforce
        Whether what is not granted is refused.
    """

    def __init__(self, calls: Calls, grants: Grants, *, enforce: bool) -> None:
        self._calls = calls
        self._grants = grants
        self._enforce = enforce

    def __call__(self, exchange: Exchange, then: Next) -> Answer:
        """Note the call, and pass it on or refuse it."""
        principal = exchange.principal
        if principal is None:
            return then(exchange)
        call, query = exchange.call, str(exchange.environ.get("QUERY_STRING", ""))
        for needed in permissions_of(call, exchange.operation, query=query, account=principal.account):
            granted = self._grants(principal, needed)
            self._calls.note(principal, exchange.operation, needed, granted=granted)
            if self._enforce and not granted:
                return tell(*_deny(call, principal, needed))
        return then(exchange)


def _deny(call: Call, principal: Principal, needed: Permission) -> Refusal:
    if call.service == "ec2":
        message = "You are not authorized to perform this operation."
        return refuse(call, "403 Forbidden", "UnauthorizedOperation", message)
    on = f" on resource: {needed.resource}" if needed.resource else ""
    message = (
        f"User: {principal.arn} is not authorized to perform: {needed.action}{on} because no identity-based policy "
        f"allows the {needed.action} action"
    )
    is_json = bool(call.target) or call.service in {"lambda", "batch", "ecs"}
    code = "AccessDeniedException" if is_json else "AccessDenied"
    return refuse(call, "400 Bad Request" if call.target else "403 Forbidden", code, message)


def _who(principal: Principal) -> str:
    """The role rather than its session: what has policies."""
    return f"arn:aws:iam::{principal.account}:role/{principal.role}" if principal.role else principal.arn


def _where(permission: Permission) -> str:
    """The resource; of an object its bucket and the first folder, so that the list stays short."""
    resource = permission.resource or "*"
    if resource.startswith("arn:aws:s3:::") and resource.count("/") > 1:
        bucket, folder, _ = resource.split("/", 2)
        return f"{bucket}/{folder}/*"
    return resource
