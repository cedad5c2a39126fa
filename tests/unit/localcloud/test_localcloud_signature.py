"""Signatures: AWS's own examples, whatever botocore signs, and nothing that was changed on the way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import BytesIO
from urllib.parse import quote, urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from localcloud.access import AccessKey
from localcloud.authentication import Authentication
from localcloud.chain import Answer, Exchange
from localcloud.chunk import chunks_are_genuine
from localcloud.framing import BrokenBody
from localcloud.keyring import Keyring
from localcloud.signature import Malformed, Signed, is_genuine, read_claim, signing_key

# The key of the examples in AWS's documentation of the protocol.
EXAMPLE = AccessKey("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLE" + "KEY")
KEY = AccessKey.make()
BODY = b'{"TableName": "t"}'


def example(signed_headers: str, signature: str, headers: dict[str, str]) -> tuple[dict[str, str], object]:
    scope = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"
    authorization = f"AWS4-HMAC-SHA256 Credential={scope},SignedHeaders={signed_headers},Signature={signature}"
    found = {"authorization": authorization, "x-amz-date": "20130524T000000Z", **headers}
    return found, read_claim(found, ())


def test_aws_s_example_of_a_get_is_genuine():
    payload = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    headers, claim = example(
        "host;range;x-amz-content-sha256;x-amz-date",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        {"host": "examplebucket.s3.amazonaws.com", "range": "bytes=0-9", "x-amz-content-sha256": payload},
    )
    assert is_genuine(claim, Signed("GET", "/test.txt", (), headers, payload), EXAMPLE.secret)
    assert not is_genuine(claim, Signed("GET", "/other.txt", (), headers, payload), EXAMPLE.secret)


@pytest.fixture
def chunked():
    """AWS's example of an object in signed chunks: what it claims, and its body."""
    names = "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length"
    headers, claim = example(
        f"{names};x-amz-storage-class",
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        {
            "content-encoding": "aws-chunked",
            "content-length": "66824",
            "host": "s3.amazonaws.com",
            "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            "x-amz-decoded-content-length": "66560",
            "x-amz-storage-class": "REDUCED_REDUNDANCY",
        },
    )
    chunks = (
        (65_536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
        (1_024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
        (0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
    )
    body = b"".join(b"%x;chunk-signature=%s\r\n%s\r\n" % (n, text.encode(), b"a" * n) for n, text in chunks)
    signed = Signed("PUT", "/examplebucket/chunkObject.txt", (), headers, headers["x-amz-content-sha256"])
    assert is_genuine(claim, signed, EXAMPLE.secret)
    return claim, signing_key(EXAMPLE.secret, claim), body


def test_aws_s_example_of_signed_chunks_is_genuine_and_a_changed_one_is_not(chunked):
    claim, key, body = chunked
    assert chunks_are_genuine(claim, key, body)
    assert not chunks_are_genuine(claim, key, body.replace(b"aaa", b"aba", 1))


@pytest.mark.parametrize("cut", [1, 100, 1_300])
def test_chunks_that_end_early_are_refused(chunked, cut):
    claim, key, body = chunked
    with pytest.raises(BrokenBody):
        chunks_are_genuine(claim, key, body[:-cut] if cut > 1 else b"no chunk")


@pytest.mark.parametrize(
    "header",
    [
        "AWS AKIA:c2lnbmF0dXJl",
        "Bearer word",
        "AWS4-HMAC-SHA256 Credential=AKIA/20130524/us-east-1/s3/aws4_request",
        "AWS4-HMAC-SHA256 Credential=AKIA, SignedHeaders=host, Signature=00",
        "AWS4-HMAC-SHA256 Credential=AKIA/20130525/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00",
        "AWS4-HMAC-SHA256 Credential=AKIA/20130524/us-east-1/s3/aws4_request, SignedHeaders=range, Signature=00",
    ],
)
def test_a_signature_that_cannot_be_read_is_said_to_be_so(header):
    with pytest.raises(Malformed):
        read_claim({"authorization": header, "x-amz-date": "20130524T000000Z"}, ())


def environ_of(request: AWSRequest) -> dict[str, object]:
    parts = urlsplit(request.url)
    headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in request.headers.items()}
    headers.setdefault("HTTP_HOST", parts.netloc)
    uri = parts.path + (f"?{parts.query}" if parts.query else "")
    body = request.data or b""
    return {**headers, "REQUEST_METHOD": request.method, "RAW_URI": uri, "wsgi.input": BytesIO(body)}


def sent(service: str, *, path: str = "/", auth: type = SigV4Auth, token: str | None = None) -> dict[str, object]:
    method, body = ("PUT", BODY) if service == "s3" else ("POST", BODY)
    request = AWSRequest(method=method, url=f"http://localhost:4566{path}", data=body, headers={"X-Amz-Target": "D.P"})
    auth(Credentials(KEY.id, KEY.secret, token), service, "us-east-1").add_auth(request)
    return environ_of(request)


def ask(environ: dict[str, object], *, later: timedelta = timedelta()) -> tuple[str, bytes]:
    """Status and body of what a door answers whose clock stands later."""
    door = Authentication(Keyring(KEY), lambda: datetime.now(UTC) + later)
    answer = door(Exchange(environ), lambda _: Answer("200 OK", []))
    return answer.status, b"".join(answer.body)


NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=1, max_size=8)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(NAMES, st.lists(st.tuples(NAMES, NAMES), max_size=3, unique_by=lambda pair: pair[0]), st.binary(max_size=20))
def test_whatever_botocore_signs_is_genuine_until_it_is_changed(key, query, body):
    raw = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query)
    request = AWSRequest(method="PUT", url=f"http://localhost:1/bucket/{quote(key)}?{raw}", data=body)
    S3SigV4Auth(Credentials(KEY.id, KEY.secret), "s3", "us-east-1").add_auth(request)
    assert ask(environ_of(request))[0] == "200 OK"
    other = environ_of(request) | {"REQUEST_METHOD": "DELETE"}
    assert b"SignatureDoesNotMatch" in ask(other)[1]
    assert b"XAmzContentSHA256Mismatch" in ask(environ_of(request) | {"wsgi.input": BytesIO(body + b"x")})[1]


@pytest.mark.parametrize("path", ["/", "/2015-03-31/functions/a%3Ab/invocations", "/a//b/../c/"])
def test_every_service_but_s3_signs_the_path_once_more(path):
    assert ask(sent("lambda", path=path))[0] == "200 OK"


def test_another_body_than_was_signed_is_refused():
    environ = sent("dynamodb") | {"wsgi.input": BytesIO(b'{"TableName": "u"}')}
    assert b"InvalidSignatureException" in ask(environ)[1]


@pytest.mark.parametrize(
    ("service", "auth", "minutes", "says"),
    [
        ("s3", S3SigV4Auth, 14, None),
        ("s3", S3SigV4Auth, 16, b"RequestTimeTooSkewed"),
        ("s3", S3SigV4Auth, -16, b"RequestTimeTooSkewed"),
        ("dynamodb", SigV4Auth, 4, None),
        ("dynamodb", SigV4Auth, 6, b"InvalidSignatureException"),
        ("dynamodb", SigV4Auth, -6, b"InvalidSignatureException"),
    ],
)
def test_a_signature_holds_for_a_time(service, auth, minutes, says):
    status, body = ask(sent(service, auth=auth), later=timedelta(minutes=minutes))
    assert status == "200 OK" if says is None else says in body


@pytest.mark.parametrize(("seconds", "good"), [(50, True), (70, False)])
def test_a_presigned_link_holds_for_as_long_as_it_says(seconds, good):
    request = AWSRequest(method="GET", url="http://localhost:4566/bucket/key")
    S3SigV4QueryAuth(Credentials(KEY.id, KEY.secret), "s3", "us-east-1", expires=60).add_auth(request)
    status, body = ask(environ_of(request), later=timedelta(seconds=seconds))
    assert (status == "200 OK") is good
    assert good or b"Request has expired" in body


def test_a_root_key_comes_with_no_token():
    assert b"UnrecognizedClientException" in ask(sent("dynamodb", token="a session's"))[1]
