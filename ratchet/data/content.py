"""What an inspection reads of objects: the frozen version, in a stream or its first bytes, never all in memory."""

from __future__ import annotations

import io
from collections.abc import Generator
from typing import Any

from ratchet.aws import Aws, Bucket
from ratchet.data.manifest import Manifest, ObjectEntry


class Content:
    """The bytes of a manifest's objects."""

    def __init__(self, aws: Aws, manifest: Manifest) -> None:
        self._bucket = Bucket(aws, manifest.bucket)
        self._prefix = manifest.prefix

    def head(self, entry: ObjectEntry, size: int) -> bytes:
        """The first bytes of an object, at most `size`; `NotFoundError` when the version is gone."""
        if not entry.size:
            return b""
        return self._bucket.read_start(self._prefix + entry.key, entry.version_id, size)

    def open(self, entry: ObjectEntry) -> io.BufferedReader:
        """An object as a file that is read from start to end."""
        return io.BufferedReader(_Chunks(self._bucket.chunks(self._prefix + entry.key, entry.version_id)), 1024 * 1024)


class _Chunks(io.RawIOBase):
    """Chunks of bytes as a file."""

    def __init__(self, chunks: Generator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = chunk
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size

    def close(self) -> None:
        self._chunks.close()
        super().close()
