"""Old bytes stay: through manifests, as copies, and a change under a reference is told by its keys."""

from __future__ import annotations

import json

import pytest
from domain_world import DEPLOYMENT

from ratchet.contract import copy_name
from ratchet.data.copies import Copier
from ratchet.errors import DataError, NotPermittedError
from ratchet.naming import copies_manifest_key

STRANGE = {
    "0/with space.png": b"space",
    "0/plus+and%2B.png": b"plus",
    "1/новый-ü-日本.png": b"unicode",
    "1/" + "n" * (1024 - len("datasets/digits/1/")): b"as long as a key may be",
    "1/empty.png": b"",
}


def s3(world):
    return world.door.client("s3")


def delete(world, key, **version):
    s3(world).delete_object(Bucket=DEPLOYMENT.data_bucket, Key=f"datasets/digits/{key}", **version)


def read(world, key, **version):
    return s3(world).get_object(Bucket=DEPLOYMENT.data_bucket, Key=key, **version)["Body"].read()


def upload_in_parts(world, key, *parts):
    where = {"Bucket": DEPLOYMENT.data_bucket, "Key": f"datasets/digits/{key}"}
    upload = {**where, "UploadId": s3(world).create_multipart_upload(**where)["UploadId"]}
    told = [
        {"PartNumber": number, "ETag": s3(world).upload_part(**upload, PartNumber=number, Body=part)["ETag"]}
        for number, part in enumerate(parts, start=1)
    ]
    s3(world).complete_multipart_upload(**upload, MultipartUpload={"Parts": told})


@pytest.fixture
def strange(world):
    for key, body in STRANGE.items():
        world.upload(key, body)
    upload_in_parts(world, "2/parts.png", b"p" * 5 * 1024**2, b"end")
    return world


def copies(world, manifest):
    prefix, *names = json.loads(read(world, copies_manifest_key("digits", manifest.version)))
    where = prefix["prefix"].removeprefix(f"s3://{DEPLOYMENT.data_bucket}/")
    assert names == [copy_name(entry.key, entry.version_id) for entry in manifest.objects]
    return {entry.key: read(world, where + name) for entry, name in zip(manifest.objects, names, strict=True)}


def test_a_manifest_reads_the_old_bytes_after_overwrites_and_deletions(strange):
    manifest = strange.datasets.freeze("digits")
    for key in STRANGE:
        strange.upload(key, b"newer")
        delete(strange, key)
    found = {
        entry.key: read(strange, manifest.prefix + entry.key, VersionId=entry.version_id) for entry in manifest.objects
    }
    assert {key: found[key] for key in STRANGE} == STRANGE
    assert len(found["2/parts.png"]) == 5 * 1024**2 + 3


def test_copies_hold_the_old_bytes_of_whatever_key(strange):
    manifest = strange.datasets.freeze("digits")
    strange.upload("0/with space.png", b"newer")
    delete(strange, "1/empty.png")
    strange.custody.copy(manifest)
    found = copies(strange, manifest)
    assert {key: found[key] for key in STRANGE} == STRANGE


class Watch:
    """Counts copies, and lets the n-th fail."""

    def __init__(self, fail_at=0):
        self.count = 0
        self.fail_at = fail_at

    def __call__(self, name, call):
        if name in ("copy_object", "upload_part_copy"):
            self.count += 1
            if self.count == self.fail_at:
                raise NotPermittedError("no more")
        return call()


def test_an_interrupted_copy_goes_on_where_it_was_and_overwrites_nothing(strange):
    manifest = strange.datasets.freeze("digits")
    with pytest.raises(NotPermittedError):
        strange.through(Watch(fail_at=4)).custody.copy(manifest)
    strange.custody.copy(manifest)
    listed = s3(strange).list_object_versions(Bucket=DEPLOYMENT.data_bucket, Prefix="frozen/")["Versions"]
    assert len(listed) == len({version["Key"] for version in listed}) == 6
    assert len(copies(strange, manifest)) == 6


def test_a_later_version_copies_what_is_new_alone(strange):
    strange.custody.copy(strange.datasets.freeze("digits"))
    strange.upload("0/new.png", b"new")
    second, watch = strange.datasets.freeze("digits"), Watch()
    assert strange.through(watch).custody.copy(second) == watch.count == 1
    assert copies(strange, second)["0/new.png"] == b"new"
    assert strange.through(watch).custody.copy(second) == 0


def test_a_large_object_is_copied_in_parts_and_only_once(world):
    upload_in_parts(world, "0/large", b"a" * 5 * 1024**2, b"b" * 5 * 1024**2, b"end")
    manifest, watch = world.datasets.freeze("digits"), Watch()
    copier = Copier(world.through(watch).door, DEPLOYMENT.data_bucket, whole_bytes=1024**2, part_bytes=5 * 1024**2)
    assert (copier.copy(manifest), watch.count) == (1, 3)
    (entry,) = manifest.objects
    copied = read(world, "frozen/digits/" + copy_name(entry.key, entry.version_id))
    assert copied == b"a" * 5 * 1024**2 + b"b" * 5 * 1024**2 + b"end"
    copier.copy(manifest)
    assert watch.count == 3


def test_a_version_that_is_gone_for_good_cannot_be_copied(strange):
    manifest = strange.datasets.freeze("digits")
    gone = next(entry for entry in manifest.objects if entry.key == "1/empty.png")
    delete(strange, gone.key, VersionId=gone.version_id)
    with pytest.raises(DataError, match=r"1 object version\(s\) .* deleted for good: 1/empty.png"):
        strange.custody.copy(manifest)


def test_a_change_under_a_reference_is_told_by_its_keys(strange):
    manifest = strange.datasets.freeze("digits")
    strange.custody.refuse_changes(manifest)
    strange.upload("0/with space.png", b"newer")
    delete(strange, "1/empty.png")
    strange.upload("0/later.png", b"an addition is no change of what is trained on")
    with pytest.raises(DataError, match=r"2 object\(s\) .*'0/with space.png', '1/empty.png'\. What is there now"):
        strange.custody.refuse_changes(manifest)


def test_the_same_bytes_uploaded_again_are_no_change(strange):
    manifest = strange.datasets.freeze("digits")
    for key, body in STRANGE.items():
        strange.upload(key, body)
    strange.custody.refuse_changes(manifest)
    assert strange.datasets.freeze("digits").version == manifest.version


def test_other_parts_of_the_same_bytes_are_another_version_where_only_the_etag_tells(strange):
    first = strange.datasets.freeze("digits")
    upload_in_parts(strange, "2/parts.png", b"p" * 5 * 1024**2 + b"e", b"nd")
    second = strange.datasets.freeze("digits")
    checksums = [entry.checksum for m in (first, second) for entry in m.objects if entry.key == "2/parts.png"]
    assert all(checksum.startswith("etag:") and checksum.endswith("-2") for checksum in checksums)
    assert first.version != second.version
