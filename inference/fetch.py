"""Fetches an image by URL for a stranger, without becoming their way into the network that this process lives in."""

from __future__ import annotations

import http.client
import socket
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Callable, ContextManager, FrozenSet, List, Optional, Tuple
from urllib.parse import urljoin

from inference.address import Target, is_listed, is_public, read_target
from inference.connection import Deadline, connect_pinned
from inference.failure import ServingError

MAX_BODY_BYTES = 10 * 1024 * 1024
MAX_REDIRECTS = 3
TIMEOUT_SECONDS = 5.0
_CHUNK_BYTES = 64 * 1024
_REDIRECTS = (301, 302, 303, 307, 308)

Resolve = Callable[[str, int], List[str]]
Connect = Callable[[Target, str, Deadline], ContextManager[http.client.HTTPConnection]]


def resolve_host(host: str, port: int) -> List[str]:
    """Every IP address that the system's resolver names for a host."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [str(entry[4][0]) for entry in found]


class Fetcher:
    """Fetches URLs under one policy. Thread-safe.

    Parameters
    ----------
    allowed
        Hosts whose addresses are not checked, from `inference.address.allowed_hosts`.
    resolve, connect
        The ways to DNS and to the network.
    timeout_seconds
        For one fetch in all: names, connections, redirects and body.
    """

    def __init__(
        self,
        allowed: FrozenSet[str] = frozenset(),
        *,
        resolve: Resolve = resolve_host,
        connect: Connect = connect_pinned,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._allowed = allowed
        self._resolve = resolve
        self._connect = connect
        self._timeout_seconds = timeout_seconds
        # The system's resolver knows no deadline: it is left behind when the time is over.
        self._resolvers = ThreadPoolExecutor(max_workers=8, thread_name_prefix="resolve")

    def fetch(self, url: str) -> bytes:
        """The body behind `url`, at most `MAX_BODY_BYTES` bytes.

        Raises
        ------
        ServingError
            400 for URLs and addresses that are not fetched, 413 for large bodies, 424 when the other side fails.
        """
        deadline = Deadline(self._timeout_seconds)
        try:
            for _ in range(MAX_REDIRECTS + 1):
                body, location = self._request(read_target(url), deadline)
                if location is None:
                    return body
                url = urljoin(url, location)
        except (TimeoutError, socket.timeout, FutureTimeout) as error:
            message = "The URL did not answer in full within %g seconds." % self._timeout_seconds
            raise ServingError(424, "url_timeout", message) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ServingError(424, "url_unreachable", "The URL could not be fetched.") from error
        raise ServingError(400, "url_redirects", "The URL redirects more than %d times." % MAX_REDIRECTS)

    def _request(self, target: Target, deadline: Deadline) -> Tuple[bytes, Optional[str]]:
        address = self._checked_address(target, deadline)
        with self._connect(target, address, deadline) as connection:
            headers = {"Host": target.authority, "Accept": "image/*", "Accept-Encoding": "identity"}
            connection.request("GET", target.path, headers={**headers, "User-Agent": "ratchet", "Connection": "close"})
            response = connection.getresponse()
            location = response.getheader("Location")
            if response.status in _REDIRECTS and location:
                return b"", location
            if response.status != 200:
                raise ServingError(424, "url_status", "The URL answered with status %d." % response.status)
            return _read_body(response), None

    def _checked_address(self, target: Target, deadline: Deadline) -> str:
        looking: Future[List[str]] = self._resolvers.submit(self._resolve, target.host, target.port)
        try:
            addresses = looking.result(timeout=deadline.remaining_seconds())
        except (OSError, UnicodeError) as error:
            if isinstance(error, TimeoutError):
                raise
            raise ServingError(424, "url_unresolved", "The URL's host has no address.") from error
        if not addresses:
            raise ServingError(424, "url_unresolved", "The URL's host has no address.")
        if not is_listed(target, self._allowed) and not all(is_public(address) for address in addresses):
            raise ServingError(
                400, "url_forbidden", "The URL's host has an address outside the public internet; it is not fetched."
            )
        return addresses[0]


def _read_body(response: http.client.HTTPResponse) -> bytes:
    too_large = ServingError(413, "url_too_large", "The URL's body is larger than %d bytes." % MAX_BODY_BYTES)
    if (response.length or 0) > MAX_BODY_BYTES:
        raise too_large
    body = bytearray()
    for chunk in iter(lambda: response.read(_CHUNK_BYTES), b""):
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise too_large
    if response.length:
        raise http.client.IncompleteRead(bytes(body), response.length)
    return bytes(body)
