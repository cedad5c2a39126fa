"""AWS's own framing of bodies (`aws-chunked`): `size;chunk-signature=…`, the bytes, and headers after the last chunk.

It comes off as the bytes come, however they are cut, so that a large body is never held.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from localcloud.checksum import compute_sum

SIGNED_CHUNKS = frozenset({"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"})
UNSIGNED_CHUNKS = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
_LINE_BYTES = 8192
_TRAILER_BYTES = 64 * 1024


class BrokenBody(Exception):
    """The body ended early, or its framing is not AWS's."""


@dataclass(frozen=True)
class Seal:
    """What the signature of a chunk covers; `trailer` is what follows the last one."""

    sha256: str
    signature: str
    trailer: bytes = b""


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
    """Take the framing off a body that is in memory; `BrokenBody` when it is not AWS's, or ends early."""
    frame = Frame(is_signed=False)
    content = b"".join(frame.unpack([body]))
    return Unpacked(content, frame.trailers)


def read_seals(body: bytes) -> list[Seal]:
    """The seals of a body's chunks; `BrokenBody` when it is not in chunks."""
    frame = Frame(is_signed=True)
    for _ in frame.unpack([body]):
        pass
    return frame.seals


class Frame:
    """Takes the framing off one body.

    Attributes
    ----------
    trailers
        The headers after the body, by their names in lower case, once it has been unpacked.
    seals
        What was signed of each chunk, the empty last one included.

    Parameters
    ----------
    is_signed
        Whether seals are asked for: they cost a SHA-256 of every byte.
    """

    def __init__(self, *, is_signed: bool) -> None:
        self.trailers: dict[str, str] = {}
        self.seals: list[Seal] = []
        self._is_signed = is_signed

    def unpack(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Return the bytes.

        Raises
        ------
        BrokenBody
            When the framing is not AWS's, or ends early.
        """
        reader = _Reader(iter(pieces))
        size = 1
        while size:
            line, digest = reader.line(), hashlib.sha256()
            size = _size(line)
            for piece in reader.take(size):
                if self._is_signed:
                    digest.update(piece)
                yield piece
            if size and reader.line():
                raise BrokenBody("a chunk of the body is longer than it says")
            signature = line.partition(b";chunk-signature=")[2].decode("latin-1")
            self.seals.append(Seal(digest.hexdigest(), signature, b"" if size else self._read_trailers(reader)))

    def _read_trailers(self, reader: _Reader) -> bytes:
        rest = reader.rest()
        for line in rest.decode("latin-1").replace("\r\n", "\n").split("\n"):
            name, colon, value = line.partition(":")
            if colon:
                self.trailers[name.strip().lower()] = value.strip()
        return rest


class _Reader:
    """Lines and bytes out of pieces."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._buffer = b""

    def line(self) -> bytes:
        """Return the next line without its end."""
        while b"\r\n" not in self._buffer:
            if len(self._buffer) > _LINE_BYTES:
                raise BrokenBody("a line of the body's framing is too long")
            piece = next(self._pieces, b"")
            if not piece:
                raise BrokenBody("the body ended within its framing")
            self._buffer += piece
        found, _, self._buffer = self._buffer.partition(b"\r\n")
        return found

    def take(self, count: int) -> Iterator[bytes]:
        """Return so many bytes."""
        while count:
            piece = self._buffer or next(self._pieces, b"")
            if not piece:
                raise BrokenBody("a chunk of the body is shorter than it says")
            self._buffer = piece[count:]
            piece = piece[:count]
            count -= len(piece)
            yield piece

    def rest(self) -> bytes:
        """Return what is left."""
        while piece := next(self._pieces, b""):
            self._buffer += piece
            if len(self._buffer) > _TRAILER_BYTES:
                raise BrokenBody("what follows the body's last chunk is too long")
        return self._buffer


def _size(line: bytes) -> int:
    try:
        size = int(line.partition(b";")[0], 16)
    except ValueError:
        size = -1
    if size < 0:
        raise BrokenBody("a chunk of the body has no size")
    return size
