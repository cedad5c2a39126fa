"""A dataset version: exactly these objects with exactly these bytes, under a digest that says so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ratchet.contract import canonical_json, digest_of
from ratchet.errors import DataError

FORMAT = 1


@dataclass(frozen=True)
class ObjectEntry:
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
        `sha256:<hex>` or `etag:<etag>`.
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


@dataclass(frozen=True)
class Manifest:
    """One frozen version of a dataset; `version` is the digest of its entries."""

    dataset: str
    version: str
    bucket: str
    prefix: str
    objects: tuple[ObjectEntry, ...]
    created_at: str

    @property
    def total_bytes(self) -> int:
        """Sum of the objects' sizes in bytes."""
        return sum(entry.size for entry in self.objects)

    def histogram(self) -> dict[str, int]:
        """Images of each class, sorted by label."""
        return histogram(self)

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary, as the manifest's file holds it."""
        return {"format": FORMAT, **asdict(self), "objects": [asdict(entry) for entry in self.objects]}

    def to_bytes(self) -> bytes:
        """The manifest's file."""
        return canonical_json(self.to_json())

    def to_channel_manifest(self) -> list[Any]:
        """Write in the form of SageMaker's `ManifestFile`: the common prefix, then the keys behind it."""
        return [{"prefix": f"s3://{self.bucket}/{self.prefix}"}, *(entry.key for entry in self.objects)]

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Manifest:
        """Read what `to_json` wrote.

        Raises
        ------
        DataError
            When a key is missing, the format is newer, or the version is not the digest of the entries.
        """
        if raw.get("format") != FORMAT:
            raise DataError(f"the manifest has format {raw.get('format')!r}, this release reads {FORMAT}: use a newer")
        try:
            objects = tuple(ObjectEntry(**entry) for entry in raw["objects"])
            texts = {name: str(raw[name]) for name in ("dataset", "version", "bucket", "prefix", "created_at")}
        except (KeyError, TypeError) as error:
            raise DataError(f"the manifest cannot be read: {error!r}; freeze the dataset again") from error
        actual = digest_entries(objects)
        if actual != texts["version"]:
            raise DataError(
                f"the manifest of dataset {texts['dataset']} was changed: it calls itself {texts['version'][:12]}, "
                f"its entries make {actual[:12]}. Restore the object's first version in S3"
            )
        return cls(objects=objects, **texts)


@dataclass(frozen=True)
class Diff:
    """What changed from one dataset version to another: keys, and images of each class before and after."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    old_histogram: Mapping[str, int]
    new_histogram: Mapping[str, int]


def digest_entries(entries: Iterable[ObjectEntry]) -> str:
    """SHA-256 over the sorted (key, size, checksum): the dataset's version, in hexadecimal.

    S3's version ids are left out: the same bytes uploaded again are the same dataset.
    """
    return digest_of(sorted([entry.key, entry.size, entry.checksum] for entry in entries))


def make_manifest(dataset: str, bucket: str, prefix: str, *, objects: Sequence[ObjectEntry], at: str) -> Manifest:
    """Put entries under their digest, in the order of their keys."""
    ordered = tuple(sorted(objects, key=lambda entry: entry.key))
    return Manifest(dataset, digest_entries(ordered), bucket, prefix, ordered, at)


def histogram(manifest: Manifest) -> dict[str, int]:
    """Images of each class, sorted by label; objects without a class folder count nowhere."""
    counts: dict[str, int] = {}
    for entry in manifest.objects:
        if entry.label is not None:
            counts[entry.label] = counts.get(entry.label, 0) + 1
    return dict(sorted(counts.items()))


def diff_manifests(old: Manifest, new: Manifest) -> Diff:
    """Compare two versions of a dataset, key by key."""
    before = {entry.key: (entry.size, entry.checksum) for entry in old.objects}
    after = {entry.key: (entry.size, entry.checksum) for entry in new.objects}
    return Diff(
        added=tuple(sorted(after.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - after.keys())),
        changed=tuple(sorted(key for key in before.keys() & after.keys() if before[key] != after[key])),
        old_histogram=histogram(old),
        new_histogram=histogram(new),
    )
