"""Every operation of every service that docs/localcloud.md lists is answered in AWS's terms, never by a failure.

The list comes from botocore's models, so it grows with them.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import Any

import boto3
import botocore
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from localcloud.request import Call, read_call
from localcloud.server import LocalCloud
from localcloud.shelf import ModelShelf
from localcloud.validation import Validator
from tests.conformance.sample import sample

_SERVICES = [
    "batch", "cloudformation", "cloudwatch", "dynamodb", "ec2", "ecr", "ecs", "elbv2", "iam", "lambda", "logs", "s3",
    "sagemaker", "sns", "sqs", "sts",
]  # fmt: skip
_OF_A_PROTOCOL = ["lambda", "s3", "sns", "sqs"]
_NO_RETRY = Config(retries={"max_attempts": 0}, inject_host_prefix=False, read_timeout=120)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    with LocalCloud(home=tmp_path_factory.mktemp("home")) as made:
        yield made


def _client(service: str, url: str) -> Any:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return boto3.client(service, region_name="us-east-1", endpoint_url=url, config=_NO_RETRY, **keys)


def _arguments(operation: Any, *, full: bool) -> dict[str, Any]:
    shape = operation.input_shape
    return {} if shape is None else sample(shape, full=full)


@pytest.mark.timeout(900)  # EC2 alone has 800 operations, and other work may go on
@pytest.mark.parametrize("service", _SERVICES)
def test_no_operation_fails_the_server(cloud: LocalCloud, service: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    client = _client(service, cloud.url)
    model = client.meta.service_model
    bad = {name: said for name in model.operation_names if (said := _fault(client, model.operation_model(name)))}
    assert bad == {}


def _fault(client: Any, operation: Any) -> str | None:
    """Return what is wrong with the answer to the smallest request: it must succeed, or be a refusal of the service."""
    try:
        getattr(client, botocore.xform_name(operation.name))(**_arguments(operation, full=False))
    except ClientError as refusal:
        status = refusal.response["ResponseMetadata"]["HTTPStatusCode"]
        error = refusal.response.get("Error", {})
        code, message = error.get("Code", ""), str(error.get("Message"))
        if operation.http["method"] == "HEAD" and status == 404:
            return None  # such an answer has no body to name its code
        if status == 501:
            return None if code == "NotImplemented" and operation.name in message else f"501 {code}: {message}"
        if status >= 500 or not code or code.isdigit() or "Traceback" in message:
            return f"{status} {code}: {message}"
    return None


@pytest.mark.parametrize(
    ("service", "full"),
    [*((service, True) for service in _SERVICES), *((service, False) for service in _OF_A_PROTOCOL)],
)
def test_what_botocore_sends_is_recognised_and_passes(service: str, full: bool) -> None:
    client = _client(service, "http://localhost:1")
    sent: list[Call] = []
    client.meta.events.register("before-send.*.*", lambda request, **_: _keep(sent, request))
    shelf, model = ModelShelf(), client.meta.service_model
    validator = Validator(shelf)
    bad = {}
    for name in model.operation_names:
        operation = model.operation_model(name)
        sent.clear()
        with pytest.raises(_Sent):
            getattr(client, botocore.xform_name(name))(**_arguments(operation, full=full))
        found = shelf.find(sent[0])
        refusal = validator(sent[0])
        told = "" if refusal is None or operation.deprecated else _but_patterns(refusal[2].decode())
        recognised = found is not None and _same_place(found[1].operation, operation)
        if not recognised or told:
            bad[name] = (found and found[1].operation.name, told)
    assert bad == {}


class _Sent(Exception):
    """The request was kept instead of being sent."""


def _keep(sent: list[Call], request: Any) -> None:
    path, _, query = request.url.partition("://")[2].partition("/")[2].partition("?")
    body = request.body or b""
    if hasattr(body, "read"):
        body = body.read()
    headers = {name.upper().replace("-", "_"): _text(value) for name, value in request.headers.items()}
    environ = {
        **{f"HTTP_{name}": value for name, value in headers.items()},
        "REQUEST_METHOD": request.method,
        "CONTENT_TYPE": headers.get("CONTENT_TYPE", ""),
        "RAW_URI": f"/{path}",
        "PATH_INFO": f"/{path}",
        "QUERY_STRING": query,
        "HTTP_HOST": "localhost",
    }
    sent.append(read_call(environ, body.encode() if isinstance(body, str) else body))
    raise _Sent


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _same_place(found: Any, meant: Any) -> bool:
    """S3 has two names for some requests: old ones, and those of directory buckets."""
    if found.name == meant.name or meant.deprecated:
        return True
    return found.http == meant.http


def _but_patterns(told: str) -> str:
    kept = [line for line in re.split(r"; |detected: ", told) if "failed to satisfy" in line and "pattern" not in line]
    return "; ".join(kept)
