"""The faults of an endpoint that has some: put in force, looked at, taken back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ratchet.aws.signed import send_signed
from ratchet.errors import NotFoundError, NotPermittedError, SpecError, UnavailableError

_PATH = "/_localcloud/faults"

# Whoever takes a lost answer for a failure shows it under this one.
LOSE_EVERY_ANSWER_ONCE: Mapping[str, Any] = {"effect": "drop", "mutating": True, "count": 1, "each": True}


class Faults:
    """Faults of one endpoint; the calls are signed with its owner's key.

    Parameters
    ----------
    endpoint
        For example `http://localhost:4566`.
    region
        Region of the signatures.
    key
        The owner's access key id and secret; by default what boto3 finds.
    """

    def __init__(self, endpoint: str, region: str, key: tuple[str, str] | None = None) -> None:
        self._key = key
        self._url = f"{endpoint.rstrip('/')}{_PATH}"
        self._region = region

    def add(self, fault: Mapping[str, Any]) -> str:
        """Put a fault in force; return its id. `SpecError` when it says what a fault cannot."""
        return str(self._send("POST", self._url, fault)["id"])

    def list(self) -> list[dict[str, Any]]:
        """Every fault in force, with `hits` and what it `hit`."""
        return list(self._send("GET", self._url)["faults"])

    def remove(self, name: str) -> None:
        """Take one back; `NotFoundError` when there is none of this id."""
        self._send("DELETE", f"{self._url}/{name}")

    def clear(self) -> int:
        """Take all back; return how many there were."""
        return int(self._send("DELETE", self._url)["removed"])

    def _send(self, method: str, url: str, content: Mapping[str, Any] | None = None) -> dict[str, Any]:
        status, said = send_signed(method, url, content, region=self._region, key=self._key)
        if status < 300:
            return said
        reason = said.get("error") or said.get("message") or f"status {status}"
        kinds = {400: SpecError, 403: NotPermittedError, 404: NotFoundError}
        raise kinds.get(status, UnavailableError)(f"{url}: {reason}")
