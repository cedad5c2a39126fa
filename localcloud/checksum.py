"""Objects arrive as they were sent: a body that does not match its checksum is refused, as S3 does and moto does not.

Checked are Content-MD5 and the SHA-256, SHA-1 and CRC-32 headers of bodies sent in one piece.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable

from localcloud.refusal import Refusal, refuse
from localcloud.request import Call


def _md5(body: bytes) -> bytes:
    return hashlib.md5(body, usedforsecurity=False).digest()


def _sha1(body: bytes) -> bytes:
    return hashlib.sha1(body, usedforsecurity=False).digest()


def _sha256(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()


def _crc32(body: bytes) -> bytes:
    return zlib.crc32(body).to_bytes(4, "big")


_SUMS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "content-md5": ("Content-MD5", _md5),
    "x-amz-checksum-sha256": ("SHA256", _sha256),
    "x-amz-checksum-sha1": ("SHA1", _sha1),
    "x-amz-checksum-crc32": ("CRC32", _crc32),
}


def check_body(call: Call) -> Refusal | None:
    """Return the refusal of an object whose body does not match a checksum sent with it, or None."""
    if call.service != "s3" or call.method != "PUT" or "aws-chunked" in call.headers.get("content-encoding", ""):
        return None  # a body in signed chunks carries its checksum inside
    for header, (name, compute) in _SUMS.items():
        sent = call.headers.get(header)
        if sent is not None and sent.strip() != base64.b64encode(compute(call.body)).decode():
            message = f"The {name} you specified did not match the calculated checksum."
            return refuse(call, "400 Bad Request", "BadDigest", message)
    return None
