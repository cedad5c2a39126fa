"""Bodies in signed chunks (`aws-chunked`), as S3's clients send streams: each signature covers the one before."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from localcloud.signature import EMPTY_SHA256, Claim, sign

SIGNED_CHUNKS = frozenset({"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"})
UNSIGNED_CHUNKS = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


class BrokenChunks(Exception):
    """The body is not in chunks, or ends too early."""


@dataclass(frozen=True)
class Chunk:
    """One chunk; the last one is empty and has what trails it."""

    data: bytes
    signature: str
    trailer: bytes = b""


def read_chunks(body: bytes) -> Iterator[Chunk]:
    """Yield the chunks of a body.

    Raises
    ------
    BrokenChunks
        When the body is not what the format says.
    """
    at = 0
    while True:
        end = body.find(b"\r\n", at)
        size, _, extension = body[at:end].partition(b";") if end >= 0 else (b"", b"", b"")
        try:
            length = int(size, 16)
        except ValueError as error:
            raise BrokenChunks("a chunk does not begin with its size") from error
        start = end + 2
        if length < 0 or start + length > len(body):
            raise BrokenChunks("the body ends in the middle of a chunk")
        signature = extension.removeprefix(b"chunk-signature=").decode("latin-1")
        if length == 0:
            yield Chunk(b"", signature, body[start:])
            return
        yield Chunk(body[start : start + length], signature)
        at = start + length + 2


@dataclass(frozen=True)
class Seal:
    """What the signature of a chunk covers; `trailer` is what follows the last one."""

    sha256: str
    signature: str
    trailer: bytes = b""


def read_seals(body: bytes) -> Iterator[Seal]:
    """Yield the seals of a body's chunks; `BrokenChunks` when it is not in chunks."""
    for chunk in read_chunks(body):
        yield Seal(_sha256(chunk.data), chunk.signature, chunk.trailer)


def seals_are_genuine(claim: Claim, key: bytes, seals: Iterable[Seal]) -> bool:
    """Whether every chunk, and the trailer when there is one, was signed with the key."""
    before = claim.signature
    for seal in seals:
        parts = ("AWS4-HMAC-SHA256-PAYLOAD", claim.timestamp, claim.scope, before, EMPTY_SHA256, seal.sha256)
        if not hmac.compare_digest(sign(key, "\n".join(parts)), seal.signature):
            return False
        before = seal.signature
        if seal.trailer.strip() and not _trailer_is_genuine(claim, key, before, seal.trailer):
            return False
    return True


def chunks_are_genuine(claim: Claim, key: bytes, body: bytes) -> bool:
    """Whether every chunk of a body was signed with the key; `BrokenChunks` when it is not in chunks."""
    return seals_are_genuine(claim, key, read_seals(body))


def _trailer_is_genuine(claim: Claim, key: bytes, before: str, trailer: bytes) -> bool:
    signature, named = "", b""
    for line in trailer.replace(b"\r\n", b"\n").split(b"\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"x-amz-trailer-signature":
            signature = value.strip().decode("latin-1")
        elif name:
            named += name.lower() + b":" + value.strip() + b"\n"
    parts = ("AWS4-HMAC-SHA256-TRAILER", claim.timestamp, claim.scope, before, _sha256(named))
    return hmac.compare_digest(sign(key, "\n".join(parts)), signature)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
