"""AWS's own framing of bodies (`aws-chunked`), whose checksum comes after the bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from localcloud.checksum import compute_sum


class BrokenFraming(Exception):
    """The body is not framed as its headers say."""


@dataclass(frozen=True)
class Unpacked:
    """A body without its framing.

    Attributes
    ----------
    content
        The bytes themselves.
    trailers
        The headers after them, by their names in lower case.
    """

    content: bytes
    trailers: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.content)

    def sum_of(self, algorithm: str) -> str:
        """Return a checksum of the bytes, as headers carry it."""
        return compute_sum(algorithm, self.content)


def is_framed(headers: Mapping[str, str]) -> bool:
    """Whether headers announce the framing."""
    return "aws-chunked" in headers.get("content-encoding", "") or headers.get("x-amz-content-sha256", "").startswith(
        "STREAMING-"
    )


def unpack(body: bytes) -> Unpacked:
    """Take the framing off: `size;chunk-signature=…`, the bytes, and headers after the last chunk.

    Raises
    ------
    BrokenFraming
        When the framing is not AWS's, or ends early.
    """
    pieces: list[bytes] = []
    at = 0
    while True:
        line, at = _line(body, at)
        size = _size(line)
        if size == 0:
            return Unpacked(b"".join(pieces), _trailers(body, at))
        pieces.append(body[at : at + size])
        if body[at + size : at + size + 2] != b"\r\n":
            raise BrokenFraming("a chunk is not as long as it says")
        at += size + 2


def _line(body: bytes, at: int) -> tuple[bytes, int]:
    end = body.find(b"\r\n", at)
    if end < 0:
        raise BrokenFraming("the body ended early")
    return body[at:end], end + 2


def _size(line: bytes) -> int:
    try:
        return int(line.partition(b";")[0], 16)
    except ValueError:
        raise BrokenFraming("a chunk has no size") from None


def _trailers(body: bytes, at: int) -> dict[str, str]:
    lines = body[at:].decode("latin-1").replace("\r\n", "\n").split("\n")
    named = (line.partition(":") for line in lines if ":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in named}
