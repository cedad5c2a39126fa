"""A function URL answers over real HTTP: AWS's events, AWS's reading of the answer, and who may call."""

import base64
import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from lambda_cloud import Cloud

from localcloud.runtime import ROOT

pytestmark = [
    pytest.mark.mxnet,
    pytest.mark.skipif(not (ROOT / ".venv-mxnet").is_dir(), reason="there is no .venv-mxnet"),
]

PNG = bytes(range(256)) * 4


@dataclass
class Page:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def call(url: str, path: str = "/", *, method: str = "GET", body: Any = None, **headers: str) -> Page:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body=body, headers=named)
        answer = connection.getresponse()
        return Page(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def open_url(cloud: Cloud, name: str, **more: Any) -> str:
    return cloud.functions.create_function_url_config(FunctionName=name, **({"AuthType": "NONE"} | more))["FunctionUrl"]


@pytest.fixture(scope="module")
def url(cloud: Cloud) -> Iterator[str]:
    name = cloud.create()
    yield open_url(cloud, name)
    cloud.functions.delete_function_url_config(FunctionName=name)


def test_the_function_gets_an_event_of_format_2(url: str) -> None:
    page = call(url, "/five/labels?url=http%3A%2F%2Fcat&k=1&k=2", User_Agent="probe", Cookie="a=1; b=2", X_Both="é")
    event = page.json
    assert (page.status, page.headers["content-type"]) == (200, "application/json")
    assert (event["version"], event["routeKey"], event["isBase64Encoded"]) == ("2.0", "$default", False)
    assert (event["rawPath"], event["rawQueryString"]) == ("/five/labels", "url=http%3A%2F%2Fcat&k=1&k=2")
    assert event["queryStringParameters"] == {"url": "http://cat", "k": "1,2"}
    assert event["cookies"] == ["a=1", "b=2"]
    assert event["headers"]["user-agent"] == "probe"
    assert "body" not in event
    context = event["requestContext"]
    assert context["accountId"] == "anonymous"
    assert context["http"] == {
        "method": "GET",
        "path": "/five/labels",
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "probe",
    }


def test_a_text_body_arrives_as_text_and_other_bodies_as_base64(url: str) -> None:
    text = call(url, method="POST", body='{"url": "http://cat"}', Content_Type="application/json").json
    assert (text["body"], text["isBase64Encoded"]) == ('{"url": "http://cat"}', False)
    image = call(url, method="POST", body=PNG, Content_Type="image/png").json
    assert (base64.b64decode(image["body"]), image["isBase64Encoded"]) == (PNG, True)
    chunked = call(url, method="POST", body=iter([PNG, PNG]), Content_Type="image/png").json
    assert base64.b64decode(chunked["body"]) == PNG * 2


def test_a_binary_answer_arrives_as_bytes_with_its_status_headers_and_cookies(url: str) -> None:
    page = call(url, "/image", method="PUT", body=PNG, Content_Type="application/octet-stream")
    assert (page.status, page.headers["content-type"], page.body) == (201, "image/png", PNG[::-1])
    assert page.headers.get_all("set-cookie") == ["a=1", "b=2"]


def test_a_function_that_raises_is_a_bad_gateway_and_the_connection_lives_on(url: str) -> None:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    for path, status in (("/raise", 502), ("/", 200), ("/raise", 502)):
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == status
    assert json.loads(body) == {"Message": "Internal Server Error"}
    connection.close()


def test_a_body_over_the_limit_is_refused(url: str) -> None:
    assert call(url, method="POST", body=b"x" * 6_291_457).status == 413


def test_a_url_with_iam_refuses_unsigned_requests_and_takes_signed_ones(cloud: Cloud) -> None:
    url = open_url(cloud, cloud.create(), AuthType="AWS_IAM")
    refused = call(url)
    assert (refused.status, refused.json) == (403, {"Message": "Forbidden"})
    assert call(url, Authorization="Basic YTpi").status == 403
    request = AWSRequest("GET", url)
    SigV4Auth(Credentials("AKIAPROBE", "secret"), "lambda", "us-east-1").add_auth(request)
    page = call(url, **dict(request.headers))
    assert page.status == 200
    assert page.json["requestContext"]["authorizer"]["iam"]["accessKey"] == "AKIAPROBE"


def test_a_url_of_an_alias_follows_the_alias(cloud: Cloud) -> None:
    name = cloud.create(ImageConfig={"Command": ["probe.handler"]})
    cloud.publish(name, "one")
    cloud.publish(name, "two")
    cloud.functions.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    made = cloud.functions.create_function_url_config(FunctionName=name, Qualifier="live", AuthType="NONE")
    assert made["FunctionArn"].endswith(f":{name}:live")
    assert call(made["FunctionUrl"]).status == 200
    cloud.functions.update_alias(FunctionName=name, Name="live", FunctionVersion="2")
    assert call(made["FunctionUrl"]).status == 200
    starts = [line.split("Version: ")[1] for line in cloud.read_log(name) if line.startswith("START")]
    assert starts == ["1", "2"]
    listed = cloud.functions.list_function_url_configs(FunctionName=name)["FunctionUrlConfigs"]
    assert [found["FunctionUrl"] for found in listed] == [made["FunctionUrl"]]
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        cloud.functions.get_function_url_config(FunctionName=name)
    with pytest.raises(ClientError, match="ResourceConflictException"):
        cloud.functions.create_function_url_config(FunctionName=name, Qualifier="live", AuthType="NONE")
    cloud.functions.delete_alias(FunctionName=name, Name="live")
    with pytest.raises(ConnectionRefusedError):
        call(made["FunctionUrl"])


def test_cross_origin_questions_are_answered_by_the_url(cloud: Cloud) -> None:
    cors = {
        "AllowOrigins": ["https://labels.example"],
        "AllowMethods": ["POST"],
        "AllowHeaders": ["x-key"],
        "MaxAge": 60,
    }
    name = cloud.create()
    url = open_url(cloud, name, Cors=cors)
    asked = call(url, method="OPTIONS", Origin="https://labels.example", Access_Control_Request_Method="POST")
    assert (asked.status, asked.headers["access-control-allow-methods"]) == (200, "POST")
    assert asked.headers["access-control-max-age"] == "60"
    ours = call(url, Origin="https://labels.example")
    assert ours.headers["access-control-allow-origin"] == "https://labels.example"
    assert call(url, Origin="https://elsewhere.example").headers["access-control-allow-origin"] is None


def test_a_url_of_a_deleted_function_is_closed_for_those_connected_too(cloud: Cloud) -> None:
    name = cloud.create()
    url = open_url(cloud, name)
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    connection.request("GET", "/")
    connection.getresponse().read()
    cloud.functions.delete_function(FunctionName=name)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        _ask_again(connection)
    with pytest.raises(ConnectionRefusedError):
        call(url)


def _ask_again(connection: http.client.HTTPConnection) -> None:
    connection.auto_open = 0
    connection.request("GET", "/")
    connection.getresponse()
