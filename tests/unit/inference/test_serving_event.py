"""Every form in which an image reaches the Lambda function."""

import base64
import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.event import HttpEvent, Question, decode_data_url, is_http, read_direct, read_http, read_question
from inference.failure import ServingError

IMAGE = b"\x89PNG bytes"
ENCODED = base64.b64encode(IMAGE).decode()
URL = "https://pictures.example/7.png"


def version_2(method: str, path: str = "/", **parts: object) -> dict:
    context = {"stage": "$default", "http": {"method": method, "path": path}}
    return {"version": "2.0", "rawPath": path, "requestContext": context, **parts}


def version_1(method: str, path: str = "/", **parts: object) -> dict:
    return {"httpMethod": method, "path": path, "requestContext": {"stage": "prod"}, **parts}


@pytest.mark.parametrize("form", [version_1, version_2])
def test_both_payload_formats_ask_by_query(form) -> None:
    http = read_http(form("GET", queryStringParameters={"url": URL}))
    assert read_question(http) == Question(url=URL)


@pytest.mark.parametrize("form", [version_1, version_2])
def test_both_payload_formats_ask_by_json(form) -> None:
    http = read_http(form("POST", body=json.dumps({"url": URL}), headers={"Content-Type": "application/json"}))
    assert read_question(http) == Question(url=URL)


@pytest.mark.parametrize("form", [version_1, version_2])
@pytest.mark.parametrize("kind", ["image/png", "application/jpeg", "application/octet-stream", "Image/JPEG; q=1"])
def test_both_payload_formats_carry_bytes(form, kind: str) -> None:
    http = read_http(form("POST", "/predict", body=ENCODED, isBase64Encoded=True, headers={"content-TYPE": kind}))
    assert read_question(http) == Question(data=IMAGE)


def test_a_load_balancers_event_is_format_1() -> None:
    event = {"httpMethod": "GET", "path": "/", "requestContext": {"elb": {}}, "queryStringParameters": {"url": URL}}
    assert is_http(event)
    assert read_question(read_http(event)) == Question(url=URL)


def test_json_may_come_base64_encoded_and_hold_a_data_url() -> None:
    body = base64.b64encode(json.dumps({"dataurl": ENCODED}).encode()).decode()
    assert read_question(read_http(version_2("POST", body=body, isBase64Encoded=True))) == Question(data=IMAGE)


def test_the_stage_is_no_part_of_the_path() -> None:
    event = version_2("POST", "/live/predict")
    event["requestContext"]["stage"] = "live"
    assert read_http(event).path == "/predict"
    assert read_http(version_2("GET", "/lively")).path == "/lively"


def test_direct_invocations_name_a_url_or_bytes() -> None:
    assert not is_http({"url": URL})
    assert read_direct({"url": URL}) == Question(url=URL)
    assert read_direct({"dataurl": "data:image/png;base64," + ENCODED}) == Question(data=IMAGE)


@given(st.binary(max_size=200), st.booleans())
def test_bytes_survive_a_data_url(data: bytes, bare: bool) -> None:
    prefix = "" if bare else "data:image/png;base64,"
    assert decode_data_url(prefix + base64.b64encode(data).decode()) == data


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({}, "missing_url"),
        ({"url": 7}, "missing_url"),
        ({"url": ""}, "missing_url"),
        ({"dataurl": "!!!"}, "bad_dataurl"),
        ({"dataurl": "data:image/png,raw"}, "bad_dataurl"),
        ({"dataurl": "data:image/png;base64"}, "bad_dataurl"),
        ({"dataurl": "é"}, "bad_dataurl"),
        ({"dataurl": "A" * 14_000_000}, "body_too_large"),
    ],
)
def test_a_direct_invocation_without_an_image_says_what_is_wrong(event: dict, code: str) -> None:
    with pytest.raises(ServingError) as caught:
        read_direct(event)
    assert caught.value.code == code


@pytest.mark.parametrize("body", ["", "not json", "[1]", '"text"', "null", "7", "{\n", '{"url": null}', "\ud800"])
def test_a_json_body_that_names_no_image_is_refused(body: str) -> None:
    with pytest.raises(ServingError) as caught:
        read_question(read_http(version_2("POST", body=body)))
    assert caught.value.status == 400


@given(st.dictionaries(st.sampled_from(["httpMethod", "requestContext", "body", "headers", "rawPath", "path",
                                        "queryStringParameters", "isBase64Encoded", "version"]),
                       st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=9),
                                    lambda inner: st.lists(inner, max_size=3)
                                    | st.dictionaries(st.text(max_size=6), inner, max_size=3))))  # fmt: skip
def test_any_event_is_read_or_refused(event: dict) -> None:
    with suppress(ServingError):
        question = read_question(read_http(event))
        assert (question.url is None) != (question.data is None)


def test_a_body_over_the_limit_is_refused() -> None:
    with pytest.raises(ServingError) as caught:
        read_http(version_2("POST", body="x" * (10 * 1024 * 1024 + 1)))
    assert caught.value.status == 413


def test_no_query_is_no_image() -> None:
    with pytest.raises(ServingError):
        read_question(HttpEvent("GET", "/"))
