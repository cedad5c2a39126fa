"""An answer of the console, with the headers that keep it harmless."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

# Scripts, styles and data are this origin's own; nothing is inline, nothing frames it, nothing is sent away.
_POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


@dataclass(frozen=True)
class Reply:
    """Status, media type and body; `policy` is the Content-Security-Policy."""

    status: HTTPStatus
    kind: str
    body: bytes
    policy: str = _POLICY
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def json(cls, status: HTTPStatus, found: Any) -> Reply:
        """Return data; moments in ISO 8601, and whatever else JSON has no form for as text."""
        return cls(status, "application/json", json.dumps(found, default=_text).encode())

    @classmethod
    def text(cls, status: HTTPStatus, message: str) -> Reply:
        """Return a message."""
        return cls(status, "text/plain; charset=utf-8", f"{message}\n".encode())

    def all_headers(self) -> list[tuple[str, str]]:
        """Return every header."""
        return [
            ("Content-Type", self.kind),
            ("Content-Length", str(len(self.body))),
            ("Content-Security-Policy", self.policy),
            ("Cache-Control", "no-store"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"),
            *self.headers,
        ]


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
