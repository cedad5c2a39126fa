"""Decides which addresses a fetch may reach: a pure reading of URLs and IP addresses, without any network."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import FrozenSet, Iterator, Mapping, Optional, Union
from urllib.parse import SplitResult, quote, urlsplit

from inference.failure import ServingError
from ratchet import contract

MAX_URL_LETTERS = 2048
_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?\.?|[0-9a-f:.]*:[0-9a-f:.]*")

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]

_TRANSLATED = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))
_LOCAL_TRANSLATED = ipaddress.IPv6Network("64:ff9b:1::/48")


@dataclass(frozen=True)
class Target:
    """One request that a fetch would make."""

    scheme: str
    host: str  # lower case, ASCII, without brackets
    port: int
    path: str  # with its query, percent-encoded

    @property
    def authority(self) -> str:
        """The value of the `Host` header."""
        host = "[%s]" % self.host if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else "%s:%d" % (host, self.port)


def read_target(url: str) -> Target:
    """Read a URL strictly.

    Raises
    ------
    ServingError
        400: another scheme than http and https, user information, control characters, no host or a malformed one.
    """
    if len(url) > MAX_URL_LETTERS:
        raise ServingError(400, "url_too_long", "The URL has more than %d letters." % MAX_URL_LETTERS)
    if any(letter <= " " or letter in "\\\x7f" for letter in url):
        raise ServingError(400, "url_malformed", "The URL holds a space, a backslash or a control character.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ServingError(400, "url_malformed", "The URL cannot be read: %s." % error) from error
    if parts.scheme not in _DEFAULT_PORTS:
        raise ServingError(400, "url_scheme", "Only http:// and https:// URLs are fetched.")
    if "@" in parts.netloc:
        raise ServingError(400, "url_userinfo", "URLs with a user name or password are not fetched.")
    if port == 0:
        raise ServingError(400, "url_malformed", "The URL names port 0.")
    path = quote(parts.path or "/", safe="/%:=&?~#+!$,;'@()*[]-._")
    query = "?" + quote(parts.query, safe="/%:=&?~+!$,;'@()*[]-._") if parts.query else ""
    return Target(parts.scheme, _read_host(parts), port or _DEFAULT_PORTS[parts.scheme], path + query)


def is_public(text: str) -> bool:
    """Whether an IP address is one that the public internet routes; an embedded IPv4 address must be one, too."""
    try:
        address: Address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return all(_is_public(each) for each in _with_embedded(address))


def allowed_hosts(environment: Mapping[str, str]) -> FrozenSet[str]:
    """Hosts (`host` or `host:port`) whose addresses are not checked: an explicit list, meant for tests and laptops."""
    listed = environment.get(contract.ENV_ALLOWED_HOSTS, "").split(",")
    return frozenset(entry.strip().lower() for entry in listed if entry.strip())


def is_listed(target: Target, allowed: FrozenSet[str]) -> bool:
    """Whether the allow-list names the target's host, with or without its port."""
    return target.host in allowed or "%s:%d" % (target.host, target.port) in allowed


def _read_host(parts: SplitResult) -> str:
    host: Optional[str] = parts.hostname
    try:
        ascii_host = (host or "").encode("idna").decode("ascii").lower()
    except UnicodeError:
        ascii_host = ""
    if not _HOST.fullmatch(ascii_host):
        raise ServingError(400, "url_malformed", "The URL names no host, or a malformed one.")
    return ascii_host


def _with_embedded(address: Address) -> Iterator[Address]:
    if isinstance(address, ipaddress.IPv6Address):
        embedded = _embedded(address)
        if embedded is not None:
            yield embedded
            if address.ipv4_mapped:
                return
    yield address


def _embedded(address: ipaddress.IPv6Address) -> Optional[ipaddress.IPv4Address]:
    if any(address in network for network in _TRANSLATED):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and (address.is_site_local or address in _LOCAL_TRANSLATED):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)
