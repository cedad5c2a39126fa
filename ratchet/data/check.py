"""What can be said against a dataset version before money is spent on it: rules over its manifest and its contents."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ratchet.data.manifest import Manifest, ObjectEntry
from ratchet.dataset_spec import Bound, Data

EXAMPLES = 5
_SUFFIXES = {"recordio": (".rec", ".idx"), "csv": (".csv",)}
_FOLDERS = ("images", "text")  # formats whose examples are files in class folders


@dataclass(frozen=True)
class Finding:
    """One rule that does not hold: what was found, what is allowed, and the first few examples."""

    rule: str
    found: str
    allowed: str
    examples: tuple[str, ...] = ()


@dataclass
class Offenders:
    """Counts what breaks a rule and remembers the first few."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, example: str) -> None:
        """Note one more."""
        self.count += 1
        if len(self.first) < EXAMPLES:
            self.first.append(example)

    def finding(self, rule: str, found: str, allowed: str) -> Finding | None:
        """The finding, `{}` in `found` being the number; None when nothing breaks the rule."""
        return Finding(rule, found.format(self.count), allowed, harmless(self.first)) if self.count else None


def check_manifest(manifest: Manifest, data: Data, before: Manifest | None = None) -> list[Finding]:
    """Hold a dataset version against the rules that its manifest can answer; an empty list means that all hold.

    Parameters
    ----------
    before
        The dataset's version before this one, for rules about change.
    """
    strays, empty, duplicates = Offenders(), Offenders(), _Duplicates(data)
    for entry in manifest.objects:
        if _is_stray(entry, data.format):
            strays.add(entry.key)
        if not entry.size:
            empty.add(entry.key)
        duplicates.add(entry)
    suffixes = " or ".join(f"<file>{suffix}" for suffix in _SUFFIXES.get(data.format, ()))
    found = [
        strays.finding("every object is of the dataset's format", "{} others", suffixes)
        if suffixes
        else strays.finding("every file lies in a class folder", "{} outside", "<label>/<file>"),
        *_empty(empty, manifest, data),
        duplicates.finding(),
        *_changes(manifest, before, data),
    ]
    if data.format in _FOLDERS:
        found += check_classes(manifest.histogram(), data)
    return [finding for finding in found if finding is not None]


def check_classes(counts: Mapping[str, int], data: Data) -> list[Finding]:
    """Hold the examples of each class against the rules about classes."""
    known = ", ".join(data.labels)
    least = data.min_images_per_class
    few = [f"{label} has {count}" for label, count in sorted(counts.items()) if count < least]
    noun = {"images": "images", "recordio": "records", "csv": "rows", "text": "texts"}[data.format]
    candidates = [
        _finding("every required class is there", sorted(set(data.labels) - set(counts)), "{} missing", known),
        _finding("every class is known", sorted(set(counts) - set(data.labels or counts)), "{} unknown", known),
        _finding(f"every class has enough {noun}", few, "{} with too few", f"at least {least} each"),
        _too_few_classes(counts),
    ]
    return [finding for finding in candidates if finding is not None]


def harmless(texts: Sequence[str]) -> tuple[str, ...]:
    """The first few texts as they may be logged: they come from whoever uploads, line breaks and all."""
    return tuple(text if text.isprintable() else ascii(text)[1:-1] for text in texts[:EXAMPLES])


class _Duplicates:
    """The same bytes under two labels, as far as S3's checksums tell."""

    def __init__(self, data: Data) -> None:
        self._allowed = data.checks.max_duplicates_across_labels
        self._labels: dict[bytes, str] = {}
        self._found = Offenders()

    def add(self, entry: ObjectEntry) -> None:
        if self._allowed is None or entry.label is None or not entry.size:
            return
        # Sixteen bytes for each object: a million of them fit into memory, their checksums hardly would.
        digest = hashlib.blake2b(f"{entry.size}:{entry.checksum}".encode(), digest_size=16).digest()
        label = self._labels.setdefault(digest, entry.label)
        if label != entry.label:
            self._found.add(f"{entry.key} is also under {label}")

    def finding(self) -> Finding | None:
        if self._allowed is None or self._found.count <= self._allowed:
            return None
        return self._found.finding("no image is under two labels", "{} duplicates", f"at most {self._allowed}")


def _is_stray(entry: ObjectEntry, form: str) -> bool:
    if form in _SUFFIXES:
        return not entry.key.lower().endswith(_SUFFIXES[form])
    return entry.label is None or entry.key.endswith("/")


def _empty(empty: Offenders, manifest: Manifest, data: Data) -> list[Finding | None]:
    allowed = data.max_unreadable_percent if data.format in _FOLDERS else 0.0
    if 100 * empty.count <= allowed * len(manifest.objects):
        return []
    return [empty.finding("files have bytes", "{} empty", f"at most {allowed:g} % unreadable")]


def _changes(manifest: Manifest, before: Manifest | None, data: Data) -> list[Finding | None]:
    if before is None:
        return []
    checks = data.checks
    return [
        _change("the number of objects", (len(before.objects), len(manifest.objects)), checks.count_change_percent),
        _change("the size", (before.total_bytes, manifest.total_bytes), checks.size_change_percent),
    ]


def _change(what: str, figures: tuple[int, int], bound: Bound | None) -> Finding | None:
    old, new = figures
    if bound is None or not old:
        return None
    percent = 100 * (new - old) / old
    if within(percent, bound):
        return None
    return Finding(f"{what} changes within bounds", f"{percent:+.1f} % ({old} to {new})", f"{describe(bound)} %")


def within(value: float, bound: Bound) -> bool:
    """Whether a figure is in a range."""
    return (bound.min is None or value >= bound.min) and (bound.max is None or value <= bound.max)


def describe(bound: Bound | None) -> str:
    """A range in words."""
    if bound is None:
        return "anything"
    parts = [f"at least {bound.min:g}"] if bound.min is not None else []
    parts += [f"at most {bound.max:g}"] if bound.max is not None else []
    return " and ".join(parts)


def _finding(rule: str, offenders: Sequence[str], found: str, allowed: str) -> Finding | None:
    if not offenders:
        return None
    return Finding(rule, found.format(len(offenders)), allowed, harmless(offenders))


def _too_few_classes(labels: Iterable[str]) -> Finding | None:
    found = sorted(labels)
    if len(found) >= 2:
        return None
    return Finding("there are classes to tell apart", f"{len(found)}", "at least 2", harmless(found))
