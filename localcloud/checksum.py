"""S3's checksums: computed piece by piece, by the names that its headers use."""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable, Mapping
from typing import Protocol

ALGORITHMS = ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256")
DEFAULT_ALGORITHM = "CRC64NVME"  # what S3 computes when the client names none

_HEADER = "x-amz-checksum-"


class Sum(Protocol):
    """A checksum that takes its bytes piece by piece."""

    def update(self, content: bytes, /) -> None:
        """Take in the next bytes."""

    def digest(self) -> bytes:
        """Return the checksum of all bytes so far."""


class _Cyclic:
    def __init__(self, compute: Callable[[bytes, int], int], length: int) -> None:
        self._compute = compute
        self._length = length
        self._value = 0

    def update(self, content: bytes, /) -> None:
        self._value = self._compute(content, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._length, "big")


def new_sum(algorithm: str) -> Sum:
    """Return an empty checksum; `KeyError` for an algorithm that is not one of S3's, or MD5."""
    return _MAKE[algorithm]()


def compute_sum(algorithm: str, content: bytes) -> str:
    """Return the checksum of bytes as headers carry it."""
    found = new_sum(algorithm)
    found.update(content)
    return encode_sum(found)


def encode_sum(found: Sum) -> str:
    """Return a checksum as headers carry it."""
    return base64.b64encode(found.digest()).decode()


def header_of(algorithm: str) -> str:
    """Return the name of an algorithm's header, in lower case."""
    return _HEADER + algorithm.lower()


def sent_sums(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the checksums that headers carry, by algorithm; Content-MD5 among them."""
    found = {name: headers[header_of(name)].strip() for name in ALGORITHMS if header_of(name) in headers}
    return found | ({"MD5": headers["content-md5"].strip()} if "content-md5" in headers else {})


def is_sum(algorithm: str, text: str) -> bool:
    """Whether a text has the form of an algorithm's checksum."""
    try:
        return len(base64.b64decode(text, validate=True)) == len(new_sum(algorithm).digest())
    except (binascii.Error, ValueError):
        return False


def moto_sum(body: bytes, algorithm: str, encode_base64: bool = True) -> bytes:
    """Compute what moto computes, but never one algorithm for another."""
    found = new_sum(algorithm)
    found.update(body)
    return base64.b64encode(found.digest()) if encode_base64 else found.digest()


def _crc32c() -> Sum:
    from awscrt.checksums import crc32c

    return _Cyclic(crc32c, 4)


def _crc64() -> Sum:
    from awscrt.checksums import crc64nvme

    return _Cyclic(crc64nvme, 8)


_MAKE: dict[str, Callable[[], Sum]] = {
    "MD5": lambda: hashlib.md5(usedforsecurity=False),
    "SHA1": lambda: hashlib.sha1(usedforsecurity=False),
    "SHA256": hashlib.sha256,
    "CRC32": lambda: _Cyclic(zlib.crc32, 4),
    "CRC32C": _crc32c,
    "CRC64NVME": _crc64,
}
