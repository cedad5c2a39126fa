"""A large body on its way in: written to a file as it arrives, its checksums computed at the same time.

Bodies in chunks of AWS's own framing (`aws-chunked`) are unpacked on the way; the checksum in their trailer is read.
"""

from __future__ import annotations

import base64
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from localcloud.body import PIECE_BYTES, Body, Segment, vault, write_whole
from localcloud.checksum import ALGORITHMS, DEFAULT_ALGORITHM, Sum, encode_sum, header_of, new_sum
from localcloud.framing import SIGNED_CHUNKS, BrokenBody, Frame, Seal, is_framed

KEY = "localcloud.upload"
STREAMED_BYTES = 1024 * 1024

_SHA256_DIGITS = 64
_QUEUED_PIECES = 8


@dataclass
class Upload:
    """A body that has arrived.

    Attributes
    ----------
    body
        Where it lies.
    sums
        Checksums by algorithm, as headers carry them.
    trailers
        Headers that came after the body, by their names in lower case.
    decoded
        Whether AWS's framing was taken off.
    seals
        What was signed of each chunk, when chunks are signed.
    taken
        Whether an object has it now.
    """

    body: Body
    sums: Mapping[str, str]
    trailers: Mapping[str, str] = field(default_factory=dict)
    decoded: bool = False
    seals: list[Seal] = field(default_factory=list)
    taken: bool = False

    def __len__(self) -> int:
        return self.body.size

    @property
    def sha256(self) -> str:
        """The body's SHA-256 in hexadecimal."""
        return base64.b64decode(self.sum_of("SHA256")).hex()

    def sum_of(self, algorithm: str) -> str:
        """Return a checksum as headers carry it; one that was not computed on the way in is now."""
        if algorithm in self.sums:
            return self.sums[algorithm]
        found = new_sum(algorithm)
        for piece in self.body:
            found.update(piece)
        return encode_sum(found)

    def discard(self) -> None:
        """Remove what no object has taken."""
        if not self.taken:
            self.body.close()


def receive(read: Callable[[int], bytes], length: int | None, headers: Mapping[str, str]) -> Upload:
    """Write a body to a file as it arrives.

    Parameters
    ----------
    read
        Reads at most so many bytes; nothing at the end.
    length
        Number of bytes on the wire; None when the end is told by the stream.
    headers
        By their names in lower case.

    Raises
    ------
    BrokenBody
        When the body is not whole.
    """
    payload = headers.get("x-amz-content-sha256", "")
    frame = Frame(is_signed=payload in SIGNED_CHUNKS)
    pieces = _pieces(read, length)
    decoded = is_framed(headers)
    if decoded:
        pieces = frame.unpack(pieces)
    sums = {name: new_sum(name) for name in _wanted(headers)}
    name, file = vault().create()
    try:
        with file:
            size = _write(file, pieces, list(sums.values()))
            vault().finish(file)
    except BaseException:
        vault().remove(name)
        raise
    body = Body(None, [Segment(name, 0, size)], size, sums["MD5"].digest().hex())
    return Upload(body, {name: encode_sum(found) for name, found in sums.items()}, frame.trailers, decoded, frame.seals)


def _wanted(headers: Mapping[str, str]) -> list[str]:
    """MD5 always, for the ETag; of the others what the headers announce, or the one that S3 takes without a word."""
    named = [*(key for key in headers if key.startswith("x-amz-checksum-")), headers.get("x-amz-trailer", "").strip()]
    told = {name for name in ALGORITHMS if header_of(name) in [each.lower() for each in named]}
    asked = headers.get("x-amz-sdk-checksum-algorithm", "").upper()
    told |= {asked} & set(ALGORITHMS) or (set() if told else {DEFAULT_ALGORITHM})
    if len(headers.get("x-amz-content-sha256", "")) == _SHA256_DIGITS:
        told.add("SHA256")
    return ["MD5", *sorted(told)]


def _pieces(read: Callable[[int], bytes], length: int | None) -> Iterator[bytes]:
    left = length
    while left is None or left > 0:
        piece = read(PIECE_BYTES if left is None else min(left, PIECE_BYTES))
        if not piece:
            if left is None:
                return
            raise BrokenBody(f"the body ended {left} bytes early")
        left = None if left is None else left - len(piece)
        yield piece


def _write(file: BinaryIO, pieces: Iterator[bytes], sums: list[Sum]) -> int:
    """Write pieces, and compute their checksums on a thread beside: both take about as long."""
    waiting: queue.Queue[bytes | None] = queue.Queue(_QUEUED_PIECES)

    def compute() -> None:
        while (piece := waiting.get()) is not None:
            for found in sums:
                found.update(piece)

    thread = threading.Thread(target=compute, name="checksum", daemon=True)
    thread.start()
    size = 0
    try:
        for piece in pieces:
            waiting.put(piece)
            write_whole(file, piece)
            size += len(piece)
    finally:
        waiting.put(None)
        thread.join()
    return size
