"""S3's list of versions as AWS gives it: moto loses a key behind a marker, tells no checksum, and copies the bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from moto.core.responses import ActionResult
from moto.s3.models import FakeDeleteMarker
from moto.s3.responses import S3Response

from localcloud.patch import change_classes

_MOST_KEYS = 1000
_UNVERSIONED = "null"


@dataclass(frozen=True)
class Query:
    """What is asked for: keys under `prefix`, from behind the marker on, at most `limit` of them."""

    prefix: str = ""
    delimiter: str = ""
    key_marker: str = ""
    version_marker: str = ""
    limit: int = _MOST_KEYS


@dataclass
class Page:
    """One answer; `next_key` and `next_version` are empty when nothing follows."""

    versions: list[tuple[Any, bool]] = field(default_factory=list)
    markers: list[tuple[Any, bool]] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    next_key: str = ""
    next_version: str = ""

    def __len__(self) -> int:
        return len(self.versions) + len(self.markers) + len(self.prefixes)


def list_page(keys: Any, query: Query) -> Page:
    """Answer a query from moto's key store: keys in the order of their bytes, of each the newest version first."""
    page = Page()
    last = ("", "")
    for name, item, newest in _items(keys, query):
        if len(page) >= query.limit:
            page.next_key, page.next_version = last
            break
        if item is None:
            page.prefixes.append(name)
            last = (name, "")
            continue
        (page.markers if isinstance(item, FakeDeleteMarker) else page.versions).append((item, newest))
        last = (name, _version_id(item))
    return page


def _items(keys: Any, query: Query) -> Iterator[tuple[str, Any, bool]]:
    """Key, version and whether it is the newest; a common prefix comes once, with no version."""
    told = ""
    for name in sorted(name for name in keys if name.startswith(query.prefix) and name >= query.key_marker):
        folder = _folder(name, query)
        if folder:
            if folder not in (told, query.key_marker):
                yield folder, None, False
            told = folder
            continue
        for place, item in enumerate(_behind_marker(name, keys.getlist(name)[::-1], query)):
            yield name, item[1], item[0] == 0 and place == 0


def _folder(name: str, query: Query) -> str:
    place = name.find(query.delimiter, len(query.prefix)) if query.delimiter else -1
    return name[: place + len(query.delimiter)] if place >= 0 else ""


def _behind_marker(name: str, items: list[Any], query: Query) -> list[tuple[int, Any]]:
    numbered = list(enumerate(items))
    if name != query.key_marker:
        return numbered
    if not query.version_marker:
        return []
    ids = [_version_id(item) for item in items]
    return numbered[ids.index(query.version_marker) + 1 :] if query.version_marker in ids else []


def _version_id(item: Any) -> str:
    return str(item.version_id) if item.version_id is not None else _UNVERSIONED


def describe_page(bucket: str, query: Query, page: Page, *, encoded: bool) -> dict[str, Any]:
    """Write a page as the operation's answer."""
    encode: Callable[[str], str] = (lambda text: quote(text, safe="/")) if encoded else (lambda text: text)
    answer: dict[str, Any] = {
        "Name": bucket,
        "Prefix": encode(query.prefix),
        "Delimiter": encode(query.delimiter) or None,
        "KeyMarker": encode(query.key_marker),
        "VersionIdMarker": query.version_marker,
        "MaxKeys": query.limit,
        "IsTruncated": bool(page.next_key),
        "Versions": [_describe_version(item, newest, encode) for item, newest in page.versions],
        "DeleteMarkers": [_describe_entry(item, newest, encode) for item, newest in page.markers],
        "CommonPrefixes": [{"Prefix": encode(prefix)} for prefix in page.prefixes],
    }
    if encoded:
        answer["EncodingType"] = "url"
    if page.next_key:
        answer |= {"NextKeyMarker": encode(page.next_key), "NextVersionIdMarker": page.next_version or None}
    return answer


def _describe_entry(item: Any, newest: bool, encode: Callable[[str], str]) -> dict[str, Any]:
    return {
        "Key": encode(item.name),
        "VersionId": _version_id(item),
        "IsLatest": newest,
        "LastModified": item.last_modified_ISO8601,
    }


def _describe_version(item: Any, newest: bool, encode: Callable[[str], str]) -> dict[str, Any]:
    told = {"ETag": item.etag, "Size": item.size, "StorageClass": item.storage_class}
    if item.checksum_algorithm:
        told["ChecksumAlgorithm"] = [item.checksum_algorithm]
        told["ChecksumType"] = item.checksum_type or "FULL_OBJECT"
    return _describe_entry(item, newest, encode) | told


def _read_query(values: Mapping[str, list[str]]) -> Query:
    def one(name: str) -> str:
        return values.get(name, [""])[0] or ""

    limit = min(int(one("max-keys") or _MOST_KEYS), _MOST_KEYS)
    return Query(one("prefix"), one("delimiter"), one("key-marker"), one("version-id-marker"), limit)


def _list_object_versions(self: Any) -> Any:
    query = _read_query(self.querystring)
    bucket = self.backend.get_bucket(self.bucket_name)
    encoded = self.querystring.get("encoding-type", [""])[0] == "url"
    self.data["Action"] = "ListObjectVersions"
    return self.serialized(
        ActionResult(describe_page(bucket.name, query, list_page(bucket.keys, query), encoded=encoded))
    )


def improve_s3() -> Callable[[], None]:
    """Put the operation in moto's place; what is returned takes that back."""
    return change_classes([(S3Response, "list_object_versions", _list_object_versions)])
