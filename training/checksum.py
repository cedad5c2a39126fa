"""Whether bytes are those of a manifest's checksum, whatever kind of checksum S3 keeps of them."""

from __future__ import annotations

import hashlib
import re
import zlib
from functools import lru_cache
from typing import Any, Callable, Dict, Iterable, Tuple

from training.container import DataProblem

_PLAIN_ETAG = re.compile(r"^[0-9a-f]{32}$")


class _Crc:
    """A CRC that the standard library has not: reflected, beginning and ending with all bits turned."""

    def __init__(self, polynomial: int, bits: int) -> None:
        self._bits = bits
        self._table = _make_table(polynomial)
        self._value = (1 << bits) - 1

    def update(self, chunk: bytes) -> None:
        value, table = self._value, self._table
        for byte in chunk:
            value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
        self._value = value

    def hexdigest(self) -> str:
        return "%0*x" % (self._bits // 4, self._value ^ ((1 << self._bits) - 1))


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, chunk: bytes) -> None:
        self._value = zlib.crc32(chunk, self._value)

    def hexdigest(self) -> str:
        return "%08x" % self._value


@lru_cache(maxsize=None)
def _make_table(polynomial: int) -> Tuple[int, ...]:
    return tuple(_turn(byte, polynomial) for byte in range(256))


def _turn(byte: int, polynomial: int) -> int:
    value = byte
    for _ in range(8):
        value = (value >> 1) ^ polynomial if value & 1 else value >> 1
    return value


_KINDS: Dict[str, Callable[[], Any]] = {
    "sha256": hashlib.sha256,
    "sha1": hashlib.sha1,
    "crc32": _Crc32,
    "crc32c": lambda: _Crc(0x82F63B78, 32),
    "crc64nvme": lambda: _Crc(0x9A6C9329AC4BC9B5, 64),
}


def matches(chunks: Iterable[bytes], checksum: str) -> bool:
    """Whether the bytes, which may come in pieces, have this checksum.

    The checksum of an object that came in parts, and the ETag of one, is no digest of its bytes: the size has to do.

    Raises
    ------
    DataProblem
        When the checksum is of no known kind.
    """
    kind, _, value = checksum.partition(":")
    if kind.endswith("-parts") or (kind == "etag" and not _PLAIN_ETAG.match(value)):
        return True
    if kind != "etag" and kind not in _KINDS:
        raise DataProblem(
            "the manifest's checksum %r is of no known kind: use etag:… or %s:…"
            % (checksum, ":…, ".join(sorted(_KINDS)))
        )
    digest = hashlib.md5() if kind == "etag" else _KINDS[kind]()  # noqa: S324 - S3's ETag, no secret
    for chunk in chunks:
        digest.update(chunk)
    return bool(digest.hexdigest() == value.lower())
