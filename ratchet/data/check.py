"""What can be said against a dataset version before money is spent on it: rules over its manifest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ratchet.data.manifest import Manifest
from ratchet.dataset_spec import Data

_EXAMPLES = 5


@dataclass(frozen=True)
class Finding:
    """One rule that does not hold: what was found, what is allowed, and the first few examples."""

    rule: str
    found: str
    allowed: str
    examples: tuple[str, ...] = ()


def check_manifest(manifest: Manifest, data: Data) -> list[Finding]:
    """Hold a dataset version against the pipeline's data rules; an empty list means that all of them hold."""
    counts = manifest.histogram()
    known = ", ".join(data.labels)
    strays = [entry.key for entry in manifest.objects if entry.label is None or entry.key.endswith("/")]
    few = [f"{label} has {count}" for label, count in counts.items() if count < data.min_images_per_class]
    candidates = [
        _finding("every image lies in a class folder", strays, "{} outside", "<label>/<file>"),
        _empty_images(manifest, data.max_unreadable_percent),
        _finding("every required class is there", sorted(set(data.labels) - set(counts)), "{} missing", known),
        _finding("every class is known", sorted(set(counts) - set(data.labels or counts)), "{} unknown", known),
        _finding("every class has enough images", few, "{} with too few", f"at least {data.min_images_per_class} each"),
        _too_few_classes(counts),
    ]
    return [finding for finding in candidates if finding is not None]


def _finding(rule: str, offenders: Sequence[str], found: str, allowed: str) -> Finding | None:
    if not offenders:
        return None
    return Finding(rule, found.format(len(offenders)), allowed, _first(offenders))


def _empty_images(manifest: Manifest, allowed_percent: float) -> Finding | None:
    empty = [entry.key for entry in manifest.objects if entry.size == 0]
    if 100 * len(empty) <= allowed_percent * len(manifest.objects):
        return None
    return _finding("images have bytes", empty, "{} empty", f"at most {allowed_percent:g} % unreadable")


def _too_few_classes(labels: Iterable[str]) -> Finding | None:
    found = sorted(labels)
    if len(found) >= 2:
        return None
    return Finding("there are classes to tell apart", f"{len(found)}", "at least 2", _first(found))


def _first(texts: Sequence[str]) -> tuple[str, ...]:
    # Keys come from whoever uploads: a line break or a control character must not reach a log as such.
    return tuple(text if text.isprintable() else ascii(text)[1:-1] for text in texts[:_EXAMPLES])
