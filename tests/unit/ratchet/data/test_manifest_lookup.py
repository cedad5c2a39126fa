"""An object is found in a manifest by halves, wherever it stands and however long the lines are."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratchet.data import ObjectEntry
from ratchet.data.lookup import find_entry
from ratchet.data.manifest import make_manifest
from ratchet.data.manifest_file import write_manifest

keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


class File:
    """A bucket with one object; counts the reads."""

    def __init__(self, path):
        self.body = path.read_bytes()
        self.reads = 0

    def size(self, key):
        return len(self.body)

    def read_range(self, key, start, size):
        assert start < len(self.body), "S3 refuses a range that begins behind the end"
        self.reads += 1
        return self.body[start : start + size]


def keep(folder, names):
    objects = [ObjectEntry(name, "v", number, f"etag:{number}") for number, name in enumerate(sorted(names))]
    write_manifest(make_manifest("digits", "data", "datasets/digits/", objects=objects, at=""), folder / "manifest")
    return File(folder / "manifest"), objects


@settings(deadline=None, max_examples=60)
@given(st.sets(keys, min_size=1, max_size=30), keys, st.integers(8, 300))
def test_finds_every_key_and_no_other(tmp_path_factory, names, other, window):
    file, objects = keep(tmp_path_factory.mktemp("lookup"), names)
    for entry in objects:
        assert find_entry(file, "m", entry.key, window=window) == entry
    assert (find_entry(file, "m", other, window=window) is not None) == (other in names)


def test_a_hundred_thousand_objects_take_a_few_reads(tmp_path):
    file, objects = keep(tmp_path, [f"{number % 10}/img-{number:06d}.jpg" for number in range(100_000)])
    assert find_entry(file, "m", objects[77_777].key) == objects[77_777]
    assert file.reads < 20


@pytest.mark.parametrize("name", ["", "\U0010ffff", "5/img"])
def test_what_is_not_there_is_not_found(tmp_path, name):
    file, _ = keep(tmp_path, [f"{number % 10}/img-{number:06d}.jpg" for number in range(5000)])
    assert find_entry(file, "m", name) is None
