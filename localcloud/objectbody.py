"""moto's S3 with bodies that stay in files: put, get, ranges, copies and multipart uploads never hold one in memory."""

from __future__ import annotations

import codecs
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from localcloud.body import Body, Stretch, join_bodies
from localcloud.chain import DOWNLOAD_KEY, STREAMS_KEY
from localcloud.checksum import DEFAULT_ALGORITHM, encode_sum, new_sum
from localcloud.patch import Change, change_classes
from localcloud.upload import KEY, STREAMED_BYTES

_lending = threading.local()


@contextmanager
def _lend() -> Iterator[None]:
    """Within the block a large object's value is a stretch of files instead of bytes."""
    before = getattr(_lending, "on", False)
    _lending.on = True
    try:
        yield
    finally:
        _lending.on = before


def replace_bodies() -> Callable[[], None]:
    """Change moto's classes; return what changes them back."""
    return change_classes([*_key_changes(), *_backend_changes(), *_response_changes()])


def _key_changes() -> list[Change]:
    from moto.s3.models import FakeKey, FakeMultipart

    def get_value(self: Any) -> Any:
        body: Body = self._value_buffer
        if getattr(_lending, "on", False) and body.content is None and body.size > STREAMED_BYTES:
            return body.stretch()
        return body.read()

    def set_value(self: Any, value: Any) -> None:
        before = self._value_buffer
        self._value_buffer = Body.of(value)
        self.contentsize = self._value_buffer.size
        before.close()

    def etag(self: Any) -> str:
        if self._etag is None:
            self._etag = self._value_buffer.md5
        return f'"{self._etag}"'

    def get_state(self: Any) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "lock"}

    def set_state(self: Any, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.lock = threading.Lock()

    return [
        (FakeKey, "__getstate__", get_state),  # moto copies keys when it answers
        (FakeKey, "__setstate__", set_state),
        (FakeKey, "value", property(get_value, set_value)),
        (FakeKey, "etag", property(etag)),
        (FakeMultipart, "complete", _complete),
    ]


def _complete(self: Any, body: Iterator[tuple[int, str]]) -> tuple[Body, str, tuple[str, str, int] | None]:
    """Put the parts together, with the checks and the checksums of moto's own."""
    parts = _named_parts(self, body)
    tags = b"".join(codecs.decode(part.etag.strip('"'), "hex") for part in parts)
    found = new_sum("MD5")
    found.update(tags)
    bodies = [part._value_buffer for part in parts]
    return join_bodies(bodies), f"{found.digest().hex()}-{len(parts)}", _sum_parts(self.metadata, bodies)


def _named_parts(multipart: Any, body: Iterator[tuple[int, str]]) -> list[Any]:
    from moto.s3.exceptions import EntityTooSmall, InvalidPart, MalformedXML
    from moto.s3.models import S3_UPLOAD_PART_MIN_SIZE

    parts: list[Any] = []
    for number, etag in body:
        part = multipart.parts.get(number)
        if part is None or part.etag.strip('"') != etag.replace('"', ""):
            raise InvalidPart
        if parts and parts[-1].contentsize < S3_UPLOAD_PART_MIN_SIZE:
            raise EntityTooSmall
        parts.append(part)
    if not parts:
        raise MalformedXML
    return parts


def _sum_parts(metadata: Any, bodies: list[Body]) -> tuple[str, str, int]:
    algorithm = metadata.get("x-amz-checksum-algorithm") or DEFAULT_ALGORITHM
    default = "FULL_OBJECT" if algorithm == DEFAULT_ALGORITHM else "COMPOSITE"
    kind = metadata.get("x-amz-checksum-type") or default
    whole = new_sum(algorithm)
    for body in bodies:
        if kind == "COMPOSITE":
            part = new_sum(algorithm)
            for piece in body:
                part.update(piece)
            whole.update(part.digest())
        else:
            for piece in body:
                whole.update(piece)
    return kind, encode_sum(whole), len(bodies) if kind == "COMPOSITE" else 1


def _backend_changes() -> list[Change]:
    from moto.s3.models import S3Backend

    copy_object, copy_part = S3Backend.copy_object, S3Backend.upload_part_copy

    def copy(self: Any, *args: Any, **kwargs: Any) -> Any:
        with _lend():
            return copy_object(self, *args, **kwargs)

    def upload_part_copy(self: Any, *args: Any, **kwargs: Any) -> Any:
        with _lend():
            return copy_part(self, *args, **kwargs)

    return [(S3Backend, "copy_object", copy), (S3Backend, "upload_part_copy", upload_part_copy)]


def _response_changes() -> list[Change]:
    from moto.s3.responses import S3Response

    set_up, get, answer = S3Response.setup_class, S3Response.get_object, S3Response.key_response

    def setup_class(self: Any, request: Any, *args: Any, **kwargs: Any) -> None:
        set_up(self, request, *args, **kwargs)
        upload = request.environ.get(KEY)
        if upload is not None:
            upload.taken = True
            self.body = upload.body

    def get_object(self: Any) -> Any:
        with _lend():
            return get(self)

    def key_response(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        status, headers, content = answer(self, request, *args, **kwargs)
        if not isinstance(content, Stretch):
            return status, headers, content
        if not request.environ.get(STREAMS_KEY):  # not by way of HTTP
            return status, headers, bytes(content)
        request.environ[DOWNLOAD_KEY] = content
        return status, headers, b""

    return [
        (S3Response, "setup_class", setup_class),
        (S3Response, "get_object", get_object),
        (S3Response, "key_response", key_response),
    ]
