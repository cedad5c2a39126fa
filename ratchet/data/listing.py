"""What lies under a dataset's prefix in S3 now, with versions: the truth that events only hint at."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, NamedTuple

from ratchet.aws import Aws, translate_errors
from ratchet.data.crawl import Crawl
from ratchet.data.quiet import Observation
from ratchet.data.sighting import Fingerprint
from ratchet.errors import DataError
from ratchet.naming import SUCCESS_MARKER, dataset_prefix


class Listed(NamedTuple):
    """One current object as S3 lists it.

    `key` is relative to the dataset's prefix, `algorithms` are the checksums that S3 says it has besides the ETag.
    """

    key: str
    version_id: str
    size: int
    etag: str
    algorithms: Sequence[str] = ()


@dataclass(frozen=True)
class _Page:
    """One answer of `list_object_versions`: what is there, and what was deleted."""

    prefix: str
    versions: Sequence[dict[str, Any]] = ()
    deletions: Sequence[dict[str, Any]] = ()
    answered_at: datetime | None = None
    more: tuple[str, str] | None = None
    keys: Sequence[str] = field(init=False, default=())

    def __post_init__(self) -> None:
        keys = sorted({change["Key"] for change in (*self.versions, *self.deletions)})
        object.__setattr__(self, "keys", keys)

    def lines(self, until: str | None) -> bytes:
        """The current objects up to a key, one JSON list a line."""
        counting = (version for version in self.versions if _counts(version))
        kept = [_listed(version, self.prefix) for version in counting if until is None or version["Key"] <= until]
        return b"".join(json.dumps(one).encode() + b"\n" for one in kept)


@contextmanager
def list_current(aws: Aws, bucket: str, dataset: str) -> Iterator[Iterator[Listed]]:
    """The current objects of a dataset in the order of their keys, however many there are.

    Left out are folders (zero bytes under a key that ends in a slash) and files whose names begin with `_` or `.`.

    Raises
    ------
    DataError
        When the bucket keeps no versions, so that nothing could be frozen.
    """
    _refuse_unversioned(aws, bucket)
    with tempfile.TemporaryDirectory(prefix="ratchet-list-") as folder:
        listing = _Listing(aws.client("s3"), bucket, dataset_prefix(dataset))
        yield _read_spools(Crawl(listing.page, Path(folder)).run(listing.folders))


def observe(aws: Aws, bucket: str, dataset: str) -> Observation:
    """When the prefix last changed: deletions are changes too, and so is what no longer is the newest version."""
    prefix = dataset_prefix(dataset)
    marker = prefix + SUCCESS_MARKER
    newest = marker_at = answered_at = None
    fingerprint = Fingerprint()
    for page in _pages(aws, bucket, prefix):
        answered_at = page.answered_at
        for version in filter(_counts, page.versions):
            fingerprint.add(version["Key"], int(version["Size"]), version["ETag"])
        for change in (*page.versions, *page.deletions):
            at: datetime = change["LastModified"]
            if change["Key"] == marker:
                if change["IsLatest"] and "Size" in change:
                    marker_at = at
            elif not _is_hidden(change["Key"]):
                newest = at if newest is None else max(newest, at)
    return Observation(newest, marker_at, answered_at, str(fingerprint))


def ask_time(aws: Aws, bucket: str, dataset: str) -> datetime | None:
    """S3's own time, from a listing of one object; None when the answer does not say."""
    with translate_errors(f"ask s3://{bucket} for the time"):
        answer = aws.client("s3").list_objects_v2(Bucket=bucket, Prefix=dataset_prefix(dataset), MaxKeys=1)
    return _server_time(answer)


class _Listing:
    """Asks S3 for one page at a time, from wherever."""

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix

    def page(self, key: str, version: str) -> _Page:
        """The page behind a key, and of that key behind a version."""
        markers = {"KeyMarker": key} if key else {}
        if version:
            markers["VersionIdMarker"] = version
        with translate_errors(f"list s3://{self._bucket}/{self._prefix}"):
            answer = self._client.list_object_versions(Bucket=self._bucket, Prefix=self._prefix, **markers)
        return _read_page(answer, self._prefix)

    def folders(self) -> list[str]:
        """Where the first thousand folders begin: the keys that the listing may be cut at."""
        with translate_errors(f"list the folders of s3://{self._bucket}/{self._prefix}"):
            answer = self._client.list_object_versions(Bucket=self._bucket, Prefix=self._prefix, Delimiter="/")
        return [found["Prefix"] for found in answer.get("CommonPrefixes", [])]


def _read_spools(spools: Sequence[Path]) -> Iterator[Listed]:
    for spool in spools:
        with spool.open("rb") as lines:
            for line in lines:
                yield Listed(*json.loads(line))


def _pages(aws: Aws, bucket: str, prefix: str) -> Iterator[_Page]:
    pages = iter(aws.client("s3").get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix))
    while True:
        with translate_errors(f"list s3://{bucket}/{prefix}"):
            page = next(pages, None)
        if page is None:
            return
        yield _read_page(page, prefix)


def _read_page(answer: dict[str, Any], prefix: str) -> _Page:
    more = (answer["NextKeyMarker"], answer.get("NextVersionIdMarker", "")) if answer.get("IsTruncated") else None
    return _Page(prefix, answer.get("Versions", []), answer.get("DeleteMarkers", []), _server_time(answer), more)


def _server_time(page: dict[str, Any]) -> datetime | None:
    header = page.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    return parsedate_to_datetime(header) if header else None


def _counts(version: dict[str, Any]) -> bool:
    is_folder = version["Key"].endswith("/") and not version["Size"]
    return bool(version["IsLatest"]) and not is_folder and not _is_hidden(version["Key"])


def _is_hidden(key: str) -> bool:
    return key.rpartition("/")[2].startswith(("_", "."))


def _listed(version: dict[str, Any], prefix: str) -> Listed:
    return Listed(
        key=version["Key"].removeprefix(prefix),
        version_id=version["VersionId"],
        size=int(version["Size"]),
        etag=version["ETag"].strip('"'),
        algorithms=version.get("ChecksumAlgorithm", ()),
    )


def _refuse_unversioned(aws: Aws, bucket: str) -> None:
    with translate_errors(f"ask whether s3://{bucket} keeps versions"):
        status = aws.client("s3").get_bucket_versioning(Bucket=bucket).get("Status")
    if status != "Enabled":
        raise DataError(
            f"the bucket {bucket} keeps no versions, so a dataset cannot be frozen. Turn them on: aws s3api "
            f"put-bucket-versioning --bucket {bucket} --versioning-configuration Status=Enabled"
        )
