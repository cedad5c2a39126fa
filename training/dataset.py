"""The frozen dataset as the job sees it: the manifest's entries, and files that are checked against them."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, Mapping, NamedTuple, Optional, Sequence, Tuple

from ratchet.contract import copy_name
from training.checksum import matches
from training.container import DataProblem

_SHOWN = 5


class Entry(NamedTuple):
    """One object of the manifest."""

    key: str  # relative to the dataset's prefix: <label>/<file>
    size: int
    checksum: str
    version_id: str = ""

    @property
    def label(self) -> str:
        """The class: the key's first folder."""
        return self.key.split("/", 1)[0]


@dataclass(frozen=True)
class Frozen:
    """A dataset version: its name, its digest, and its entries sorted by key."""

    dataset: str
    version: str
    entries: Tuple[Entry, ...]

    def count(self) -> Counter:
        """How many objects each class has."""
        return Counter(entry.label for entry in self.entries)


def read_manifest(folder: Path, *, labelled: bool = True) -> Frozen:
    """Read the manifest in its channel.

    Parameters
    ----------
    labelled
        Whether every key has to be `<label>/<file>`: so it is with image folders.

    Raises
    ------
    DataProblem
        When there is not exactly one, it cannot be read, is empty, or names a key twice or one that is no
        `<label>/<file>`.
    """
    files = sorted(path for path in folder.glob("*") if path.suffix in (".json", ".jsonl"))
    if len(files) != 1:
        raise DataProblem("the channel `manifest` holds %d manifests: give it the one of a version" % len(files))
    try:
        with files[0].open(encoding="utf-8") as lines:
            raw = json.loads(next(lines, ""))
            entries = list(_read_entries(raw, lines))
    except (ValueError, KeyError, TypeError) as error:
        message = "the manifest %s cannot be read (%r): freeze the dataset again" % (files[0].name, error)
        raise DataProblem(message) from error
    _check_keys([entry.key for entry in entries], labelled)
    entries.sort(key=lambda entry: entry.key)
    return Frozen(str(raw.get("dataset", "")), str(raw.get("version", "")), tuple(entries))


def _read_entries(head: Mapping[str, Any], lines: Iterable[str]) -> Iterator[Entry]:
    """The entries behind a manifest's first line; in format 1 that line held everything."""
    if head.get("format", 1) == 1:
        rows = (tuple(entry[name] for name in ("key", "version_id", "size", "checksum")) for entry in head["objects"])
    else:
        rows = (json.loads(line) for line in lines)
    for key, version_id, size, checksum in rows:
        yield Entry(str(key), int(size), str(checksum), str(version_id))


def _check_keys(keys: Sequence[str], labelled: bool) -> None:
    if not keys:
        raise DataProblem("the dataset is empty: upload images as <label>/<file>")
    if len(set(keys)) != len(keys):
        raise DataProblem("the manifest names a key twice: freeze the dataset again")
    for key in keys:
        # A label becomes a line of synset.txt, and labels come separated by commas.
        parts = key.split("/")
        if any(part in ("", ".", "..") for part in parts) or "\0" in key:
            raise DataProblem("the key %r is not of the form <label>/<file>: move or remove the object" % key)
        if labelled and (len(parts) < 2 or not _is_label(parts[0])):
            raise DataProblem("the key %r is not of the form <label>/<file>: move or remove the object" % key)


def _is_label(text: str) -> bool:
    return text.isprintable() and "," not in text and text == text.strip()


def locate(folder: Path, entry: Entry, names: str) -> Path:
    """Where an entry's file lies: under its key, or, for `copies`, under the name of its version's copy."""
    return folder / (copy_name(entry.key, entry.version_id) if names == "copies" else entry.key)


def read_frozen(path: Path, entry: Entry) -> Optional[bytes]:
    """The bytes of an entry's file; None when it is not what was frozen."""
    try:
        if path.stat().st_size != entry.size:
            return None
        data = path.read_bytes()
    except OSError:
        return None
    return data if matches([data], entry.checksum) else None


def refuse_changes(changed: Sequence[str]) -> None:
    """Fail when objects are not what was frozen."""
    if changed:
        raise DataProblem(
            "%d object(s) changed after the dataset was frozen: %s. Run the pipeline again: what is there now is a new "
            "dataset version" % (len(changed), name_some(changed))
        )


def refuse_unreadable(unreadable: Sequence[Dict[str, str]], total: int, tolerated_percent: float) -> None:
    """Fail when more images cannot be read than are tolerated."""
    share = 100.0 * len(unreadable) / total
    if share > tolerated_percent:
        shown = name_some(["%(key)s (%(reason)s)" % item for item in unreadable])
        raise DataProblem(
            "%d of %d images cannot be read (%.2g %%, tolerated %.2g %%): %s. Replace or remove them"
            % (len(unreadable), total, share, tolerated_percent, shown)
        )


def refuse_small_classes(counts: Mapping[str, int], labels: Sequence[str], least: int) -> None:
    """Fail when a class has fewer images than asked for; `counts` holds images per class."""
    small = ["%s has %d" % (label, counts.get(label, 0)) for label in labels if counts.get(label, 0) < least]
    if small:
        raise DataProblem("each class needs at least %d readable images: %s. Add images" % (least, name_some(small)))


def refuse_empty_splits(counts: Mapping[str, Mapping[str, int]]) -> None:
    """Fail when the hash of the keys leaves a side without any example; `counts` holds them per side and class."""
    for split, by_label in counts.items():
        if not sum(by_label.values()):
            raise DataProblem("no example falls on the side %r: the dataset is too small, add images" % split)


def refuse_strange_labels(found: Iterable[str]) -> None:
    """Fail when a class has a name that cannot be a line of synset.txt."""
    strange = sorted(repr(label) for label in found if not _is_label(label))
    if strange:
        raise DataProblem("the classes %s have names that cannot be used: rename them" % name_some(strange))


def choose_labels(found: Mapping[str, Any], asked: str) -> Tuple[str, ...]:
    """The classes in the order of the model's outputs: as asked for, or all that there are, sorted."""
    if not asked:
        refuse_strange_labels(found)
        return tuple(sorted(found))
    labels = tuple(label.strip() for label in asked.split(","))
    if len(set(labels)) != len(labels) or "" in labels:
        raise DataProblem("--labels %s names a class twice, or one without a name: correct data.labels" % asked)
    strange = sorted(set(found) - set(labels))
    if strange:
        raise DataProblem(
            "the dataset holds %s, which data.labels does not name: add them there, or remove the images"
            % name_some(strange)
        )
    return labels


def name_some(items: Sequence[str]) -> str:
    """The first few items in words, and how many more there are."""
    more = len(items) - _SHOWN
    return ", ".join(items[:_SHOWN]) + (" and %d more" % more if more > 0 else "")
