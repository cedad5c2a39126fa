"""S3's events: each change is told, with version and sequencer, and keys are encoded."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import unquote_plus

import pytest

from tests.conformance.aws.target import Aws

_LIMIT_SECONDS = 60
_KEY = "a folder/äpfel+1 & 2.txt"


class Ear:
    """A bucket, and the queue that hears of it."""

    def __init__(self, aws: Aws, *, versioned: bool) -> None:
        self.s3, self._sqs = aws.client("s3"), aws.client("sqs")
        self.bucket = aws.bucket(versioned=versioned)
        self._queue = self._sqs.create_queue(QueueName=aws.name())["QueueUrl"]
        aws.at_end(self._sqs.delete_queue, QueueUrl=self._queue)
        arn = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self._sqs.set_queue_attributes(QueueUrl=self._queue, Attributes={"Policy": policy})
        wanted = {"QueueArn": arn, "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}
        self.s3.put_bucket_notification_configuration(
            Bucket=self.bucket, NotificationConfiguration={"QueueConfigurations": [wanted]}
        )

    def hear(self, *names: str) -> list[dict[str, Any]]:
        """Return the events of these names, in the order of their sequencers; others and repeats are left out."""
        found: dict[str, dict[str, Any]] = {}
        deadline = time.monotonic() + _LIMIT_SECONDS
        while len(found) < len(names):
            assert time.monotonic() < deadline, found
            for message in self._receive():
                for event in json.loads(message["Body"]).get("Records", []):
                    if event["eventName"] in names:
                        found[event["s3"]["object"]["sequencer"]] = event
        return [found[key] for key in sorted(found, key=lambda text: text.rjust(32, "0"))]

    def _receive(self) -> list[dict[str, Any]]:
        messages = self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in messages.get("Messages", []):
            self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        return list(messages.get("Messages", []))


@pytest.fixture(scope="module")
def plain(aws: Aws) -> Ear:
    return Ear(aws, versioned=False)


@pytest.fixture(scope="module")
def versioned(aws: Aws) -> Ear:
    return Ear(aws, versioned=True)


def _object(event: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = event["s3"]["object"]
    return found


def test_a_put_and_a_delete_are_told_in_their_order(plain: Ear) -> None:
    place = {"Bucket": plain.bucket, "Key": _KEY}
    tag = plain.s3.put_object(Body=b"1234", **place)["ETag"].strip('"')
    plain.s3.delete_object(**place)
    put, removed = map(_object, plain.hear("ObjectCreated:Put", "ObjectRemoved:Delete"))
    assert (put["size"], put["eTag"]) == (4, tag)
    assert "size" not in removed
    assert put["key"] == removed["key"]
    assert put["key"] != _KEY
    assert unquote_plus(put["key"]) == _KEY
    assert "versionId" not in put


def test_a_copy_and_an_upload_in_parts_are_told_by_their_kinds(plain: Ear) -> None:
    source = {"Bucket": plain.bucket, "Key": "source"}
    plain.s3.put_object(Body=b"1", **source)
    plain.s3.copy_object(CopySource=source, Bucket=plain.bucket, Key="a copy")
    place = {"Bucket": plain.bucket, "Key": "in parts"}
    upload = {**place, "UploadId": plain.s3.create_multipart_upload(**place)["UploadId"]}
    tag = plain.s3.upload_part(PartNumber=1, Body=b"12345", **upload)["ETag"]
    plain.s3.complete_multipart_upload(MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]}, **upload)
    copied, whole = map(_object, plain.hear("ObjectCreated:Copy", "ObjectCreated:CompleteMultipartUpload"))
    assert (copied["key"], whole["key"]) == ("a+copy", "in+parts")
    assert whole["size"] == 5


def test_a_version_a_marker_and_the_end_of_a_version_are_told(versioned: Ear) -> None:
    place = {"Bucket": versioned.bucket, "Key": "kept"}
    version = versioned.s3.put_object(Body=b"1", **place)["VersionId"]
    marker = versioned.s3.delete_object(**place)["VersionId"]
    versioned.s3.delete_object(VersionId=version, **place)
    names = ["ObjectCreated:Put", "ObjectRemoved:DeleteMarkerCreated", "ObjectRemoved:Delete"]
    assert [_object(event)["versionId"] for event in versioned.hear(*names)] == [version, marker, version]


def test_each_object_of_a_batch_is_told(plain: Ear) -> None:
    keys = ["batch/1", "batch/2", "batch/3"]
    for key in keys:
        plain.s3.put_object(Bucket=plain.bucket, Key=key, Body=b"1")
    plain.s3.delete_objects(Bucket=plain.bucket, Delete={"Objects": [{"Key": key} for key in keys]})
    told = plain.hear(*["ObjectRemoved:Delete"] * 3)
    assert sorted(_object(event)["key"] for event in told) == keys


def test_each_marker_of_a_batch_is_told(versioned: Ear) -> None:
    for key in ("marked/1", "marked/2"):
        versioned.s3.put_object(Bucket=versioned.bucket, Key=key, Body=b"1")
    entries = [{"Key": "marked/1"}, {"Key": "marked/2"}]
    versioned.s3.delete_objects(Bucket=versioned.bucket, Delete={"Objects": entries})
    told = versioned.hear(*["ObjectRemoved:DeleteMarkerCreated"] * 2)
    assert sorted(_object(event)["key"] for event in told) == ["marked/1", "marked/2"]


def test_the_end_of_a_version_from_before_versioning_is_told(aws: Aws) -> None:
    ear = Ear(aws, versioned=False)
    place = {"Bucket": ear.bucket, "Key": "old"}
    ear.s3.put_object(Body=b"old", **place)
    ear.s3.put_bucket_versioning(Bucket=ear.bucket, VersioningConfiguration={"Status": "Enabled"})
    version = ear.s3.put_object(Body=b"new", **place)["VersionId"]
    ear.s3.delete_object(VersionId="null", **place)
    (told,) = ear.hear("ObjectRemoved:Delete")
    assert _object(told)["key"] == "old"
    assert ear.s3.get_object(**place)["VersionId"] == version
    versions = ear.s3.list_object_versions(Bucket=ear.bucket)["Versions"]
    assert [entry["VersionId"] for entry in versions] == [version]
