"""One S3 object that several write by turns: each write holds only if nobody wrote since it was read."""

from __future__ import annotations

from typing import Any

from ratchet.aws.client import Aws
from ratchet.aws.failure import error_code, translate_errors
from ratchet.errors import NotFoundError

_LOST = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey", "412", "409", "404"})


class Cell:
    """An object that is changed by compare and swap; its content carries its writer's token, see `swap`."""

    def __init__(self, aws: Aws, bucket: str, key: str) -> None:
        self._client: Any = aws.client("s3")
        self._place = {"Bucket": bucket, "Key": key}
        self.uri = f"s3://{bucket}/{key}"

    def read(self) -> tuple[bytes, str] | None:
        """Content and ETag; None when there is no object."""
        try:
            with translate_errors(f"read {self.uri}"):
                answer = self._client.get_object(**self._place)
                return answer["Body"].read(), str(answer["ETag"])
        except NotFoundError:
            return None

    def swap(self, content: bytes, etag: str | None) -> bool:
        """Write if the object still has this ETag, or, with None, if there is none yet; return whether it holds now.

        A write whose answer was lost comes back as a conflict; content that is ours to the byte is then a success, so
        no two writers may ever write the same.
        """
        from botocore.exceptions import ClientError

        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        with translate_errors(f"write {self.uri}"):
            try:
                self._client.put_object(**self._place, Body=content, ContentType="application/json", **condition)
            except ClientError as error:
                if error_code(error) not in _LOST:
                    raise
                found = self.read()
                return found is not None and found[0] == content
        return True
