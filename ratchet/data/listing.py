"""What lies under a dataset's prefix in S3 now, with versions: the truth that events only hint at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from ratchet.aws import Aws, translate_errors
from ratchet.data.manifest import ObjectEntry
from ratchet.data.quiet import Observation
from ratchet.errors import DataError
from ratchet.naming import SUCCESS_MARKER, dataset_prefix


@dataclass
class _Page:
    versions: list[dict[str, Any]] = field(default_factory=list)
    deletions: list[dict[str, Any]] = field(default_factory=list)
    answered_at: datetime | None = None


def list_entries(aws: Aws, bucket: str, dataset: str) -> list[ObjectEntry]:
    """The current objects of a dataset, sorted by key.

    Left out are folders (zero bytes under a key that ends in a slash) and files whose names begin with `_` or `.`.

    Raises
    ------
    DataError
        When the bucket keeps no versions, so that nothing could be frozen.
    """
    _refuse_unversioned(aws, bucket)
    prefix = dataset_prefix(dataset)
    return sorted(
        (
            _entry(version, prefix)
            for page in _pages(aws, bucket, prefix)
            for version in page.versions
            if _counts(version)
        ),
        key=lambda entry: entry.key,
    )


def observe(aws: Aws, bucket: str, dataset: str) -> Observation:
    """When the prefix last changed: deletions are changes too, and so is what no longer is the newest version."""
    prefix = dataset_prefix(dataset)
    marker = prefix + SUCCESS_MARKER
    newest = marker_at = answered_at = None
    for page in _pages(aws, bucket, prefix):
        answered_at = page.answered_at
        for change in page.versions + page.deletions:
            at: datetime = change["LastModified"]
            if change["Key"] == marker:
                if change["IsLatest"] and "Size" in change:
                    marker_at = at
            elif not _is_hidden(change["Key"]):
                newest = at if newest is None else max(newest, at)
    return Observation(newest, marker_at, answered_at)


def _pages(aws: Aws, bucket: str, prefix: str) -> Iterator[_Page]:
    pages = iter(aws.client("s3").get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix))
    while True:
        with translate_errors(f"list s3://{bucket}/{prefix}"):
            page = next(pages, None)
        if page is None:
            return
        yield _Page(page.get("Versions", []), page.get("DeleteMarkers", []), _server_time(page))


def _server_time(page: dict[str, Any]) -> datetime | None:
    header = page.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    return parsedate_to_datetime(header) if header else None


def _counts(version: dict[str, Any]) -> bool:
    is_folder = version["Key"].endswith("/") and not version["Size"]
    return bool(version["IsLatest"]) and not is_folder and not _is_hidden(version["Key"])


def _is_hidden(key: str) -> bool:
    return key.rpartition("/")[2].startswith(("_", "."))


def _entry(version: dict[str, Any], prefix: str) -> ObjectEntry:
    return ObjectEntry(
        key=version["Key"].removeprefix(prefix),
        version_id=version["VersionId"],
        size=int(version["Size"]),
        checksum="etag:" + version["ETag"].strip('"'),
    )


def _refuse_unversioned(aws: Aws, bucket: str) -> None:
    with translate_errors(f"ask whether s3://{bucket} keeps versions"):
        status = aws.client("s3").get_bucket_versioning(Bucket=bucket).get("Status")
    if status != "Enabled":
        raise DataError(
            f"the bucket {bucket} keeps no versions, so a dataset cannot be frozen. Turn them on: aws s3api "
            f"put-bucket-versioning --bucket {bucket} --versioning-configuration Status=Enabled"
        )
