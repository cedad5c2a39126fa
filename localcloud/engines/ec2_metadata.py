"""Stands in for the instance metadata service (version 2) of one instance, on a port of the loopback interface.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from localcloud.engines.ec2_metadata_tree import Facts, find

_TOKEN_PATH = "/latest/api/token"  # noqa: S105 - a path
_TOKEN_HEADER = "X-aws-ec2-metadata-token"  # noqa: S105 - the name of a header
_TTL_HEADER = f"{_TOKEN_HEADER}-ttl-seconds"
_LONGEST_SECONDS = 21600


class MetadataService:
    """Answers one instance until it is closed.

    Parameters
    ----------
    facts
        Asked for each answer.
    needs_token
        Whether questions without a token are refused (`HttpTokens` is `required`).
    """

    def __init__(self, facts: Callable[[], Facts], needs_token: Callable[[], bool]) -> None:
        self.facts = facts
        self.needs_token = needs_token
        self._tokens: dict[str, float] = {}
        self._server = _Listener(self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="instance-metadata", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """The value of AWS_EC2_METADATA_SERVICE_ENDPOINT."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def issue_token(self, seconds: int) -> str:
        """Return a new token, good for some seconds."""
        now = time.monotonic()
        self._tokens = {token: until for token, until in self._tokens.items() if until > now}
        token = secrets.token_urlsafe(32)
        self._tokens[token] = now + seconds
        return token

    def accepts(self, token: str | None) -> bool:
        """Whether a question with this token, or without one, is answered."""
        if token is None:
            return not self.needs_token()
        return self._tokens.get(token, 0.0) > time.monotonic()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, service: MetadataService) -> None:
        self.service = service
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed leaves a broken connection; that is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Listener
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_PUT(self) -> None:
        ttl = self.headers.get(_TTL_HEADER, "")
        if self.path != _TOKEN_PATH or not self._is_own():
            self._answer(404 if self._is_own() else 403)
        elif not ttl.isdigit() or not 1 <= int(ttl) <= _LONGEST_SECONDS:
            self._answer(400)
        else:
            self._answer(200, self.server.service.issue_token(int(ttl)).encode(), {_TTL_HEADER: ttl})

    def do_GET(self) -> None:
        if not self._is_own():
            self._answer(403)
            return
        if not self.server.service.accepts(self.headers.get(_TOKEN_HEADER)):
            self._answer(401)
            return
        _, version, path = self.path.split("?")[0].split("/", 2) if self.path.count("/") > 1 else ("", "", "")
        found = find(self.server.service.facts(), path) if version else "latest"
        if found is None:
            self._answer(404)
        else:
            self._answer(200, found if isinstance(found, bytes) else found.encode())

    def _is_own(self) -> bool:
        # A forwarded question, and one by a name that a page has rebound, are not the instance's.
        host = self.headers.get("Host", "").partition(":")[0]
        return host in {"127.0.0.1", "localhost"} and "X-Forwarded-For" not in self.headers

    def _answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response_only(status)
        for name, value in {"Content-Type": "text/plain", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
