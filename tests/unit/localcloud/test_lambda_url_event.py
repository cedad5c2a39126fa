"""HTTP to events and back: nothing is lost, and nothing a function returns breaks the answer."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from localcloud.engines.lambda_cors import add_headers, answer_preflight, is_preflight
from localcloud.engines.lambda_url_event import (
    Caller,
    HttpRequest,
    HttpResponse,
    from_result,
    read_access_key,
    to_event,
)

NOW = datetime(2030, 1, 31, 12, 0, tzinfo=UTC)
CALLER = Caller("abc", "localhost:1", "123456789012")
TYPES = ["image/png", "text/plain", "application/json", "application/ld+json; charset=utf-8", "", "multipart/form-data"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def translate(**more: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {"method": "POST", "target": "/", "headers": (), "body": b"", "source_ip": "127.0.0.1"}
    return to_event(HttpRequest(**(fields | more)), CALLER, request_id="r", now=NOW)


@given(body=st.binary(min_size=1), kind=st.sampled_from(TYPES))
def test_every_body_can_be_read_back(body: bytes, kind: str) -> None:
    event = json.loads(json.dumps(translate(body=body, headers=(("Content-Type", kind),))))
    found = base64.b64decode(event["body"]) if event["isBase64Encoded"] else event["body"].encode()
    assert found == body
    assert event["isBase64Encoded"] or kind.startswith(("text/", "application/"))


@given(
    result=st.fixed_dictionaries(
        {"statusCode": JSON},
        optional={"headers": JSON, "body": JSON, "cookies": JSON, "isBase64Encoded": JSON},
    )
    | JSON
)
@example(result={"statusCode": 100, "headers": 1})
def test_whatever_a_function_returns_becomes_an_answer(result: Any) -> None:
    answer = from_result(json.dumps(result).encode())
    assert 100 <= answer.status <= 599
    assert isinstance(answer.body, bytes)
    assert not any("\n" in value or "\r" in value for _, value in answer.headers)


def test_a_result_without_a_status_is_the_body_of_a_200() -> None:
    payload = b'{"labels": ["cat"]}'
    assert from_result(payload) == HttpResponse(200, (("content-type", "application/json"),), payload)


def test_a_result_cannot_set_the_connections_own_headers() -> None:
    answer = from_result(b'{"statusCode": 200, "headers": {"Content-Length": "1", "X-Own": true}, "body": "abc"}')
    assert dict(answer.headers) == {"x-own": "true", "content-type": "application/json"}
    assert answer.body == b"abc"


def test_a_body_that_is_not_the_base64_it_claims_is_a_bad_gateway() -> None:
    assert from_result(b'{"statusCode": 200, "body": "no!", "isBase64Encoded": true}').status == 502


def test_repeated_headers_are_joined_and_cookies_are_a_list() -> None:
    event = translate(headers=(("X-A", "1"), ("x-a", "2"), ("Cookie", "k=1; l=2")))
    assert event["headers"] == {"x-a": "1,2"}
    assert event["cookies"] == ["k=1", "l=2"]


def test_time_is_told_twice() -> None:
    context = translate()["requestContext"]
    assert (context["time"], context["timeEpoch"]) == ("31/Jan/2030:12:00:00 +0000", 1896091200000)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("AWS4-HMAC-SHA256 Credential=AK/20300131/r1/lambda/aws4_request, SignedHeaders=host, Signature=ab", "AK"),
        ("AWS4-HMAC-SHA256 Credential=AK/20300131/r1/s3/aws4_request, SignedHeaders=host, Signature=ab", None),
        ("AWS4-HMAC-SHA256 Credential=AK/20300131/r2/lambda/aws4_request, SignedHeaders=host, Signature=ab", None),
        ("AWS4-HMAC-SHA256 Credential=AK/20300131/r1/lambda/aws4_request, SignedHeaders=host", None),
        ("Basic abc", None),
        ("", None),
        (None, None),
    ],
)
def test_only_a_complete_signature_for_lambda_counts(header: str | None, found: str | None) -> None:
    assert read_access_key(header, region="r1") == found


@given(st.text())
def test_no_authorization_header_breaks_the_reader(header: str) -> None:
    assert read_access_key(header, region="r1") is None


def ask(origin: str, *, method: str = "GET") -> HttpRequest:
    headers = (("Origin", origin), ("Access-Control-Request-Method", "POST"))
    return HttpRequest(method, "/", headers, b"", "127.0.0.1")


def test_the_urls_cross_origin_headers_replace_the_functions() -> None:
    own = HttpResponse(200, (("access-control-allow-origin", "https://evil.example"), ("x-own", "1")), b"")
    answer = add_headers(ask("https://a.example"), own, {"AllowOrigins": ["*"]})
    assert answer.headers == (("x-own", "1"), ("access-control-allow-origin", "*"))


def test_with_credentials_the_origin_is_named_even_for_a_wildcard() -> None:
    cors = {"AllowOrigins": ["*"], "AllowCredentials": True, "AllowMethods": ["GET", "POST"], "MaxAge": 0}
    assert is_preflight(ask("https://a.example", method="OPTIONS"))
    assert dict(answer_preflight(ask("https://a.example", method="OPTIONS"), cors).headers) == {
        "access-control-allow-origin": "https://a.example",
        "vary": "Origin",
        "access-control-allow-credentials": "true",
        "access-control-allow-methods": "GET,POST",
        "access-control-max-age": "0",
    }
