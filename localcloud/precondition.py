"""S3's conditional writes: If-Match and If-None-Match on puts, copies, completed uploads and deletes.

moto knows half of them. This step stands inside the service's lock, so that nothing changes between look and write.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import FakeDeleteMarker, s3_backends

from localcloud.chain import Answer, Exchange, Next, tell
from localcloud.refusal import Refusal, refuse
from localcloud.request import Call
from localcloud.shelf import ModelShelf

_OPERATIONS = frozenset({"PutObject", "CopyObject", "CompleteMultipartUpload", "DeleteObject"})
_HEADERS = ("if-match", "if-none-match")


class Preconditions:
    """A step that judges conditions, and takes those that hold off the request.

    Parameters
    ----------
    shelf
        Models that name the operations.
    """

    def __init__(self, shelf: ModelShelf) -> None:
        self._shelf = shelf

    def __call__(self, exchange: Exchange, then: Next) -> Answer:
        """Refuse a write whose condition does not hold."""
        call = exchange.call
        if call.service != "s3" or not any(header in call.headers for header in _HEADERS):
            return then(exchange)
        placed = self._shelf.find(call)
        if placed is None or placed[1].operation.name not in _OPERATIONS:
            return then(exchange)
        refusal = _judge(call, placed[1].operation.name, placed[1].labels)
        if refusal is not None:
            return tell(*refusal)
        for header in _HEADERS:
            exchange.environ.pop(f"HTTP_{header.upper().replace('-', '_')}", None)
        return then(exchange)


def _judge(call: Call, operation: str, labels: Mapping[str, str]) -> Refusal | None:
    found = _current(unquote(labels["Bucket"]), unquote(labels["Key"]))
    is_there = found is not None and not isinstance(found, FakeDeleteMarker)
    wanted, unwanted = call.headers.get("if-match"), call.headers.get("if-none-match")
    if unwanted is not None and unwanted != "*":
        message = "A header you provided implies functionality that is not implemented"
        return refuse(call, "501 Not Implemented", "NotImplemented", message)
    if unwanted == "*" and is_there and not _is_completed(call, found):
        return _failed(call)
    if wanted is None or (is_there and _is_completed(call, found)):
        return None
    if found is None or (not is_there and operation != "DeleteObject"):
        return refuse(call, "404 Not Found", "NoSuchKey", "The specified key does not exist.")
    return None if is_there and wanted.strip('"') in {"*", found.etag.strip('"')} else _failed(call)


def _current(bucket: str, key: str) -> Any:
    """Return the newest version, a delete marker included, or None."""
    found = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets.get(bucket)
    return None if found is None else found.keys.get(key)


def _is_completed(call: Call, found: Any) -> bool:
    """Whether the object is what this very upload made: completing it again succeeds again."""
    upload = getattr(found, "multipart", None)
    return upload is not None and f"uploadId={upload.id}" in unquote(call.query)


def _failed(call: Call) -> Refusal:
    message = "At least one of the pre-conditions you specified did not hold"
    return refuse(call, "412 Precondition Failed", "PreconditionFailed", message)
