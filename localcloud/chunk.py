"""Bodies in signed chunks (`aws-chunked`), as S3's clients send streams: each signature covers the one before."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from localcloud.framing import Seal, read_seals
from localcloud.signature import EMPTY_SHA256, Claim, sign


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
    """Whether every chunk of a body was signed with the key; `BrokenBody` when it is not in chunks."""
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
