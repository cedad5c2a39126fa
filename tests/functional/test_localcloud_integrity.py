"""S3's checksums: what does not match is refused and not kept, what matches is returned with the object."""

from __future__ import annotations

import base64
import hashlib
import http.client
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from localcloud.engines import load_engines
from localcloud.server import LocalCloud

_BUCKET = "exact"
_BODY = b"123456789"
# Of the nine digits, from the algorithms' own catalogues.
_SUMS = {
    "CRC32": (0xCBF43926).to_bytes(4, "big"),
    "CRC32C": (0xE3069283).to_bytes(4, "big"),
    "CRC64NVME": (0xAE8B14860A799888).to_bytes(8, "big"),
    "SHA1": hashlib.sha1(_BODY, usedforsecurity=False).digest(),
    "SHA256": hashlib.sha256(_BODY).digest(),
}
_TEXTS = {name: base64.b64encode(value).decode() for name, value in _SUMS.items()}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    with LocalCloud(home=tmp_path_factory.mktemp("home"), engines=load_engines(["s3"])) as made:
        yield made


@pytest.fixture(scope="module")
def s3(cloud: LocalCloud) -> Any:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    config = Config(request_checksum_calculation="when_required", response_checksum_validation="when_required")
    client = boto3.client("s3", region_name="us-east-1", endpoint_url=cloud.url, config=config, **keys)
    client.create_bucket(Bucket=_BUCKET)
    return client


@pytest.mark.parametrize("name", _SUMS)
def test_a_checksum_that_matches_is_kept_and_returned(s3: Any, name: str) -> None:
    place = {"Bucket": _BUCKET, "Key": f"good/{name}"}
    put = s3.put_object(Body=_BODY, **place, **{f"Checksum{name}": _TEXTS[name]})
    assert put[f"Checksum{name}"] == _TEXTS[name]
    for read in (s3.get_object, s3.head_object):
        assert read(**place, ChecksumMode="ENABLED")[f"Checksum{name}"] == _TEXTS[name]
        assert f"Checksum{name}" not in read(**place)


@pytest.mark.parametrize("name", _SUMS)
def test_a_checksum_that_the_client_computes_is_returned(s3: Any, name: str) -> None:
    if name in {"CRC32C", "CRC64NVME"}:
        pytest.importorskip("awscrt")
    place = {"Bucket": _BUCKET, "Key": f"computed/{name}"}
    s3.put_object(Body=_BODY, ChecksumAlgorithm=name, **place)
    assert s3.head_object(**place, ChecksumMode="ENABLED")[f"Checksum{name}"] == _TEXTS[name]


@pytest.mark.parametrize("name", [*_SUMS, "MD5"])
def test_a_checksum_that_does_not_match_is_refused_and_nothing_is_kept(s3: Any, name: str) -> None:
    length = 16 if name == "MD5" else len(_SUMS[name])
    wrong = {"ContentMD5" if name == "MD5" else f"Checksum{name}": base64.b64encode(bytes(length)).decode()}
    with pytest.raises(ClientError, match="BadDigest"):
        s3.put_object(Bucket=_BUCKET, Key="bad", Body=_BODY, **wrong)
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.get_object(Bucket=_BUCKET, Key="bad")


@pytest.mark.parametrize(("name", "code"), [("ChecksumSHA256", "InvalidRequest"), ("ContentMD5", "InvalidDigest")])
def test_what_is_no_checksum_is_refused(s3: Any, name: str, code: str) -> None:
    with pytest.raises(ClientError, match=code):
        s3.put_object(Bucket=_BUCKET, Key="bad", Body=_BODY, **{name: "AAAA"})


def test_an_object_without_a_checksum_gets_one(s3: Any) -> None:
    s3.put_object(Bucket=_BUCKET, Key="plain", Body=_BODY)
    found = s3.head_object(Bucket=_BUCKET, Key="plain", ChecksumMode="ENABLED")
    assert found["ChecksumCRC64NVME"] == _TEXTS["CRC64NVME"]


def test_a_copy_has_the_checksum_of_what_it_copies(s3: Any) -> None:
    s3.put_object(Bucket=_BUCKET, Key="source", Body=_BODY, ChecksumSHA256=_TEXTS["SHA256"])
    s3.copy_object(Bucket=_BUCKET, Key="copy", CopySource={"Bucket": _BUCKET, "Key": "source"})
    assert s3.head_object(Bucket=_BUCKET, Key="copy", ChecksumMode="ENABLED")["ChecksumSHA256"] == _TEXTS["SHA256"]


@pytest.mark.parametrize("name", _SUMS)
def test_a_part_is_held_against_its_checksum(s3: Any, name: str) -> None:
    place = {"Bucket": _BUCKET, "Key": f"parts/{name}"}
    upload = {**place, "UploadId": s3.create_multipart_upload(**place, ChecksumAlgorithm=name)["UploadId"]}
    wrong = base64.b64encode(bytes(len(_SUMS[name]))).decode()
    with pytest.raises(ClientError, match="BadDigest"):
        s3.upload_part(**upload, PartNumber=1, Body=_BODY, **{f"Checksum{name}": wrong})
    part = s3.upload_part(**upload, PartNumber=1, Body=_BODY, **{f"Checksum{name}": _TEXTS[name]})
    assert part[f"Checksum{name}"] == _TEXTS[name]
    told = {"PartNumber": 1, "ETag": part["ETag"]}
    with pytest.raises(ClientError, match="InvalidPart"):
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{**told, f"Checksum{name}": wrong}]})
    whole = {"Parts": [{**told, f"Checksum{name}": _TEXTS[name]}]}
    s3.complete_multipart_upload(**upload, MultipartUpload=whole)
    found = s3.head_object(**place, ChecksumMode="ENABLED")
    composite = base64.b64encode(_digest(name, _SUMS[name])).decode() + "-1"
    assert found[f"Checksum{name}"] == (_TEXTS[name] if name == "CRC64NVME" else composite)


def _digest(name: str, content: bytes) -> bytes:
    from localcloud.checksum import new_sum

    found = new_sum(name)
    found.update(content)
    return found.digest()


@pytest.mark.parametrize("name", _SUMS)
def test_a_trailer_is_held_against_the_bytes_before_it(cloud: LocalCloud, s3: Any, name: str) -> None:
    wrong = base64.b64encode(bytes(len(_SUMS[name]))).decode()
    assert "BadDigest" in _send_chunks(cloud, f"trailer/{name}", name, wrong)
    assert _send_chunks(cloud, f"trailer/{name}", name, _TEXTS[name]) == ""
    found = s3.get_object(Bucket=_BUCKET, Key=f"trailer/{name}", ChecksumMode="ENABLED")
    assert found["Body"].read() == _BODY
    assert found[f"Checksum{name}"] == _TEXTS[name]


def test_a_body_that_lost_a_byte_or_its_trailer_is_refused(cloud: LocalCloud, s3: Any) -> None:
    assert "IncompleteBody" in _send_chunks(cloud, "short", "CRC32", _TEXTS["CRC32"], length=10)
    assert "MalformedTrailerError" in _send_chunks(cloud, "short", "CRC32", None)
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.get_object(Bucket=_BUCKET, Key="short")


def _send_chunks(cloud: LocalCloud, key: str, name: str, checksum: str | None, *, length: int = len(_BODY)) -> str:
    """Put the digits in two chunks of AWS's own framing; return what S3 said."""
    header = f"x-amz-checksum-{name.lower()}"
    trailer = "" if checksum is None else f"{header}:{checksum}\r\n"
    body = f"4\r\n1234\r\n5\r\n56789\r\n0\r\n{trailer}\r\n".encode()
    headers = {
        "Content-Encoding": "aws-chunked",
        "x-amz-decoded-content-length": str(length),
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-trailer": header,
    }
    request = AWSRequest("PUT", f"{cloud.url}/{_BUCKET}/{key}", headers, body)
    SigV4Auth(Credentials("test", "test"), "s3", "us-east-1").add_auth(request)
    connection = http.client.HTTPConnection(urlsplit(cloud.url).netloc)
    try:
        connection.request("PUT", f"/{_BUCKET}/{key}", body, dict(request.headers.items()))
        return connection.getresponse().read().decode()
    finally:
        connection.close()
