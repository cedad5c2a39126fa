"""Objects arrive as they were sent, and leave with the checksum that they came with.

A body that does not match a checksum in its headers or its trailer, or the hash that its signature covers, is refused.
What has none gets CRC-64/NVME, as S3 does; moto keeps it and returns it when `ChecksumMode` asks for it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Protocol

from localcloud.chain import Answer, Environ, Exchange, Next, tell
from localcloud.checksum import ALGORITHMS, DEFAULT_ALGORITHM, header_of, is_sum, sent_sums
from localcloud.framing import BrokenBody, Unpacked, is_framed, unpack
from localcloud.refusal import Refusal, refuse
from localcloud.request import Call, query_of
from localcloud.upload import KEY as UPLOAD_KEY
from localcloud.upload import Upload

_BAD = "400 Bad Request"
_HASH = re.compile(r"[0-9a-f]{64}")


class Arrived(Protocol):
    """A body as it arrived, without its framing: in memory, or large and in a file."""

    @property
    def trailers(self) -> Mapping[str, str]:
        """The headers after it, by their names in lower case."""

    def __len__(self) -> int:
        """Return the number of its bytes."""

    def sum_of(self, algorithm: str) -> str:
        """Return a checksum of it, as headers carry it."""


def check_integrity(exchange: Exchange, then: Next) -> Answer:
    """Hold a body against its checksums, and tell moto what they are."""
    call = exchange.call
    if call.service != "s3" or call.method not in {"PUT", "POST"}:
        return then(exchange)
    upload: Upload | None = exchange.environ.get(UPLOAD_KEY)
    try:
        body: Arrived = upload if upload is not None else _arrived(call)
    except BrokenBody as error:
        return tell(*refuse(call, _BAD, "IncompleteBody", f"The request body is not whole: {error}."))
    sums = sent_sums({**call.headers, **body.trailers})
    refusal = _judge(call, body, sums)
    if refusal is not None:
        return tell(*refusal)
    if call.method == "PUT" and _is_object(call):
        _note(exchange.environ, call, body, sums)
    if upload is not None and is_framed(call.headers):
        exchange.environ["HTTP_X_AMZ_CONTENT_SHA256"] = "UNSIGNED-PAYLOAD"  # moto must not look for the framing
    return then(exchange)


def _arrived(call: Call) -> Unpacked:
    return unpack(call.body) if is_framed(call.headers) else Unpacked(call.body)


def _judge(call: Call, body: Arrived, sums: Mapping[str, str]) -> Refusal | None:
    announced = call.headers.get("x-amz-trailer")
    if announced and announced.strip().lower() not in body.trailers:
        return refuse(call, _BAD, "MalformedTrailerError", f"The trailer {announced} did not come.")
    framed, length = is_framed(call.headers), call.headers.get("x-amz-decoded-content-length")
    if framed and length is not None and length != str(len(body)):
        message = "You did not provide the number of bytes specified by the x-amz-decoded-content-length HTTP header"
        return refuse(call, _BAD, "IncompleteBody", message)
    if call.method == "POST" and "uploadId" in query_of(call):
        sums = {"MD5": sums["MD5"]} if "MD5" in sums else {}  # the others are the object's, not the list's of its parts
    return _compare(call, body, sums) or (None if framed else _compare_signed(call, body))


def _compare(call: Call, body: Arrived, sums: Mapping[str, str]) -> Refusal | None:
    for name, sent in sums.items():
        told = "Content-MD5" if name == "MD5" else header_of(name)
        if not is_sum(name, sent):
            code = "InvalidDigest" if name == "MD5" else "InvalidRequest"
            return refuse(call, _BAD, code, f"Value for {told} header is invalid.")
        if sent != body.sum_of(name):
            shown = told if name == "MD5" else name
            return refuse(call, _BAD, "BadDigest", f"The {shown} you specified did not match the calculated checksum.")
    return None


def _compare_signed(call: Call, body: Arrived) -> Refusal | None:
    signed = call.headers.get("x-amz-content-sha256", "")
    if not _HASH.fullmatch(signed) or signed == base64.b64decode(body.sum_of("SHA256")).hex():
        return None
    message = "The provided 'x-amz-content-sha256' header does not match what was computed."
    return refuse(call, _BAD, "XAmzContentSHA256Mismatch", message)


def _is_object(call: Call) -> bool:
    """Whether the body is an object's or a part's, not the configuration of something."""
    names = query_of(call).keys()
    return call.encoded_path.count("/") > 1 and "x-amz-copy-source" not in call.headers and names <= _OBJECT_QUERY


_OBJECT_QUERY = frozenset({"partNumber", "uploadId", "x-id"})


def _note(environ: Environ, call: Call, body: Arrived, sums: Mapping[str, str]) -> None:
    """Say to moto, in the headers that it reads, which checksum the object has."""
    given = next((name for name in ALGORITHMS if name in sums), None)
    asked = call.headers.get("x-amz-sdk-checksum-algorithm", "").upper()
    name = given or (asked if asked in ALGORITHMS else DEFAULT_ALGORITHM)
    environ["HTTP_X_AMZ_SDK_CHECKSUM_ALGORITHM"] = name
    environ[f"HTTP_{header_of(name).upper().replace('-', '_')}"] = sums.get(name) or body.sum_of(name)
