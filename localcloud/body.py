"""The bytes of an object: small ones in memory, large ones in files that are never copied into memory.

A body that is made of others (a finished multipart upload, a copy, a range) shares their files.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from localcloud.checksum import new_sum
from localcloud.durable.vault import Vault

SMALL_BYTES = 64 * 1024
PIECE_BYTES = 1024 * 1024

_shelter: list[Vault] = []


def set_vault(vault: Vault | None) -> None:
    """Say where the bytes of large bodies lie from now on."""
    _shelter[:] = [] if vault is None else [vault]


def has_vault() -> bool:
    """Whether there is a place for large bodies: without one every body stays in memory, as moto has it."""
    return bool(_shelter)


def vault() -> Vault:
    """Return where the bytes of large bodies lie."""
    return _shelter[0]


@dataclass(frozen=True)
class Segment:
    """A stretch of a file."""

    name: str
    offset: int
    length: int


class Stretch:
    """Bytes that lie in files: as long as they are, sliced as bytes are, and read only when somebody asks.

    Parameters
    ----------
    segments
        In the order of the bytes.
    """

    def __init__(self, segments: Iterable[Segment]) -> None:
        self.segments = tuple(segments)

    def __len__(self) -> int:
        return sum(segment.length for segment in self.segments)

    def __bool__(self) -> bool:
        return len(self) > 0

    def __getitem__(self, part: slice) -> Stretch:
        begin, end, _ = part.indices(len(self))
        found, at = [], 0
        for segment in self.segments:
            first, last = max(begin - at, 0), min(end - at, segment.length)
            if first < last:
                found.append(Segment(segment.name, segment.offset + first, last - first))
            at += segment.length
        return Stretch(found)

    def __iter__(self) -> Iterator[bytes]:
        """Return the bytes in pieces."""
        for segment in self.segments:
            with vault().path(segment.name).open("rb", buffering=0) as file:
                file.seek(segment.offset)
                left = segment.length
                while left:
                    piece = file.read(min(left, PIECE_BYTES))
                    if not piece:
                        raise OSError(f"{segment.name} is shorter than it was")
                    left -= len(piece)
                    yield piece

    def __bytes__(self) -> bytes:
        return b"".join(self)

    def send(self, connection: socket.socket) -> None:
        """Send the bytes without reading them."""
        for segment in self.segments:
            with vault().path(segment.name).open("rb", buffering=0) as file:
                connection.sendfile(file, segment.offset, segment.length)


class Body:
    """The bytes of one object.

    Attributes
    ----------
    content
        The bytes of a small one, else None.
    segments
        Where the bytes of a large one lie.
    size
        Number of bytes.
    md5
        Their MD5 in hexadecimal.
    """

    def __init__(self, content: bytes | None, segments: Iterable[Segment], size: int, md5: str | None) -> None:
        self.content = content
        self.segments = tuple(segments)
        self.size = size
        self._md5 = md5
        self.closed = False
        self.hold()

    @classmethod
    def of(cls, value: Any) -> Body:
        """Return the body of bytes, of a stretch, or of a file at a path."""
        if isinstance(value, Body):
            return value
        if isinstance(value, Stretch):
            return cls(None, value.segments, len(value), None)
        if isinstance(value, Path):
            with value.open("rb") as file:
                return write_body(iter(lambda: file.read(PIECE_BYTES), b""))
        content = value.encode() if isinstance(value, str) else bytes(value)
        if len(content) <= SMALL_BYTES:
            return cls(content, (), len(content), None)
        return write_body([content])

    def __len__(self) -> int:
        return self.size

    def __deepcopy__(self, _memo: Any) -> Body:
        """Return another holder of the same bytes: they never change."""
        return Body(self.content, self.segments, self.size, self._md5)

    @property
    def md5(self) -> str:
        """The MD5 of the bytes in hexadecimal."""
        if self._md5 is None:
            found = new_sum("MD5")
            for piece in self:
                found.update(piece)
            self._md5 = found.digest().hex()
        return self._md5

    def __iter__(self) -> Iterator[bytes]:
        """Return the bytes in pieces."""
        return iter([self.content]) if self.content is not None else iter(self.stretch())

    def read(self) -> bytes:
        """Return all bytes."""
        return self.content if self.content is not None else bytes(self.stretch())

    def stretch(self) -> Stretch:
        """Return the bytes of a large one, unread."""
        return Stretch(self.segments)

    def hold(self) -> None:
        """Keep the files."""
        for segment in self.segments:
            vault().hold(segment.name)

    def restored(self) -> None:
        """Keep the files again, back from the journal."""
        if not self.closed:
            self.hold()

    def close(self) -> None:
        """Let the files go. Can be called again."""
        if not self.closed and _shelter:
            self.closed = True
            for segment in self.segments:
                vault().release(segment.name)


def join_bodies(bodies: Iterable[Body]) -> Body:
    """Return one body of the bytes of several; none of them is copied unless all are small."""
    parts = list(bodies)
    if all(part.content is not None for part in parts):
        return Body.of(b"".join(part.read() for part in parts))
    segments = [segment for part in parts for segment in _on_disk(part).segments]
    return Body(None, segments, sum(part.size for part in parts), None)


def write_body(pieces: Iterable[bytes]) -> Body:
    """Write bytes to a new file, to the disk, and return their body."""
    md5, size = new_sum("MD5"), 0
    name, file = vault().create()
    try:
        with file:
            for piece in pieces:
                write_whole(file, piece)
                md5.update(piece)
                size += len(piece)
            vault().finish(file)
    except BaseException:
        vault().remove(name)
        raise
    return Body(None, [Segment(name, 0, size)], size, md5.digest().hex())


def write_whole(file: BinaryIO, content: bytes | memoryview) -> None:
    """Write all of it: an unbuffered file may take less at a time."""
    view = memoryview(content)
    while view:
        view = view[os.write(file.fileno(), view) :]


def _on_disk(body: Body) -> Body:
    return body if body.content is None else write_body([body.content])
