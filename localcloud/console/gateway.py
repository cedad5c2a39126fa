"""The console's way to the services: AWS's own calls, answered in this process without a way through HTTP.

It goes past what stands in front of moto: a fault that is played for clients is not played for who looks at it, and the
console's own reads are not among the calls that are counted.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from io import BytesIO
from typing import Any
from urllib.parse import unquote

from botocore.awsrequest import AWSResponse
from botocore.config import Config
from werkzeug.test import EnvironBuilder, run_wsgi_app

from localcloud.chain import Wsgi

_ENDPOINT = "http://localhost"
_KEYS = {"aws_access_key_id": "console", "aws_secret_access_key": "console"}


class _Body(BytesIO):
    """A whole body, in the form in which botocore reads one from a connection."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        """Yield what is left of it."""
        while content := self.read():
            yield content


class Gateway:
    """Makes and keeps clients whose requests moto answers.

    Parameters
    ----------
    moto
        moto's WSGI application.
    region
        The region of who names none.
    """

    def __init__(self, moto: Wsgi, region: str) -> None:
        self._moto = moto
        self.region = region
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str, region: str | None = None) -> Any:
        """Return the client of a service."""
        key = (service, region or self.region)
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._make(*key)
            return self._clients[key]

    def within(self, region: str) -> Gateway:
        """Return the gateway to another region; it shares its clients with this one."""
        other = Gateway(self._moto, region)
        other._clients, other._lock = self._clients, self._lock
        return other

    def _make(self, service: str, region: str) -> Any:
        import boto3

        config = Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"})
        session: Any = boto3.session.Session()
        client = session.client(service, region_name=region, endpoint_url=_ENDPOINT, config=config, **_KEYS)
        client.meta.events.register("before-send", self._answer)
        return client

    def _answer(self, request: Any, **_: Any) -> AWSResponse:
        body = request.body or b""
        path, _, query = request.url.removeprefix(_ENDPOINT).partition("?")
        environ = EnvironBuilder(
            base_url=_ENDPOINT, method=request.method, headers=list(_texts(request.headers)), data=body
        ).get_environ()
        # As a server gives them: the path decoded once, its bytes as Latin-1.
        decoded = unquote(path or "/").encode().decode("latin-1")
        environ.update(PATH_INFO=decoded, RAW_URI=path or "/", REQUEST_URI=path or "/", QUERY_STRING=query)
        content, status, headers = run_wsgi_app(self._moto, environ, buffered=True)
        named: Any = dict(headers)
        return AWSResponse(request.url, int(status.split(" ", 1)[0]), named, _Body(b"".join(content)))


def _texts(headers: Any) -> Iterator[tuple[str, str]]:
    for name, value in headers.items():
        yield name, value.decode("latin-1") if isinstance(value, bytes) else str(value)
