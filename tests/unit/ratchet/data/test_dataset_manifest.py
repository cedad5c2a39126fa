"""The manifest's digest says exactly which bytes under which keys, and nothing about order or S3's versions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ratchet.contract import canonical_json, digest_of
from ratchet.data import Manifest, ObjectEntry, diff_manifests, digest_entries, histogram
from ratchet.data.manifest import make_manifest, tally
from ratchet.data.manifest_file import read_manifest, spool_entries, write_channel, write_manifest
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


def written(manifest: Manifest, folder: Path) -> list[bytes]:
    write_manifest(manifest, folder / "manifest")
    return (folder / "manifest").read_bytes().split(b"\n")[:-1]


def read(lines: list[bytes]) -> Manifest:
    def read_lines():
        yield from lines

    return read_manifest(read_lines, "s3://data/m")


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
    changed = [*objects[:place], objects[place]._replace(**{name: value}), *objects[place + 1 :]]
    assume(len({entry.key for entry in changed}) == len(changed))
    assert digest_entries(changed) != digest_entries(objects)


@given(datasets, entries)
def test_digest_changes_when_an_object_comes_or_goes(objects, extra):
    assume(extra.key not in {entry.key for entry in objects})
    assert digest_entries([*objects, extra]) != digest_entries(objects)


@given(datasets)
def test_the_same_bytes_uploaded_again_are_the_same_version(objects):
    again = [entry._replace(version_id=entry.version_id + "x") for entry in objects]
    assert digest_entries(again) == digest_entries(objects)


@given(datasets)
def test_the_digest_is_that_of_the_whole_sorted_list(objects):
    assert digest_entries(objects) == digest_of(sorted([e.key, e.size, e.checksum] for e in objects))


def test_refuses_entries_that_are_not_in_order():
    with pytest.raises(DataError, match="not in order"):
        tally([image("1/b.png"), image("0/a.png")])


@given(datasets)
def test_a_manifest_survives_its_file(tmp_path_factory, objects):
    manifest = manifest_of(*objects)
    again = read(written(manifest, tmp_path_factory.mktemp("manifest")))
    assert (again, again.classes, list(again.objects)) == (manifest, manifest.classes, list(manifest.objects))
    assert list(again.objects) == list(again.objects)
    assert len(again.objects) == len(objects)


@given(datasets)
def test_a_manifest_of_the_first_format_can_still_be_read(objects):
    manifest = manifest_of(*objects)
    texts = {name: getattr(manifest, name) for name in ("dataset", "version", "bucket", "prefix", "created_at")}
    old = canonical_json({"format": 1, **texts, "objects": [entry._asdict() for entry in manifest.objects]})
    again = read([old])
    assert (again, list(again.objects)) == (manifest, list(manifest.objects))


@given(datasets, st.data())
def test_refuses_a_manifest_whose_entries_were_changed(tmp_path_factory, objects, data):
    lines = written(manifest_of(*objects), tmp_path_factory.mktemp("manifest"))
    place = data.draw(st.integers(1, len(lines) - 1))
    key, version, size, checksum = json.loads(lines[place])
    change = data.draw(st.sampled_from([[], [canonical_json([key, version, size + 1, checksum])]]))
    with pytest.raises(DataError, match="was changed"):
        list(read([*lines[:place], *change, *lines[place + 1 :]]).objects)


@pytest.mark.parametrize("line", [b"", b"{", b"[1]", b'["k","v","much","c"]', b'["k"]'])
def test_refuses_a_line_that_is_no_entry(tmp_path, line):
    with pytest.raises(DataError, match="line cannot be read"):
        list(read([*written(manifest_of(image("0/a.png")), tmp_path), line]).objects)


@pytest.mark.parametrize("missing", ["version", "bucket", "prefix", "created_at", "dataset", "format", "count"])
def test_refuses_a_manifest_that_lacks_a_key(tmp_path, missing):
    head, *rest = written(manifest_of(image("0/a.png")), tmp_path)
    raw = json.loads(head)
    del raw[missing]
    with pytest.raises(DataError):
        read([json.dumps(raw).encode(), *rest])


def test_refuses_a_manifest_of_a_newer_release(tmp_path):
    head, *rest = written(manifest_of(image("0/a.png")), tmp_path)
    with pytest.raises(DataError, match="this release reads 1 and 2"):
        read([json.dumps(json.loads(head) | {"format": 3}).encode(), *rest])


@given(datasets)
def test_what_was_put_aside_is_read_again_and_again(tmp_path_factory, objects):
    ordered = sorted(objects)
    spooled, counted = spool_entries(iter(ordered), tmp_path_factory.mktemp("spool") / "spool")
    assert list(spooled) == list(spooled) == ordered
    assert counted.version == digest_entries(objects)


def test_channel_manifest_lists_keys_behind_their_common_prefix(tmp_path):
    write_channel("s3://data/datasets/digits/", iter(["0/a.png", '1/"ü.png']), tmp_path / "channel")
    assert json.loads((tmp_path / "channel").read_text()) == [
        {"prefix": "s3://data/datasets/digits/"},
        "0/a.png",
        '1/"ü.png',
    ]


def test_counts_images_of_each_class_and_leaves_out_what_has_none():
    manifest = manifest_of(image("1/b.png"), image("1/deep/c.png"), image("0/a.png"), image("stray.png"))
    assert histogram(manifest) == {"0": 1, "1": 2}


def test_tells_what_was_added_removed_and_changed():
    old = manifest_of(image("0/a.png"), image("0/b.png"), image("1/c.png"))
    new = manifest_of(image("0/a.png"), image("1/c.png", "etag:2"), image("2/d.png"))
    diff = diff_manifests(old, new)
    assert (diff.added, diff.removed, diff.changed) == (("2/d.png",), ("0/b.png",), ("1/c.png",))
    assert (diff.old_histogram, diff.new_histogram) == ({"0": 2, "1": 1}, {"0": 1, "1": 1, "2": 1})
