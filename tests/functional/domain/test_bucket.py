"""Objects written once over moto, and reads that notice what is wrong."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError
from domain_world import DEPLOYMENT, Door

from ratchet.aws import Bucket
from ratchet.errors import ArtefactError, ConflictError, NotFoundError, NotPermittedError

NAME = DEPLOYMENT.models_bucket


@pytest.fixture
def bucket(world):
    return Bucket(world.door, NAME)


def refusing(code, times, status=409):
    """Refuse the first puts with an error code of S3's."""
    left = [times]

    def disturb(name, call):
        if name == "put_object" and left[0]:
            left[0] -= 1
            response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
            raise ClientError(response, "PutObject")
        return call()

    return Door(disturb)


def test_the_same_content_once_more_is_the_same_object(bucket):
    first = bucket.put_once("a/b", b"content")
    assert bucket.put_once("a/b", b"content") == first
    assert bucket.read("a/b") == b"content"
    assert bucket.read("a/b", first.version_id) == b"content"


def test_other_content_never_replaces_what_is_there(bucket):
    bucket.put_once("a/b", b"content")
    with pytest.raises(ConflictError, match="is written once and holds other content"):
        bucket.put_once("a/b", b"other")
    assert bucket.read("a/b") == b"content"


def test_a_file_is_stored_as_its_bytes(bucket, tmp_path):
    file = tmp_path / "archive"
    file.write_bytes(b"x" * 3_000_000)
    stored = bucket.put_once("archive", file)
    assert bucket.download("archive", tmp_path / "copy") == stored.sha256
    assert (tmp_path / "copy").read_bytes() == file.read_bytes()


def test_tries_again_while_another_write_is_under_way(world):
    door = refusing("ConditionalRequestConflict", times=3)
    assert Bucket(door, NAME).put_once("a", b"content").sha256
    assert Bucket(world.door, NAME).read("a") == b"content"


def test_gives_up_on_a_key_that_is_always_being_written(world):
    with pytest.raises(ConflictError, match="somebody else is writing it"):
        Bucket(refusing("ConditionalRequestConflict", times=99), NAME).put_once("a", b"content")


def test_a_refusal_by_policy_is_told_as_such(world):
    with pytest.raises(NotPermittedError, match=f"could not write s3://{NAME}/a: AccessDenied"):
        Bucket(refusing("AccessDenied", times=1, status=403), NAME).put_once("a", b"content")


def test_a_download_that_is_not_what_was_expected_leaves_no_file(bucket, tmp_path):
    bucket.put_once("a", b"content")
    with pytest.raises(ArtefactError, match="it was changed or cut off"):
        bucket.download("a", tmp_path / "a", sha256="0" * 64)
    assert not (tmp_path / "a").exists()


def test_what_is_not_there_is_not_found(bucket, tmp_path):
    assert bucket.find("nothing") is None
    with pytest.raises(NotFoundError):
        bucket.read("nothing")
    with pytest.raises(NotFoundError):
        bucket.download("nothing", tmp_path / "a")
