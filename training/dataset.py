"""The frozen dataset as the job sees it: the manifest's entries, and files that are checked against them."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Tuple

from training.container import DataProblem

_PLAIN_ETAG = re.compile(r"^[0-9a-f]{32}$")
_SHOWN = 5


@dataclass(frozen=True)
class Entry:
    """One object of the manifest."""

    key: str  # relative to the dataset's prefix: <label>/<file>
    size: int
    checksum: str

    @property
    def label(self) -> str:
        """The class: the key's first folder."""
        return self.key.split("/", 1)[0]


def read_manifest(folder: Path) -> List[Entry]:
    """Read the manifest in its channel; the entries come sorted by key."""
    files = sorted(folder.glob("*.json"))
    if len(files) != 1:
        raise DataProblem("the channel `manifest` holds %d JSON files, one is needed" % len(files))
    try:
        raw = json.loads(files[0].read_text("utf-8"))
        entries = [Entry(str(e["key"]), int(e["size"]), str(e["checksum"])) for e in raw["objects"]]
    except (ValueError, KeyError, TypeError) as error:
        raise DataProblem("the manifest %s cannot be read: %r" % (files[0].name, error)) from error
    for entry in entries:
        if "/" not in entry.key or ".." in entry.key.split("/") or entry.key.startswith("/"):
            raise DataProblem("the manifest's key %r is not of the form <label>/<file>" % entry.key)
    return sorted(entries, key=lambda entry: entry.key)


def read_checked(folder: Path, entry: Entry) -> Tuple[bytes, bool]:
    """Read an entry's file; the second value says whether it is what was frozen."""
    try:
        data = (folder / entry.key).read_bytes()
    except OSError:
        return b"", False
    return data, len(data) == entry.size and _matches(data, entry.checksum)


def refuse_changes(changed: List[str]) -> None:
    """Fail when objects are not what was frozen."""
    if changed:
        shown = ", ".join(changed[:_SHOWN]) + (" and %d more" % (len(changed) - _SHOWN) if changed[_SHOWN:] else "")
        raise DataProblem(
            "%d object(s) changed after the dataset was frozen: %s. Run the pipeline again: what is there now is a new "
            "dataset version" % (len(changed), shown)
        )


def choose_labels(entries: List[Entry], asked: str) -> Tuple[str, ...]:
    """The classes in the order of the model's outputs: as asked for, or all that there are, sorted."""
    found = sorted({entry.label for entry in entries})
    if not asked:
        return tuple(found)
    labels = tuple(asked.split(","))
    strange = [label for label in found if label not in labels]
    if strange:
        raise DataProblem("the dataset holds the classes %s, which the pipeline does not name" % ", ".join(strange))
    return labels


def refuse_small_classes(counts: Dict[str, int], least: int) -> None:
    """Fail when a class has fewer readable images than asked for."""
    small = ["%s has %d" % (label, count) for label, count in counts.items() if count < least]
    if small:
        raise DataProblem("each class needs at least %d readable images: %s. Add images" % (least, ", ".join(small)))


def _matches(data: bytes, checksum: str) -> bool:
    kind, _, value = checksum.partition(":")
    if kind == "sha256":
        return hashlib.sha256(data).hexdigest() == value
    if kind == "etag" and _PLAIN_ETAG.match(value):
        return hashlib.md5(data).hexdigest() == value  # noqa: S324 - S3's ETag, no secret
    # An ETag of a multipart or KMS-encrypted object is no digest of its bytes: the size has to do.
    return True


def describe(statistics: Dict[str, Any]) -> str:
    """One line about what was prepared."""
    counts = statistics["counts"]
    sizes = {split: sum(by_label.values()) for split, by_label in counts.items()}
    return "prepared %s images in %d classes" % (sizes, len(statistics["labels"]))
