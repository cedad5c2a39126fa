"""A dataset version: exactly these objects with exactly these bytes, under a digest that says so."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ratchet.contract import canonical_json
from ratchet.errors import DataError


class ObjectEntry(NamedTuple):
    """One object of a dataset.

    Attributes
    ----------
    key
        Relative to the dataset's prefix: `<label>/<file>`.
    version_id
        S3's version; reads these bytes also after the object was overwritten.
    size
        Bytes.
    checksum
        `<kind>:<hex>` with the kind `sha256`, `sha1`, `crc64nvme`, `crc32c` or `crc32`, the same with `-parts` behind
        the kind when it is one of parts, or `etag:<etag>`.
    """

    key: str
    version_id: str
    size: int
    checksum: str

    @property
    def label(self) -> str | None:
        """The class folder; None for an object that lies in none."""
        folder, slash, _ = self.key.partition("/")
        return folder if slash and folder else None


class Tally:
    """Digest, number, sizes and classes of entries that come one after the other, in the order of their keys.

    The digest is the SHA-256 of the canonical JSON of all `[key, size, checksum]`: the dataset's version. S3's version
    ids are left out: the same bytes uploaded again are the same dataset.
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256(b"[")
        self._last: str | None = None
        self.count = 0
        self.total_bytes = 0
        self.classes: dict[str, int] = {}

    def add(self, entry: ObjectEntry) -> None:
        """Take in the next entry; `DataError` when its key does not come behind the one before."""
        if self._last is not None and entry.key <= self._last:
            raise DataError(f"the entries are not in order: {entry.key!r} comes after {self._last!r}")
        self._digest.update((b"," if self.count else b"") + canonical_json([entry.key, entry.size, entry.checksum]))
        self._last = entry.key
        self.count += 1
        self.total_bytes += entry.size
        label = entry.label
        if label is not None:
            self.classes[label] = self.classes.get(label, 0) + 1

    @property
    def version(self) -> str:
        """The digest of what was added so far, in hexadecimal."""
        whole = self._digest.copy()
        whole.update(b"]")
        return whole.hexdigest()


@dataclass(frozen=True)
class Manifest:
    """One frozen version of a dataset; `version` is the digest of its entries.

    `objects` may be gone through again and again; it need not be in memory. `classes` are the objects of each class.
    """

    dataset: str
    version: str
    bucket: str
    prefix: str
    objects: Collection[ObjectEntry] = field(compare=False, repr=False)
    created_at: str
    total_bytes: int
    classes: Mapping[str, int] = field(compare=False)

    def histogram(self) -> dict[str, int]:
        """Objects of each class, sorted by label; objects without a class folder count nowhere."""
        return dict(sorted(self.classes.items()))


@dataclass(frozen=True)
class Diff:
    """What changed from one dataset version to another: keys, and images of each class before and after."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    old_histogram: Mapping[str, int]
    new_histogram: Mapping[str, int]


def digest_entries(entries: Iterable[ObjectEntry]) -> str:
    """The version of a dataset that consists of these entries, in whatever order they come."""
    return tally(sorted(entries)).version


def tally(entries: Iterable[ObjectEntry]) -> Tally:
    """Count and digest entries that are in the order of their keys."""
    counted = Tally()
    for entry in entries:
        counted.add(entry)
    return counted


def make_manifest(dataset: str, bucket: str, prefix: str, *, objects: Sequence[ObjectEntry], at: str) -> Manifest:
    """Put entries under their digest, in the order of their keys."""
    ordered = tuple(sorted(objects))
    counted = tally(ordered)
    return Manifest(
        dataset, counted.version, bucket, prefix, ordered, at, total_bytes=counted.total_bytes, classes=counted.classes
    )


def histogram(manifest: Manifest) -> dict[str, int]:
    """Objects of each class, sorted by label."""
    return manifest.histogram()


def diff_manifests(old: Manifest, new: Manifest) -> Diff:
    """Compare two versions of a dataset, key by key; both are read once, side by side."""
    keys: dict[str, list[str]] = {"added": [], "removed": [], "changed": []}
    for before, after in pair_by_key(old.objects, new.objects):
        if before is None and after is not None:
            keys["added"].append(after.key)
        elif after is None and before is not None:
            keys["removed"].append(before.key)
        elif before is not None and after is not None and before[2:] != after[2:]:
            keys["changed"].append(after.key)
    return Diff(
        added=tuple(keys["added"]),
        removed=tuple(keys["removed"]),
        changed=tuple(keys["changed"]),
        old_histogram=old.histogram(),
        new_histogram=new.histogram(),
    )


def pair_by_key(
    old: Iterable[ObjectEntry], new: Iterable[ObjectEntry]
) -> Iterator[tuple[ObjectEntry | None, ObjectEntry | None]]:
    """Go through two streams in the order of their keys side by side: an entry of each key's both sides, or None."""
    lefts, rights = iter(old), iter(new)
    left, right = next(lefts, None), next(rights, None)
    while left is not None or right is not None:
        if right is None or (left is not None and left.key < right.key):
            yield left, None
            left = next(lefts, None)
        elif left is None or right.key < left.key:
            yield None, right
            right = next(rights, None)
        else:
            yield left, right
            left, right = next(lefts, None), next(rights, None)
