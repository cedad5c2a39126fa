"""A manifest as a file: format 2 is a line about the whole and one line for each object; format 1 was one document.

However many objects there are, a few of them are in memory. Whoever reads the objects to their end knows that they are
those that were frozen: their digest is the version.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from ratchet.contract import canonical_json
from ratchet.data.manifest import Manifest, ObjectEntry, Tally, tally
from ratchet.errors import DataError

FORMAT = 2
_OLD_FORMAT = 1
_TEXTS = ("dataset", "version", "bucket", "prefix", "created_at")
ReadLines = Callable[[], Generator[bytes]]


class StoredObjects(Collection[ObjectEntry]):
    """The objects of a manifest's file, read anew each time that they are gone through, and checked each time.

    Parameters
    ----------
    read_lines
        The lines of the objects.
    count, version
        What the manifest says of them.
    """

    def __init__(self, read_lines: ReadLines, count: int, version: str) -> None:
        self._read_lines = read_lines
        self._count = count
        self._version = version

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[ObjectEntry]:
        counted = Tally()
        with closing(self._read_lines()) as lines:
            for line in lines:
                entry = _read_entry(line)
                counted.add(entry)
                yield entry
        _refuse_change(self._version, counted)

    def __contains__(self, wanted: object) -> bool:
        return any(entry == wanted for entry in self)


def spool_entries(entries: Iterable[ObjectEntry], path: Path) -> tuple[StoredObjects, Tally]:
    """Put entries, which come in the order of their keys, aside in a file; return them and what they are together."""
    counted = Tally()
    with path.open("wb") as sink:
        for entry in entries:
            counted.add(entry)
            sink.write(_write_entry(entry))
    return StoredObjects(lambda: _lines_of(path), counted.count, counted.version), counted


def _lines_of(path: Path) -> Generator[bytes]:
    with path.open("rb") as lines:
        yield from lines


def write_manifest(manifest: Manifest, target: Path) -> None:
    """Write a manifest's file."""
    body = {name: getattr(manifest, name) for name in _TEXTS}
    body |= {"format": FORMAT, "count": len(manifest.objects), "total_bytes": manifest.total_bytes}
    body["classes"] = dict(manifest.classes)
    with target.open("wb") as sink:
        sink.write(canonical_json(body) + b"\n")
        sink.writelines(map(_write_entry, manifest.objects))


def write_channel(prefix_uri: str, names: Iterable[str], target: Path) -> None:
    """Write SageMaker's `ManifestFile`: the common prefix, then the keys behind it."""
    with target.open("w", encoding="utf-8") as sink:
        sink.write("[" + json.dumps({"prefix": prefix_uri}))
        for name in names:
            sink.write(",\n" + json.dumps(name))
        sink.write("]")


def read_manifest(read_lines: ReadLines, uri: str) -> Manifest:
    """Read a manifest's first line; its objects are read when they are asked for.

    Raises
    ------
    DataError
        When it is no manifest, has a newer format, or, at the end of its objects, is not what was frozen.
    """
    try:
        with closing(read_lines()) as lines:
            raw: Any = json.loads(next(lines, b""))
    except ValueError as error:
        raise DataError(f"{uri} is no manifest: {error}") from error
    if not isinstance(raw, dict):
        raise DataError(f"{uri} is no manifest")
    form = raw.get("format")
    if form not in (FORMAT, _OLD_FORMAT):
        raise DataError(f"{uri} has format {form!r}, this release reads {_OLD_FORMAT} and {FORMAT}: use a newer")
    try:
        return _read_old(raw) if form == _OLD_FORMAT else _read_new(raw, read_lines)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{uri} cannot be read: {error!r}; freeze the dataset again") from error


def _read_new(raw: Mapping[str, Any], read_lines: ReadLines) -> Manifest:
    texts = {name: str(raw[name]) for name in _TEXTS}
    objects = StoredObjects(lambda: _behind_first(read_lines()), int(raw["count"]), texts["version"])
    classes = {str(label): int(count) for label, count in raw["classes"].items()}
    return Manifest(**texts, objects=objects, total_bytes=int(raw["total_bytes"]), classes=classes)


def _behind_first(lines: Generator[bytes]) -> Generator[bytes]:
    with closing(lines):
        next(lines, None)
        yield from lines


def _read_old(raw: Mapping[str, Any]) -> Manifest:
    texts = {name: str(raw[name]) for name in _TEXTS}
    objects = tuple(sorted(ObjectEntry(**entry) for entry in raw["objects"]))
    counted = tally(objects)
    _refuse_change(texts["version"], counted)
    return Manifest(**texts, objects=objects, total_bytes=counted.total_bytes, classes=counted.classes)


def _write_entry(entry: ObjectEntry) -> bytes:
    return canonical_json(list(entry)) + b"\n"


def _read_entry(line: bytes) -> ObjectEntry:
    try:
        key, version_id, size, checksum = json.loads(line)
        return ObjectEntry(str(key), str(version_id), int(size), str(checksum))
    except (TypeError, ValueError) as error:
        raise DataError(
            f"a manifest's line cannot be read: {line[:100]!r}; restore the object's first version"
        ) from error


def _refuse_change(version: str, counted: Tally) -> None:
    if counted.version != version:
        raise DataError(
            f"the manifest was changed: it calls itself {version[:12]}, its entries make {counted.version[:12]}. "
            "Restore the object's first version in S3"
        )
