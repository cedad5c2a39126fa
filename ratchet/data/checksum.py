"""What tells an object's bytes: the checksum that S3 keeps where it keeps one, its ETag otherwise.

Listing names the algorithms of an object but not the values: each value is one call. So only objects that announce one
are asked, many at a time, and none whose version the last manifest knows already.
"""

from __future__ import annotations

import base64
import binascii
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from ratchet.aws import Aws, translate_errors
from ratchet.data.listing import Listed
from ratchet.data.manifest import ObjectEntry
from ratchet.errors import ConflictError, DataError, NotFoundError

_WORKERS = 32
_AHEAD = 2048  # entries that wait for the answer about one before them
# The strongest first. What is not named here tells no more than the ETag.
_KINDS = ("SHA256", "SHA1", "CRC64NVME", "CRC32C", "CRC32")


class Checksums:
    """Finds the checksum of objects in a bucket.

    Parameters
    ----------
    prefix
        What the keys of the entries are relative to.
    """

    def __init__(self, aws: Aws, bucket: str, prefix: str) -> None:
        self._client: Any = aws.client("s3")
        self._bucket = bucket
        self._prefix = prefix

    def resolve(self, listed: Iterable[Listed], known: Iterable[ObjectEntry] = ()) -> Iterator[ObjectEntry]:
        """Turn what was listed into entries, in the same order.

        Parameters
        ----------
        known
            Entries of an earlier manifest in the order of their keys: a version that is among them is not asked about.
        """
        waiting: deque[Future[ObjectEntry] | ObjectEntry] = deque()
        with ThreadPoolExecutor(_WORKERS) as pool:
            try:
                for one, earlier in _beside(listed, known):
                    entry = _told(one, earlier)
                    waiting.append(entry if entry is not None else pool.submit(self._ask, one))
                    if len(waiting) >= _AHEAD:
                        yield _settle(waiting.popleft())
                while waiting:
                    yield _settle(waiting.popleft())
            finally:
                pool.shutdown(cancel_futures=True)

    def _ask(self, one: Listed) -> ObjectEntry:
        key = self._prefix + one.key
        try:
            with translate_errors(f"read the checksum of s3://{self._bucket}/{key}"):
                head = self._client.head_object(
                    Bucket=self._bucket, Key=key, VersionId=one.version_id, ChecksumMode="ENABLED"
                )
        except NotFoundError as error:
            raise ConflictError(
                f"s3://{self._bucket}/{key} was deleted for good while it was being frozen; freezing again sees what "
                "there is now"
            ) from error
        return _entry(one, read_checksum(head) or f"etag:{one.etag}")


def read_checksum(head: Mapping[str, Any]) -> str | None:
    """The strongest checksum of an answer about one object, as `<kind>:<hex>`; None when it has none.

    That of an object which came in parts may be one of its parts' checksums: `sha256-parts:<hex>-<parts>`.
    """
    for kind in _KINDS:
        value = head.get(f"Checksum{kind}")
        if not value:
            continue
        digest, _, parts = str(value).partition("-")
        try:
            text = base64.b64decode(digest, validate=True).hex()
        except binascii.Error as error:
            raise DataError(f"S3 tells a {kind} checksum that cannot be read: {value!r}") from error
        return f"{kind.lower()}-parts:{text}-{parts}" if parts else f"{kind.lower()}:{text}"
    return None


def _beside(listed: Iterable[Listed], known: Iterable[ObjectEntry]) -> Iterator[tuple[Listed, ObjectEntry | None]]:
    """Each listed object and the known entry of the same key, from two streams in the order of their keys."""
    rest = iter(known)
    earlier = next(rest, None)
    for one in listed:
        while earlier is not None and earlier.key < one.key:
            earlier = next(rest, None)
        yield one, earlier if earlier is not None and earlier.key == one.key else None


def _told(one: Listed, earlier: ObjectEntry | None) -> ObjectEntry | None:
    """The entry as far as it is known without asking; None when S3 has to be asked."""
    if not set(one.algorithms) & set(_KINDS):
        return _entry(one, f"etag:{one.etag}")
    if earlier is None or earlier.version_id != one.version_id or earlier.checksum.startswith("etag:"):
        return None
    return _entry(one, earlier.checksum)


def _entry(one: Listed, checksum: str) -> ObjectEntry:
    return ObjectEntry(one.key, one.version_id, one.size, checksum)


def _settle(item: Future[ObjectEntry] | ObjectEntry) -> ObjectEntry:
    return item.result() if isinstance(item, Future) else item
