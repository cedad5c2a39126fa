"""A thin typed layer over one S3 bucket: objects written once, and reads that check what they read."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ratchet.aws.client import Aws
from ratchet.aws.failure import error_code, translate_errors
from ratchet.contract import sha256_file
from ratchet.errors import ArtefactError, ConflictError, NotFoundError, SpecError

_SENDS = 5
_CHUNK_BYTES = 1024 * 1024
_SHA256 = "sha256"  # metadata key: the digest in hexadecimal
_UNVERSIONED = "null"  # S3's own name for the version of an object in a bucket without versioning


@dataclass(frozen=True)
class Stored:
    """An object as S3 holds it."""

    uri: str
    version_id: str
    sha256: str


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key`."""
    parts = urlsplit(uri, allow_fragments=False)
    key = uri.removeprefix(f"s3://{parts.netloc}/")
    if parts.scheme != "s3" or not parts.netloc or not key or key == uri:
        raise SpecError(f"{uri!r} is no object's URI; it should read s3://bucket/key")
    return parts.netloc, key


class Bucket:
    """One bucket."""

    def __init__(self, aws: Aws, name: str) -> None:
        self.name = name
        self._client: Any = aws.client("s3")

    def uri(self, key: str) -> str:
        """`s3://bucket/key`."""
        return f"s3://{self.name}/{key}"

    def put_once(self, key: str, content: bytes | Path, *, content_type: str = "application/octet-stream") -> Stored:
        """Write an object that is never written again; the same content once more is no error.

        Raises
        ------
        ConflictError
            When other content is there.
        """
        digest = hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else sha256_file(content)
        checksum = base64.b64encode(bytes.fromhex(digest)).decode()
        with translate_errors(f"write {self.uri(key)}"):
            for _ in range(_SENDS):
                request = {"Key": key, "ChecksumSHA256": checksum, "ContentType": content_type}
                answer = self._try_put(content, **request, Metadata={_SHA256: digest})
                stored = self._stored(key, answer, digest) if answer is not None else self._own(key, digest)
                if stored is not None:
                    return stored
        raise ConflictError(f"could not write {self.uri(key)}: somebody else is writing it; try again")

    def put(self, key: str, content: bytes, *, content_type: str) -> str:
        """Write a small object that may be written again, such as a page about something that goes on; its URI."""
        with translate_errors(f"write {self.uri(key)}"):
            self._client.put_object(Bucket=self.name, Key=key, Body=content, ContentType=content_type)
        return self.uri(key)

    def read(self, key: str, version_id: str | None = None) -> bytes:
        """Read a whole small object; `NotFoundError` when there is none."""
        with translate_errors(f"read {self.uri(key)}"):
            body: bytes = self._get(key, version_id)["Body"].read()
        return body

    def find(self, key: str) -> bytes | None:
        """Read a whole small object; None when there is none."""
        try:
            return self.read(key)
        except NotFoundError:
            return None

    def size(self, key: str) -> int:
        """An object's size in bytes; `NotFoundError` when there is none."""
        with translate_errors(f"look at {self.uri(key)}"):
            return int(self._client.head_object(Bucket=self.name, Key=key)["ContentLength"])

    def read_range(self, key: str, start: int, size: int) -> bytes:
        """Read up to `size` bytes from a place within the object on."""
        return self._read_range(key, None, start, size)

    def _read_range(self, key: str, version_id: str | None, start: int, size: int) -> bytes:
        with translate_errors(f"read {self.uri(key)}"):
            body: bytes = self._get(key, version_id, Range=f"bytes={start}-{start + size - 1}")["Body"].read()
        return body

    def exists(self, key: str) -> bool:
        """Whether there is an object under this key."""
        try:
            with translate_errors(f"look for {self.uri(key)}"):
                self._client.head_object(Bucket=self.name, Key=key)
        except NotFoundError:
            return False
        return True

    def lines(self, key: str) -> Generator[bytes]:
        """Read a large object line by line, without the line ends; `NotFoundError` when there is none."""
        rest = b""
        for chunk in self.chunks(key):
            *whole, rest = (rest + chunk).split(b"\n")
            yield from whole
        if rest:
            yield rest

    def read_start(self, key: str, version_id: str | None, size: int) -> bytes:
        """Read the first bytes of an object that has any, at most `size`."""
        return self._read_range(key, version_id, 0, size)

    def chunks(self, key: str, version_id: str | None = None) -> Generator[bytes]:
        """Read a large object in pieces of a mebibyte; `NotFoundError` when there is none."""
        with translate_errors(f"read {self.uri(key)}"):
            body = self._get(key, version_id)["Body"]
        with contextlib.closing(body):
            while True:
                with translate_errors(f"read {self.uri(key)}"):
                    chunk = body.read(_CHUNK_BYTES)
                if not chunk:
                    return
                yield chunk

    def download(self, key: str, target: Path, *, version_id: str | None = None, sha256: str | None = None) -> str:
        """Write an object's bytes into a new file and return their SHA-256 in hexadecimal.

        Raises
        ------
        ArtefactError
            When the bytes are not those of `sha256`, or not those that were stored; the file is gone then.
        """
        with translate_errors(f"download {self.uri(key)}"):
            answer = self._get(key, version_id)
            digest = hashlib.sha256()
            with target.open("wb") as sink:
                for chunk in answer["Body"].iter_chunks(_CHUNK_BYTES):
                    digest.update(chunk)
                    sink.write(chunk)
        actual = digest.hexdigest()
        expected = sha256 or answer.get("Metadata", {}).get(_SHA256, actual)
        if actual != expected:
            target.unlink()
            raise ArtefactError(f"{self.uri(key)} has SHA-256 {actual}, expected {expected}: it was changed or cut off")
        return actual

    def _get(self, key: str, version_id: str | None, **more: str) -> dict[str, Any]:
        version = {"VersionId": version_id} if version_id and version_id != _UNVERSIONED else {}
        answer: dict[str, Any] = self._client.get_object(Bucket=self.name, Key=key, **version, **more)
        return answer

    def _try_put(self, content: bytes | Path, **request: Any) -> dict[str, Any] | None:
        """One conditional put; None when the object may be there, from us or from somebody else."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            with _opened(content) as body:
                answer: dict[str, Any] = self._client.put_object(
                    Bucket=self.name, Body=body, IfNoneMatch="*", **request
                )
        except ClientError as error:
            if error_code(error) not in ("PreconditionFailed", "ConditionalRequestConflict", "412", "409"):
                raise
        except BotoCoreError:
            return None  # the response was lost: what is there tells
        else:
            return answer
        return None

    def _own(self, key: str, digest: str) -> Stored | None:
        """The object that is there if it is ours; None when there is none."""
        from botocore.exceptions import ClientError

        try:
            head = self._client.head_object(Bucket=self.name, Key=key)
        except ClientError as error:
            if error_code(error) in ("404", "NoSuchKey"):
                return None
            raise
        found = head.get("Metadata", {}).get(_SHA256)
        if found != digest:
            raise ConflictError(
                f"{self.uri(key)} is written once and holds other content: SHA-256 {found or 'unknown'}, not {digest}"
            )
        return self._stored(key, head, digest)

    def _stored(self, key: str, answer: dict[str, Any], digest: str) -> Stored:
        return Stored(self.uri(key), str(answer.get("VersionId") or _UNVERSIONED), digest)


@contextlib.contextmanager
def _opened(content: bytes | Path) -> Iterator[Any]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as stream:
        yield stream
