"""Which objects are asked for their checksum, and what is made of the answer."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from ratchet.data import ObjectEntry
from ratchet.data.checksum import Checksums, read_checksum
from ratchet.data.listing import Listed
from ratchet.errors import ConflictError, DataError, NotPermittedError

SHA = "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg="
SHA_HEX = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


class Heads:
    """Answers about single objects, and remembers which were asked for."""

    def __init__(self, answer=None, error=""):
        self.answer = {"ChecksumSHA256": SHA} if answer is None else answer
        self.error = error
        self.asked = []

    def client(self, service):
        return self

    def head_object(self, Key, VersionId, ChecksumMode, **request):
        self.asked.append((Key, VersionId))
        if self.error:
            raise ClientError({"Error": {"Code": self.error}}, "HeadObject")
        return self.answer


def listed(*keys, algorithms=("SHA256",)):
    return [Listed(key, "v1", 3, "abc", algorithms) for key in keys]


def resolve(world, objects, known=()):
    return list(Checksums(world, "data", "datasets/digits/").resolve(objects, known))


def test_an_object_without_a_checksum_is_told_by_its_etag_and_not_asked_about():
    world = Heads()
    assert resolve(world, listed("a", algorithms=())) == [ObjectEntry("a", "v1", 3, "etag:abc")]
    assert world.asked == []


def test_an_object_that_announces_one_is_asked_at_the_version_that_was_listed():
    world = Heads()
    assert resolve(world, listed("a")) == [ObjectEntry("a", "v1", 3, f"sha256:{SHA_HEX}")]
    assert world.asked == [("datasets/digits/a", "v1")]


def test_what_the_last_manifest_knows_is_not_asked_again():
    world = Heads()
    known = [ObjectEntry(key, version, 3, "sha256:known") for key, version in [("a", "v1"), ("b", "v0"), ("c", "v1")]]
    found = resolve(world, listed("a", "b", "c", "d"), known)
    assert [entry.checksum for entry in found] == [
        "sha256:known",
        f"sha256:{SHA_HEX}",
        "sha256:known",
        f"sha256:{SHA_HEX}",
    ]
    assert sorted(key for key, _ in world.asked) == ["datasets/digits/b", "datasets/digits/d"]


def test_an_etag_from_before_does_not_stand_for_a_checksum():
    world = Heads()
    resolve(world, listed("a"), [ObjectEntry("a", "v1", 3, "etag:abc")])
    assert len(world.asked) == 1


def test_thousands_come_back_in_order():
    keys = [f"{number:05d}" for number in range(5000)]
    assert [entry.key for entry in resolve(Heads(), listed(*keys))] == keys


def test_an_object_deleted_for_good_between_listing_and_asking_is_a_reason_to_try_again():
    with pytest.raises(ConflictError, match=r"datasets/digits/a was deleted for good .* freezing again"):
        resolve(Heads(error="404"), listed("a"))


def test_no_permission_is_told_as_such():
    with pytest.raises(NotPermittedError, match=r"checksum of s3://data/datasets/digits/a"):
        resolve(Heads(error="AccessDenied"), listed("a"))


@pytest.mark.parametrize(
    ("head", "text"),
    [
        ({"ChecksumSHA256": SHA, "ChecksumCRC32": "g9zvtw=="}, f"sha256:{SHA_HEX}"),
        ({"ChecksumCRC32": "g9zvtw==", "ChecksumCRC64NVME": "rosUhgp5mIg="}, "crc64nvme:ae8b14860a799888"),
        ({"ChecksumCRC32": "g9zvtw==-3"}, "crc32-parts:83dcefb7-3"),
        ({}, None),
    ],
)
def test_the_strongest_checksum_counts(head, text):
    assert read_checksum(head) == text


def test_a_checksum_that_is_no_base64_is_refused():
    with pytest.raises(DataError, match="CRC32"):
        read_checksum({"ChecksumCRC32": "!"})
