"""Spot notices: `POST /_localcloud/spot` tells a job or a machine that its Spot capacity is about to be taken back.

The body is JSON, and one member names who is told. Engines say which members they understand.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

PATH = "/_localcloud/spot"
_LIMIT_BYTES = 64 * 1024

StartResponse = Callable[[str, list[tuple[str, str]]], Any]
# Gets the notice; raises `SpotRefused` when there is nobody to tell.
Receiver = Callable[[Mapping[str, Any]], None]


class SpotRefused(Exception):
    """The notice reaches nobody; the message says why and what to do."""


class SpotDesk:
    """A WSGI application that passes notices on, and the list of those who take them."""

    def __init__(self) -> None:
        self._receivers: dict[str, Receiver] = {}

    def register(self, member: str, receiver: Receiver) -> None:
        """Pass notices that have this member to a receiver, in place of an earlier one."""
        self._receivers[member] = receiver

    def forget(self, member: str) -> None:
        """Pass notices of this member on no more."""
        self._receivers.pop(member, None)

    def send(self, notice: Mapping[str, Any]) -> None:
        """Pass a notice on.

        Raises
        ------
        SpotRefused
            When it does not name exactly one job or machine, or that one has no Spot capacity now.
        """
        named = [member for member in self._receivers if member in notice]
        if len(named) != 1:
            members = ", ".join(sorted(self._receivers)) or "nobody"
            raise SpotRefused(f"a notice names exactly one of: {members}")
        self._receivers[named[0]](notice)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one POST."""
        status, said = self._answer(environ)
        body = json.dumps(said).encode()
        start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    def _answer(self, environ: dict[str, Any]) -> tuple[str, dict[str, str]]:
        if environ.get("REQUEST_METHOD") != "POST":
            return "405 Method Not Allowed", {"message": f"send a notice with POST {PATH}"}
        try:
            self.send(_read(environ["wsgi.input"].read(_LIMIT_BYTES)))
        except (ValueError, RecursionError, SpotRefused) as error:
            return "400 Bad Request", {"message": str(error)}
        return "202 Accepted", {"message": "the notice is under way"}


def _read(body: bytes) -> Mapping[str, Any]:
    notice = json.loads(body)
    if not isinstance(notice, dict):
        raise SpotRefused("a notice is a JSON object")
    return notice
