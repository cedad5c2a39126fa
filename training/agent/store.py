"""S3 as the agent needs it: small objects, files, listings, writes that hold only if nobody wrote meanwhile."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Tuple
from urllib.parse import urlsplit


class Conflict(Exception):
    """Somebody else has written the object since it was read."""


def split_uri(uri: str) -> Tuple[str, str]:
    """Bucket and key, or prefix, of `s3://bucket/key`."""
    parts = urlsplit(uri, allow_fragments=False)
    return parts.netloc, uri[len("s3://" + parts.netloc) :].lstrip("/")


class Store:
    """One door to S3, safe to share among threads."""

    def __init__(self, client: Any, guarded_client: Any) -> None:
        self._client = client
        self._guarded = guarded_client
        self._condition: Dict[str, str] = {}
        self._lock = threading.Lock()
        # The image's boto3 may be older than conditional writes and refuse their parameters; a header it lets through.
        self._guarded.meta.events.register("before-call.s3.PutObject", self._add_condition)

    @classmethod
    def connect(cls) -> "Store":
        """Open S3 as this machine's role."""
        import boto3

        return cls(boto3.client("s3"), boto3.session.Session().client("s3"))

    def read(self, bucket: str, key: str) -> Tuple[bytes, str]:
        """Content and ETag of a small object."""
        answer = self._client.get_object(Bucket=bucket, Key=key)
        return answer["Body"].read(), answer["ETag"]

    def replace(self, bucket: str, key: str, content: bytes, etag: str) -> str:
        """Write over an object only if it still has this ETag; return the new one, or raise `Conflict`."""
        from botocore.exceptions import ClientError

        with self._lock:
            self._condition = {"If-Match": etag}
            try:
                answer = self._guarded.put_object(Bucket=bucket, Key=key, Body=content, ContentType="application/json")
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in ("PreconditionFailed", "ConditionalRequestConflict"):
                    raise Conflict(key) from error
                raise
        return str(answer["ETag"])

    def download(self, uri: str, target: Path) -> None:
        """Write an object to a file, whose folder is made."""
        bucket, key = split_uri(uri)
        target.parent.mkdir(parents=True, exist_ok=True)
        self._client.download_file(bucket, key, str(target))

    def upload(self, source: Path, uri: str) -> None:
        """Put a file, in parts when it is large."""
        self._client.upload_file(str(source), *split_uri(uri))

    def keys(self, bucket: str, prefix: str) -> Iterator[str]:
        """Every key that begins with a prefix, in order."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for page in pages:
            for entry in page.get("Contents", []):
                yield str(entry["Key"])

    def _add_condition(self, params: Dict[str, Any], **_: Any) -> Optional[Any]:
        params["headers"].update(self._condition)
        return None
