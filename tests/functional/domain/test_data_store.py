"""Dataset versions over moto: what S3 lists is frozen, found again, and read."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from domain_world import DEPLOYMENT

from ratchet.data import ObjectEntry
from ratchet.errors import DataError, NotFoundError
from ratchet.naming import channel_manifest_key, manifest_key


def read_object(world, key):
    return world.door.client("s3").get_object(Bucket=DEPLOYMENT.data_bucket, Key=key)["Body"].read()


def delete(world, key):
    world.door.client("s3").delete_object(Bucket=DEPLOYMENT.data_bucket, Key=f"datasets/digits/{key}")


@pytest.fixture
def filled(world):
    for key in ("0/a.png", "0/b.png", "1/c.png"):
        world.upload(key, key.encode())
    return world


def test_lists_what_is_there_now_and_leaves_out_what_is_no_image(filled):
    filled.upload("0/", b"")
    filled.upload("_SUCCESS", b"")
    filled.upload("0/.DS_Store", b"x")
    filled.upload("1/c.png", b"newer")
    filled.upload("9/z.png", b"other dataset", dataset="digits-2")
    delete(filled, "0/b.png")
    entries = filled.datasets.list_objects("digits")
    assert [(entry.key, entry.size) for entry in entries] == [("0/a.png", 7), ("1/c.png", 5)]
    assert all(entry.checksum.startswith("crc32:") and entry.version_id != "null" for entry in entries)


def test_an_empty_object_is_listed_so_that_the_check_can_name_it(filled):
    filled.upload("1/empty.png", b"")
    assert ("1/empty.png", 0) in [(entry.key, entry.size) for entry in filled.datasets.list_objects("digits")]


def test_a_frozen_version_can_be_read_and_is_listed(filled):
    manifest = filled.datasets.freeze("digits", "first try")
    again = filled.datasets.read("digits", manifest.version)
    assert (again, list(again.objects)) == (manifest, list(manifest.objects))
    (row,) = filled.datasets.list_versions("digits")
    assert (row.version, row.number, row.count, row.reason) == (manifest.version, 1, 3, "first try")
    assert row.histogram == {"0": 2, "1": 1}
    assert row.total_bytes == 21


def test_the_same_objects_are_the_same_version(filled):
    first = filled.datasets.freeze("digits")
    filled.clock.pass_by(hours=1)
    filled.upload("0/a.png", b"0/a.png")
    assert filled.datasets.freeze("digits", "again") == first
    assert len(filled.datasets.list_versions("digits")) == 1


def test_other_objects_are_another_version_and_the_old_one_can_still_be_read(filled):
    first = filled.datasets.freeze("digits")
    filled.upload("0/a.png", b"overwritten")
    second = filled.datasets.freeze("digits")
    assert [row.version for row in filled.datasets.list_versions("digits")] == [second.version, first.version]
    old = next(entry for entry in first.objects if entry.key == "0/a.png")
    answer = filled.door.client("s3").get_object(
        Bucket=DEPLOYMENT.data_bucket, Key="datasets/digits/0/a.png", VersionId=old.version_id
    )
    assert answer["Body"].read() == b"0/a.png"


def test_a_version_that_comes_back_keeps_its_number(filled):
    first = filled.datasets.freeze("digits")
    filled.upload("2/new.png", b"new")
    filled.datasets.freeze("digits")
    delete(filled, "2/new.png")
    assert filled.datasets.freeze("digits") == first
    assert [row.number for row in filled.datasets.list_versions("digits")] == [2, 1]


def test_writes_the_manifest_in_sagemakers_form(filled):
    manifest = filled.datasets.freeze("digits")
    written = json.loads(read_object(filled, channel_manifest_key("digits", manifest.version)))
    assert written == [{"prefix": "s3://ratchet-data/datasets/digits/"}, "0/a.png", "0/b.png", "1/c.png"]


def test_many_that_freeze_at_once_agree(filled):
    with ThreadPoolExecutor(8) as pool:
        manifests = list(pool.map(lambda _: filled.datasets.freeze("digits"), range(8)))
    assert len(set(manifests)) == 1
    assert [row.number for row in filled.datasets.list_versions("digits")] == [1]


def test_an_empty_dataset_is_refused_with_the_place_to_upload_to(world):
    with pytest.raises(DataError, match="upload images to s3://ratchet-data/datasets/digits/<label>/<file>"):
        world.datasets.freeze("digits")


def test_a_bucket_without_versions_is_refused_with_the_command_that_mends_it(filled):
    filled.door.client("s3").put_bucket_versioning(
        Bucket=DEPLOYMENT.data_bucket, VersioningConfiguration={"Status": "Suspended"}
    )
    with pytest.raises(DataError, match="put-bucket-versioning --bucket ratchet-data"):
        filled.datasets.freeze("digits")


def test_an_unknown_version_is_answered_with_those_that_exist(filled):
    manifest = filled.datasets.freeze("digits")
    with pytest.raises(NotFoundError, match=f"the newest are: {manifest.version[:12]}"):
        filled.datasets.read("digits", "f" * 64)


@pytest.mark.parametrize("body", [b"no json", b"[]", b"{}", b'{"format": 1}'])
def test_a_spoilt_manifest_is_refused(filled, body):
    manifest = filled.datasets.freeze("digits")
    filled.door.client("s3").put_object(
        Bucket=DEPLOYMENT.data_bucket, Key=manifest_key("digits", manifest.version), Body=body
    )
    with pytest.raises(DataError):
        filled.datasets.read("digits", manifest.version)


def test_a_manifest_of_another_dataset_is_refused(filled):
    manifest = filled.datasets.freeze("digits")
    body = read_object(filled, manifest_key("digits", manifest.version))
    filled.door.client("s3").put_object(
        Bucket=DEPLOYMENT.data_bucket, Key=manifest_key("letters", manifest.version), Body=body
    )
    with pytest.raises(DataError, match="is that of digits"):
        filled.datasets.read("letters", manifest.version)


def test_a_prefix_whose_objects_are_all_deleted_has_changed(filled):
    for key in ("0/a.png", "0/b.png", "1/c.png"):
        delete(filled, key)
    assert filled.datasets.list_objects("digits") == []
    assert filled.datasets.newest_change("digits") is not None


def test_an_empty_prefix_never_changed(world):
    assert world.datasets.newest_change("digits") is None


def test_sees_the_uploaders_marker_and_not_one_that_was_deleted(filled):
    assert filled.datasets.observe("digits").marker_at is None
    filled.upload("_SUCCESS", b"")
    seen = filled.datasets.observe("digits")
    assert seen.marker_at >= seen.newest_change
    delete(filled, "_SUCCESS")
    assert filled.datasets.observe("digits").marker_at is None


def test_keys_come_back_as_they_were_uploaded(world):
    keys = ["0/ü b+c%20.png", '0/quote".png', "0/новый.png", "1/a&b=c.png"]
    for key in keys:
        world.upload(key, b"x")
    entries = world.datasets.freeze("digits").objects
    assert sorted(entry.key for entry in entries) == sorted(keys)
    assert all(isinstance(entry, ObjectEntry) for entry in entries)
