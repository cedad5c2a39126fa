"""The manifest's digest says exactly which bytes under which keys, and nothing about order or S3's versions."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ratchet.data import Manifest, ObjectEntry, diff_manifests, digest_entries, histogram
from ratchet.data.manifest import make_manifest
from ratchet.errors import DataError

keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
entries = st.builds(
    ObjectEntry,
    key=keys,
    version_id=st.text("abc123", min_size=1, max_size=8),
    size=st.integers(0, 2**40),
    checksum=st.text("0123456789abcdef", min_size=4, max_size=8).map("etag:{}".format),
)
datasets = st.lists(entries, min_size=1, max_size=12, unique_by=lambda entry: entry.key)


def manifest_of(*objects: ObjectEntry) -> Manifest:
    return make_manifest("digits", "data", "datasets/digits/", objects=objects, at="2030-01-01T00:00:00.000Z")


def image(key: str, checksum: str = "etag:1") -> ObjectEntry:
    return ObjectEntry(key, "v1", 10, checksum)


@given(datasets, st.randoms(use_true_random=False))
def test_digest_does_not_depend_on_order(objects, random):
    shuffled = objects[:]
    random.shuffle(shuffled)
    assert digest_entries(shuffled) == digest_entries(objects)


@given(datasets, st.data())
def test_digest_changes_with_any_key_size_or_checksum(objects, data):
    place = data.draw(st.integers(0, len(objects) - 1))
    name = data.draw(st.sampled_from(["key", "size", "checksum"]))
    value = data.draw({"key": keys, "size": st.integers(0, 2**40), "checksum": st.text(max_size=9)}[name])
    assume(getattr(objects[place], name) != value)
    changed = [*objects[:place], replace(objects[place], **{name: value}), *objects[place + 1 :]]
    assume(len({entry.key for entry in changed}) == len(changed))
    assert digest_entries(changed) != digest_entries(objects)


@given(datasets, entries)
def test_digest_changes_when_an_object_comes_or_goes(objects, extra):
    assume(extra.key not in {entry.key for entry in objects})
    assert digest_entries([*objects, extra]) != digest_entries(objects)


@given(datasets)
def test_the_same_bytes_uploaded_again_are_the_same_version(objects):
    again = [replace(entry, version_id=entry.version_id + "x") for entry in objects]
    assert digest_entries(again) == digest_entries(objects)


@given(datasets)
def test_a_manifest_survives_its_file(objects):
    manifest = manifest_of(*objects)
    assert Manifest.from_json(json.loads(manifest.to_bytes())) == manifest


@given(datasets, st.data())
def test_refuses_a_manifest_whose_entries_were_changed(objects, data):
    raw = json.loads(manifest_of(*objects).to_bytes())
    entry = data.draw(st.sampled_from(raw["objects"]))
    entry["size"] += 1
    with pytest.raises(DataError, match="was changed"):
        Manifest.from_json(raw)


@pytest.mark.parametrize("missing", ["objects", "version", "bucket", "prefix", "created_at", "dataset", "format"])
def test_refuses_a_manifest_that_lacks_a_key(missing):
    raw = manifest_of(image("0/a.png")).to_json()
    del raw[missing]
    with pytest.raises(DataError):
        Manifest.from_json(raw)


def test_channel_manifest_lists_keys_behind_their_common_prefix():
    manifest = manifest_of(image("1/b.png"), image("0/a.png"))
    assert manifest.to_channel_manifest() == [{"prefix": "s3://data/datasets/digits/"}, "0/a.png", "1/b.png"]


def test_counts_images_of_each_class_and_leaves_out_what_has_none():
    manifest = manifest_of(image("1/b.png"), image("1/deep/c.png"), image("0/a.png"), image("stray.png"))
    assert histogram(manifest) == {"0": 1, "1": 2}


def test_tells_what_was_added_removed_and_changed():
    old = manifest_of(image("0/a.png"), image("0/b.png"), image("1/c.png"))
    new = manifest_of(image("0/a.png"), image("1/c.png", "etag:2"), image("2/d.png"))
    diff = diff_manifests(old, new)
    assert (diff.added, diff.removed, diff.changed) == (("2/d.png",), ("0/b.png",), ("1/c.png",))
    assert (diff.old_histogram, diff.new_histogram) == ({"0": 2, "1": 1}, {"0": 1, "1": 1, "2": 1})
