"""Parts are what the request that completes their upload says they are: its checksums are held against them.

The answer tells the checksum of the whole, which moto computes and leaves out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

from localcloud.chain import Answer, Exchange, Next, tell
from localcloud.checksum import ALGORITHMS, DEFAULT_ALGORITHM, compute_sum, encode_sum, header_of, new_sum
from localcloud.refusal import Refusal, refuse
from localcloud.request import Call
from localcloud.shelf import ModelShelf
from localcloud.wire import read_members

_END = b"</CompleteMultipartUploadResult>"
_BAD = "400 Bad Request"


class PartIntegrity:
    """A step that looks at the requests that complete an upload.

    Parameters
    ----------
    shelf
        Models that name the operations.
    """

    def __init__(self, shelf: ModelShelf) -> None:
        self._shelf = shelf

    def __call__(self, exchange: Exchange, then: Next) -> Answer:
        """Refuse what does not match its checksum."""
        call = exchange.call
        if call.service != "s3" or call.method != "POST" or "uploadId=" not in call.query:
            return then(exchange)
        placed = self._shelf.find(call)
        members = None if placed is None else read_members(placed[0], call, placed[1])
        if members is None:
            return then(exchange)
        refusal = _judge(call, members)
        return tell(*refusal) if refusal is not None else _tell_sum(then(exchange), members)


def _judge(call: Call, members: Mapping[str, Any]) -> Refusal | None:
    bucket = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets.get(members["Bucket"])
    upload = None if bucket is None else bucket.multiparts.get(members["uploadId"])
    if upload is None:
        return None  # moto says so
    told = (members.get("CompleteMultipartUpload") or {}).get("Part") or []
    parts = [(part, upload.parts.get(part.get("PartNumber"))) for part in told]
    if any(kept is not None and not _matches(part, kept) for part, kept in parts):
        message = (
            "One or more of the specified parts could not be found. The part may not have been uploaded, or the "
            "specified entity tag may not match the part's entity tag."
        )
        return refuse(call, _BAD, "InvalidPart", message)
    return _judge_whole(call, upload.metadata, [kept for _, kept in parts if kept is not None])


def _tell_sum(answer: Answer, members: Mapping[str, Any]) -> Answer:
    if not answer.status.startswith("200"):
        return answer
    key = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[members["Bucket"]].keys.get(members["Key"])
    body = b"".join(answer.body)
    if getattr(key, "checksum_algorithm", None) in ALGORITHMS and key.checksum_value:
        count = f"-{key.checksum_parts}" if key.checksum_type == "COMPOSITE" else ""
        name = f"Checksum{key.checksum_algorithm}"
        told = f"<{name}>{key.checksum_value}{count}</{name}><ChecksumType>{key.checksum_type}</ChecksumType>"
        body = body.replace(_END, told.encode() + _END)
    headers = [(name, value) for name, value in answer.headers if name.lower() != "content-length"]
    return replace(answer, headers=[*headers, ("Content-Length", str(len(body)))], body=[body])


def _matches(told: Mapping[str, Any], kept: Any) -> bool:
    sent = {name: told[f"Checksum{name}"] for name in ALGORITHMS if f"Checksum{name}" in told}
    return all(compute_sum(name, kept.value) == text for name, text in sent.items())


def _judge_whole(call: Call, metadata: Mapping[str, str], parts: list[Any]) -> Refusal | None:
    name = metadata.get("x-amz-checksum-algorithm") or DEFAULT_ALGORITHM
    kind = metadata.get("x-amz-checksum-type") or ("FULL_OBJECT" if name == DEFAULT_ALGORITHM else "COMPOSITE")
    sent = call.headers.get(header_of(name))
    if sent is None or kind != "FULL_OBJECT":
        return None
    found = new_sum(name)
    for part in parts:  # one at a time: together they may be larger than memory
        found.update(part.value)
    if sent == encode_sum(found):
        return None
    return refuse(call, _BAD, "BadDigest", f"The {name} you specified did not match the calculated checksum.")
