"""`POST /_localcloud/snapshot` with `{"file": "/absolute/path"}`, by the owner, writes a snapshot of what runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

PREFIX = "/_localcloud/snapshot"

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class SnapshotPage:
    """A WSGI application.

    Parameters
    ----------
    write
        Writes the snapshot to a path; None when this localcloud keeps no state.
    """

    def __init__(self, write: Callable[[Path], None] | None) -> None:
        self._write = write

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        status, told = self._answer(environ)
        body = json.dumps(told).encode()
        start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    def _answer(self, environ: dict[str, Any]) -> tuple[str, dict[str, str]]:
        if environ.get("REQUEST_METHOD") != "POST":
            return "405 Method Not Allowed", {"message": 'POST {"file": "/absolute/path"}'}
        if self._write is None:
            return "409 Conflict", {"message": "This localcloud runs with --in-memory: it has no state to write."}
        try:
            file = Path(json.loads(environ["wsgi.input"].read())["file"])
        except (ValueError, KeyError, TypeError):
            return "400 Bad Request", {"message": 'The body is not {"file": "/absolute/path"}.'}
        if not file.is_absolute():
            return "400 Bad Request", {"message": f"{file} is not an absolute path."}
        try:
            self._write(file)
        except OSError as error:
            return "400 Bad Request", {"message": f"{file} cannot be written: {error.strerror}."}
        return "200 OK", {"file": str(file)}
