"""One object in a manifest of a million, without reading it: the lines are sorted, so halves are left out."""

from __future__ import annotations

import json

from ratchet.aws import Bucket
from ratchet.data.manifest import ObjectEntry

_WINDOW_BYTES = 64 * 1024


def find_entry(bucket: Bucket, manifest: str, wanted: str, *, window: int = _WINDOW_BYTES) -> ObjectEntry | None:
    """Find an object's entry in a manifest of format 2.

    A dozen short reads for a million objects. What is found has not been held against the manifest's digest: that takes
    all of it.

    Parameters
    ----------
    manifest
        The manifest's key.
    wanted
        The object's key, relative to the dataset's prefix.
    window
        Bytes of a read.
    """
    size = bucket.size(manifest)
    # The line that is looked for, if there is one, begins at `low` or later and before `high`.
    low, high = 0, size
    while high - low > window:
        middle = (low + high) // 2
        place, line = _line_behind(bucket, manifest, (middle, high), window)
        if line is None:
            high = middle + 1  # one may begin just there
        elif _key(line) <= wanted:
            low = place
        else:
            high = place
    for line in _lines_from(bucket, manifest, (low, high), window):
        if line.startswith(b"[") and _key(line) == wanted:
            return ObjectEntry(*json.loads(line))
    return None


def _line_behind(bucket: Bucket, manifest: str, span: tuple[int, int], window: int) -> tuple[int, bytes | None]:
    """The first whole line that begins behind a place, and where; None when none does before the end of the span."""
    middle, high = span
    start, line = middle, b""
    while start < high:
        text = bucket.read_range(manifest, start, window)
        cut = text.find(b"\n")
        if cut >= 0:
            start += cut + 1
            break
        start += len(text)
    if start >= high:
        return start, None
    while b"\n" not in line:  # each line ends with one
        line += bucket.read_range(manifest, start + len(line), window)
    return start, line.partition(b"\n")[0]


def _lines_from(bucket: Bucket, manifest: str, span: tuple[int, int], window: int) -> list[bytes]:
    """The lines that begin within a span, the last one whole."""
    low, high = span
    text = bucket.read_range(manifest, low, high - low) if high > low else b"\n"
    while not text.endswith(b"\n"):
        head, end, _ = bucket.read_range(manifest, low + len(text), window).partition(b"\n")
        text += head + end
    return [line for line in text.split(b"\n") if line]


def _key(line: bytes) -> str:
    """The key of a line; the line about the whole comes before all of them."""
    found = json.loads(line)
    return str(found[0]) if isinstance(found, list) else ""
