"""The manifest is the only word on what belongs to a dataset version."""

from __future__ import annotations

import hashlib
import json
import zlib

import pytest

from training.checksum import matches
from training.container import DataProblem
from training.dataset import (
    Entry,
    choose_labels,
    read_frozen,
    read_manifest,
    refuse_changes,
    refuse_empty_splits,
    refuse_small_classes,
    refuse_unreadable,
)


def write_manifest(folder, *keys, **changes):
    objects = [{"key": key, "version_id": "1", "size": 1, "checksum": "etag:x-2"} for key in keys]
    (folder / "m.json").write_text(json.dumps({"dataset": "d", "version": "v", "objects": objects, **changes}))
    return folder


def test_entries_come_sorted_by_key(tmp_path):
    frozen = read_manifest(write_manifest(tmp_path, "b/1.png", "a/2.png", "a/10.png"))
    assert [entry.key for entry in frozen.entries] == ["a/10.png", "a/2.png", "b/1.png"]
    assert frozen.count() == {"a": 2, "b": 1}
    assert (frozen.dataset, frozen.version) == ("d", "v")


@pytest.mark.parametrize(
    "key",
    ["x.png", "/a/x.png", "../a/x.png", "a/../x.png", "a//x.png", "a/", "a/./x", "a\n/x.png", " a/x.png", "a/x\0"],
)
def test_refuses_keys_that_are_no_label_and_file(tmp_path, key):
    with pytest.raises(DataProblem, match="not of the form <label>/<file>"):
        read_manifest(write_manifest(tmp_path, "a/1.png", key))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objects": []}, "is empty"),
        ({"objects": [{"key": "a/1.png"}]}, "cannot be read"),
        ({"objects": 3}, "cannot be"),
    ],
)
def test_refuses_a_manifest_that_says_nothing(tmp_path, changes, message):
    with pytest.raises(DataProblem, match=message):
        read_manifest(write_manifest(tmp_path, **changes))


def test_a_manifest_has_a_line_for_each_object(tmp_path):
    lines = [
        {"format": 2, "dataset": "d", "version": "v"},
        ["b/2.png", "7", 5, "etag:y"],
        ["a/1.png", "3", 4, "etag:x"],
    ]
    (tmp_path / "v.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    frozen = read_manifest(tmp_path)
    assert (frozen.dataset, frozen.version) == ("d", "v")
    assert frozen.entries == (Entry("a/1.png", 4, "etag:x", "3"), Entry("b/2.png", 5, "etag:y", "7"))


def test_refuses_a_key_that_is_named_twice(tmp_path):
    with pytest.raises(DataProblem, match="twice"):
        read_manifest(write_manifest(tmp_path, "a/1.png", "a/1.png"))


def test_refuses_no_manifest_and_two(tmp_path):
    with pytest.raises(DataProblem, match="holds 0 manifests"):
        read_manifest(tmp_path)
    (write_manifest(tmp_path, "a/1.png") / "n.json").write_text("{}")
    with pytest.raises(DataProblem, match="holds 2 manifests"):
        read_manifest(tmp_path)


CONTENT = b"content"


@pytest.mark.parametrize(
    ("checksum", "found"),
    [
        ("sha256:" + hashlib.sha256(CONTENT).hexdigest(), True),
        ("sha256:" + hashlib.sha256(b"other").hexdigest(), False),
        ("sha1:" + hashlib.sha1(CONTENT).hexdigest(), True),
        (f"crc32:{zlib.crc32(CONTENT):08x}", True),
        (f"crc32:{zlib.crc32(CONTENT) ^ 1:08x}", False),
        ("crc64nvme:0000000000000000", False),
        ("sha256-parts:00-3", True),  # of an object that came in parts: no digest of the bytes either
        ("etag:" + hashlib.md5(CONTENT).hexdigest(), True),
        ("etag:" + hashlib.md5(b"other").hexdigest(), False),
        ("etag:" + hashlib.md5(b"other").hexdigest() + "-4", True),  # uploaded in parts: no digest of the bytes
    ],
)
def test_a_file_is_read_only_if_its_checksum_is_the_frozen_one(tmp_path, checksum, found):
    (tmp_path / "file").write_bytes(CONTENT)
    assert (read_frozen(tmp_path / "file", Entry("file", len(CONTENT), checksum)) is not None) == found


def test_a_file_of_another_size_is_not_what_was_frozen(tmp_path):
    (tmp_path / "file").write_bytes(CONTENT)
    assert read_frozen(tmp_path / "file", Entry("file", len(CONTENT) + 1, "etag:x-2")) is None


@pytest.mark.parametrize(
    ("checksum", "pieces"),
    [
        ("crc32:cbf43926", 1),
        ("crc32c:e3069283", 2),
        ("crc64nvme:ae8b14860a799888", 3),
    ],
)
def test_checksums_that_python_lacks_are_those_of_the_catalogue(checksum, pieces):
    text = b"123456789"
    assert matches([text[place : place + 9 // pieces] for place in range(0, 9, 9 // pieces)], checksum)
    assert not matches([text[:-1]], checksum)


def test_a_checksum_of_an_unknown_kind_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(CONTENT)
    with pytest.raises(DataProblem, match="no known kind"):
        read_frozen(tmp_path / "file", Entry("file", len(CONTENT), "md4:1"))


def test_labels_are_sorted_unless_an_order_is_asked_for():
    assert choose_labels({"b": 1, "a": 1}, "") == ("a", "b")
    assert choose_labels({"b": 1, "a": 1}, "b, a,c") == ("b", "a", "c")


@pytest.mark.parametrize("asked", ["a,a", "a,,b"])
def test_refuses_labels_that_are_twice_or_empty(asked):
    with pytest.raises(DataProblem, match=r"correct data\.labels"):
        choose_labels({"a": 1}, asked)


def test_messages_name_some_and_count_the_rest():
    with pytest.raises(DataProblem, match=r"^8 object\(s\) changed .*: k0, k1, k2, k3, k4 and 3 more\."):
        refuse_changes([f"k{number}" for number in range(8)])


def test_says_class_found_and_needed():
    refuse_small_classes({"a": 3, "b": 3}, ("a", "b"), 3)
    with pytest.raises(DataProblem, match="at least 3 readable images: b has 2, c has 0"):
        refuse_small_classes({"a": 3, "b": 2}, ("a", "b", "c"), 3)


def test_tolerates_exactly_the_share_that_was_allowed():
    bad = [{"key": "a/1.png", "reason": "cut"}]
    refuse_unreadable(bad, 100, 1.0)
    with pytest.raises(DataProblem, match=r"1 of 99 images .* a/1\.png \(cut\)"):
        refuse_unreadable(bad, 99, 1.0)


def test_refuses_a_side_without_examples():
    with pytest.raises(DataProblem, match="'test'"):
        refuse_empty_splits({"train": {"a": 1}, "test": {"a": 0}})
