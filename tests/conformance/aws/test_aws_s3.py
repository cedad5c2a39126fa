"""S3: conditions, checksums, versions."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from tests.conformance.aws.target import Aws, refusal

_BODY = b"123456789"
_SHA256 = base64.b64encode(hashlib.sha256(_BODY).digest()).decode()


@pytest.fixture(scope="module")
def s3(aws: Aws) -> Any:
    return aws.client("s3")


@pytest.fixture(scope="module")
def bucket(aws: Aws) -> str:
    return aws.bucket()


def test_a_new_object_is_written_once(s3: Any, bucket: str) -> None:
    place = {"Bucket": bucket, "Key": "once"}
    s3.put_object(Body=b"1", IfNoneMatch="*", **place)
    assert refusal(s3.put_object, Body=b"2", IfNoneMatch="*", **place) == "PreconditionFailed"
    assert s3.get_object(**place)["Body"].read() == b"1"


def test_an_object_is_replaced_only_as_it_was_seen(s3: Any, bucket: str) -> None:
    place = {"Bucket": bucket, "Key": "seen"}
    tag = s3.put_object(Body=b"1", **place)["ETag"]
    s3.put_object(Body=b"2", IfMatch=tag, **place)
    assert refusal(s3.put_object, Body=b"3", IfMatch=tag, **place) == "PreconditionFailed"
    assert refusal(s3.put_object, Body=b"3", IfMatch=tag, Bucket=bucket, Key="never") == "NoSuchKey"


def test_a_copy_may_not_replace_what_must_not_be_there(s3: Any, bucket: str) -> None:
    source = {"Bucket": bucket, "Key": "source"}
    s3.put_object(Body=b"1", **source)
    s3.copy_object(CopySource=source, Bucket=bucket, Key="copied", IfNoneMatch="*")
    code = refusal(s3.copy_object, CopySource=source, Bucket=bucket, Key="copied", IfNoneMatch="*")
    assert code == "PreconditionFailed"


def test_an_object_is_deleted_only_as_it_was_seen(s3: Any, bucket: str) -> None:
    place = {"Bucket": bucket, "Key": "removed"}
    tag = s3.put_object(Body=b"1", **place)["ETag"]
    s3.put_object(Body=b"2", **place)
    assert refusal(s3.delete_object, IfMatch=tag, **place) == "PreconditionFailed"
    s3.delete_object(IfMatch="*", **place)


@pytest.mark.difference("s3-delete-objects-conditions")
def test_a_batch_deletes_each_object_only_as_it_was_seen(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="batched", Body=b"1")
    entry = {"Key": "batched", "ETag": '"00000000000000000000000000000000"'}
    errors = s3.delete_objects(Bucket=bucket, Delete={"Objects": [entry]}).get("Errors", [])
    assert [error["Code"] for error in errors] == ["PreconditionFailed"]


def test_a_checksum_comes_back_when_asked_for(s3: Any, bucket: str) -> None:
    place = {"Bucket": bucket, "Key": "summed"}
    s3.put_object(Body=_BODY, ChecksumSHA256=_SHA256, **place)
    assert s3.head_object(ChecksumMode="ENABLED", **place)["ChecksumSHA256"] == _SHA256
    assert "ChecksumSHA256" not in s3.head_object(**place)


def test_an_object_without_a_checksum_gets_crc64nvme(aws: Aws, bucket: str) -> None:
    s3 = aws.client("s3", request_checksum_calculation="when_required")
    s3.put_object(Bucket=bucket, Key="unsummed", Body=_BODY)
    assert s3.head_object(Bucket=bucket, Key="unsummed", ChecksumMode="ENABLED")["ChecksumCRC64NVME"] == "rosUhgp5mIg="


def test_a_wrong_checksum_is_refused(s3: Any, bucket: str) -> None:
    wrong = base64.b64encode(bytes(32)).decode()
    assert refusal(s3.put_object, Bucket=bucket, Key="wrong", Body=_BODY, ChecksumSHA256=wrong) == "BadDigest"
    assert refusal(s3.get_object, Bucket=bucket, Key="wrong") == "NoSuchKey"


def test_a_completed_upload_tells_its_checksum(s3: Any, bucket: str) -> None:
    place = {"Bucket": bucket, "Key": "parts"}
    upload = {**place, "UploadId": s3.create_multipart_upload(ChecksumAlgorithm="SHA256", **place)["UploadId"]}
    part = s3.upload_part(PartNumber=1, Body=_BODY, ChecksumAlgorithm="SHA256", **upload)
    parts = [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]}]
    done = s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **upload)
    assert done["ChecksumSHA256"].endswith("-1")


def test_a_broken_configuration_is_malformed(aws: Aws, bucket: str) -> None:
    s3 = aws.client("s3", parameter_validation=False)
    rules = {"Rules": [{"ID": "no status", "Filter": {"Prefix": "a/"}, "Expiration": {"Days": 1}}]}
    code = refusal(s3.put_bucket_lifecycle_configuration, Bucket=bucket, LifecycleConfiguration=rules)
    assert code == "MalformedXML"
    assert refusal(s3.put_bucket_policy, Bucket=bucket, Policy="no policy") == "MalformedPolicy"


def test_a_versioned_object_is_there_under_each_version(aws: Aws, s3: Any) -> None:
    place = {"Bucket": aws.bucket(versioned=True), "Key": "kept"}
    first = s3.put_object(Body=b"1", **place)["VersionId"]
    s3.put_object(Body=b"2", **place)
    marker = s3.delete_object(**place)
    assert marker["DeleteMarker"] is True
    assert refusal(s3.get_object, **place) == "NoSuchKey"
    assert s3.get_object(VersionId=first, **place)["Body"].read() == b"1"
