"""S3 as the engines see it: the same objects that clients see, without a way through HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import FakeDeleteMarker, s3_backends

from localcloud.body import Body, has_vault
from localcloud.durable.current import durably
from localcloud.lock import service_lock


class ObjectNotFound(Exception):
    """A bucket, key or version does not exist; the message is the s3:// name."""


def get_object(bucket: str, key: str, version_id: str | None = None) -> bytes:
    """Return an object's bytes.

    Raises
    ------
    ObjectNotFound
        When there is no such bucket, key or version, or the latest version is a delete marker.
    """
    _require_bucket(bucket)
    found = _backend().get_object(bucket, key, version_id=version_id)
    if found is None or isinstance(found, FakeDeleteMarker):
        suffix = f"?versionId={version_id}" if version_id else ""
        raise ObjectNotFound(f"s3://{bucket}/{key}{suffix}")
    value: bytes = found.value
    return value


def list_keys(bucket: str, prefix: str = "") -> list[str]:
    """Return the keys under a prefix in order, without deleted ones.

    Raises
    ------
    ObjectNotFound
        When there is no such bucket.
    """
    _require_bucket(bucket)
    with service_lock("s3"):
        latest = list(_backend().get_bucket(bucket).keys.items())
    return sorted(key for key, found in latest if key.startswith(prefix) and not isinstance(found, FakeDeleteMarker))


def put_object(bucket: str, key: str, content: bytes | Path) -> str:
    """Write an object from bytes or a file, with the bucket's encryption and events; return its version id.

    Raises
    ------
    ObjectNotFound
        When there is no such bucket.
    """
    _require_bucket(bucket)
    body = Body.of(content) if has_vault() else content.read_bytes() if isinstance(content, Path) else content
    with service_lock("s3"), durably():
        version_id: str = _backend().put_object(bucket, key, body).version_id
    return version_id


def split_uri(uri: str) -> tuple[str, str]:
    """Return bucket and key (or prefix) of an s3:// name; `ValueError` for anything else."""
    bucket, slash, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket or (not slash and key):
        raise ValueError(f"{uri!r} is not of the form s3://bucket/key")
    return bucket, key


def _backend() -> Any:
    return s3_backends[DEFAULT_ACCOUNT_ID]["aws"]


def _require_bucket(bucket: str) -> None:
    if bucket not in _backend().buckets:
        raise ObjectNotFound(f"s3://{bucket}")
